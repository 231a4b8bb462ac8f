"""What a visitor may ask for, and the refusal of what is more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        upload_bytes: Size of a photo or an archive.
        pixels: Pixels of a photo.
        archive_photos: Photos in an archive.
        at_once: Requests worked on at a time.
        waiting: Requests that may wait for their turn; as many uploads may be under way.
        seconds: Longest time to send an upload, to wait for a turn, and to work on a request.
        idle_seconds: Longest time in which a visitor sends or takes nothing when it is their turn.
        kept_bytes: Memory for photos that visitors are working on.
        kept_seconds: How long an unused photo is kept.
    """

    upload_bytes: int = 20_000_000
    pixels: int = 40_000_000
    archive_photos: int = 50
    at_once: int = 2
    waiting: int = 16
    seconds: int = 60
    idle_seconds: int = 10
    kept_bytes: int = 500_000_000
    kept_seconds: int = 900


class RefusalError(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def busy() -> RefusalError:
    """The refusal of a request that would be welcome at another time."""
    return RefusalError(503, "Too many people are at it just now. Please try again in a moment.")
