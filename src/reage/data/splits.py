"""Assign files to train, validation and test: seeded, stratified, copies of one photo together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

FRACTIONS: Final = {"train": 0.8, "validation": 0.1, "test": 0.1}
SPLITS: Final = tuple(FRACTIONS)


def shuffle_key(file: str, seed: int) -> bytes:
    """A key that sorts files in an order that depends on nothing but their names and the seed."""
    return hashlib.sha256(f"{seed}/{file}".encode()).digest()


def assign_splits(
    groups: Mapping[str, int], clusters: Mapping[str, str], *, seed: int
) -> dict[str, str]:
    """Splits files 80/10/10 within each age group.

    Args:
        groups: Age group of each file.
        clusters: For at least these files, the name of the cluster they belong to. A cluster stays
            whole and counts for the group of its first file by name.
        seed: Seed of the shuffle.

    Returns:
        `train`, `validation` or `test` for each file, whatever the order of the arguments.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for file in sorted(groups):
        members[clusters[file]].append(file)
    strata: dict[int, list[str]] = defaultdict(list)
    for cluster in sorted(members, key=lambda name: shuffle_key(name, seed)):
        strata[groups[members[cluster][0]]].append(cluster)
    splits = {}
    for stratum in strata.values():
        total = sum(len(members[cluster]) for cluster in stratum)
        placed = 0
        for cluster in stratum:
            size = len(members[cluster])
            split = _split_at((placed + size / 2) / total)
            splits.update(dict.fromkeys(members[cluster], split))
            placed += size
    return splits


def _split_at(position: float) -> str:
    """The split at a position 0..1 of the shuffled files of a stratum."""
    bound = 0.0
    for split, fraction in FRACTIONS.items():
        bound += fraction
        if position < bound:
            return split
    return SPLITS[-1]
