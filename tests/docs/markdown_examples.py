"""Finds the fenced examples of Markdown pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from markdown_it import MarkdownIt

# `<!-- example: parse-only WHY -->` right before a fence: it needs data, a device, or too long.
_PARSE_ONLY = re.compile(r"<!-- example: parse-only (\S.*) -->\s*")


@dataclass(frozen=True)
class Example:
    """A fenced block: where it stands, its language, and why it is not run, if it is not."""

    place: str
    language: str
    code: str
    parse_only: str | None


def find_examples(path: Path, name: str) -> list[Example]:
    """The fenced blocks of a page, in order; `name` is what their places begin with."""
    examples, before = [], None
    for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
        if token.type == "fence":
            assert token.map is not None
            marker = _PARSE_ONLY.fullmatch(before.content) if before else None
            place = f"{name}:{token.map[0] + 1}"
            reason = marker[1] if marker else None
            examples.append(Example(place, token.info, token.content, reason))
        before = token if token.type == "html_block" else None
    return examples


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command of a shell block; those joined by `&&` are several."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for is_joint, command in groupby(words, "&&".__eq__):
            if not is_joint:
                yield list(command)
