"""Sizes of the networks."""

from __future__ import annotations

from dataclasses import dataclass

FINEST_BLOCK = 32
"""Above this resolution a level is one convolution: blocks there cost most and see least."""

_GENERATOR_CHANNELS = {256: 8, 128: 16, 64: 24, 32: 48, 16: 96, 8: 192}
_DISCRIMINATOR_CHANNELS = {256: 8, 128: 16, 64: 24, 32: 48, 16: 96, 8: 192, 4: 256}


@dataclass(frozen=True)
class GeneratorSize:
    """Width and depth of a generator.

    Attributes:
        image_size: Side of the square input, pixels; a power of two.
        code_size: Side of the identity code, pixels.
        channels: Feature channels at each resolution from `image_size` down to `code_size`.
        style_dim: Length of the style vector that modulates the decoder.
    """

    image_size: int
    code_size: int
    channels: dict[int, int]
    style_dim: int

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Feature resolutions, finest first."""
        return resolutions(self.image_size, self.code_size)


@dataclass(frozen=True)
class DiscriminatorSize:
    """Width and depth of a discriminator or age critic.

    Attributes:
        image_size: Side of the square input, pixels; a power of two.
        last_size: Side of the coarsest features, pixels.
        channels: Feature channels at each resolution.
    """

    image_size: int
    last_size: int
    channels: dict[int, int]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Feature resolutions, finest first."""
        return resolutions(self.image_size, self.last_size)


def resolutions(finest: int, coarsest: int) -> tuple[int, ...]:
    """Powers of two from `finest` down to `coarsest`.

    Raises:
        ValueError: If the two are not powers of two with `finest > coarsest`.
    """
    if finest <= coarsest or finest & (finest - 1) or coarsest & (coarsest - 1):
        raise ValueError(f"sizes must be powers of two, finest first: {finest}, {coarsest}")
    sizes = []
    while finest >= coarsest:
        sizes.append(finest)
        finest //= 2
    return tuple(sizes)


def generator_size(image_size: int, *, width: float = 1.0) -> GeneratorSize:
    """The generator for `image_size` in {32, 64, 128, 256}; `width` scales every channel count."""
    return GeneratorSize(
        image_size=image_size,
        code_size=8,
        channels=_scaled(_GENERATOR_CHANNELS, width),
        style_dim=max(8, round(128 * width)),
    )


def discriminator_size(image_size: int, *, width: float = 1.0) -> DiscriminatorSize:
    """The discriminator for `image_size`; `width` scales every channel count."""
    return DiscriminatorSize(image_size, 4, _scaled(_DISCRIMINATOR_CHANNELS, width))


def _scaled(channels: dict[int, int], width: float) -> dict[int, int]:
    return {size: max(4, round(count * width)) for size, count in channels.items()}
