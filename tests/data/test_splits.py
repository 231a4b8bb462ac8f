from __future__ import annotations

import random
from collections import Counter

import pytest

from reage.data.splits import assign_splits

GROUPS = {f"{n}.jpg": n % 14 for n in range(14 * 50)}
ALONE = {file: file for file in GROUPS}


def test_every_age_group_is_split_80_10_10() -> None:
    splits = assign_splits(GROUPS, ALONE, seed=0)
    assert splits.keys() == GROUPS.keys()
    for group in range(14):
        counts = Counter(splits[file] for file in GROUPS if GROUPS[file] == group)
        assert counts == {"train": 40, "validation": 5, "test": 5}


def test_the_order_of_the_files_does_not_matter() -> None:
    files = list(GROUPS)
    random.Random(1).shuffle(files)
    shuffled = {file: GROUPS[file] for file in files}
    assert assign_splits(shuffled, ALONE, seed=0) == assign_splits(GROUPS, ALONE, seed=0)


def test_known_split_of_seed_0() -> None:
    # Written down so that no change of the code moves test faces into training unnoticed.
    files = {f"{n}.jpg": 5 for n in range(20)}
    splits = assign_splits(files, {file: file for file in files}, seed=0)
    assert sorted(file for file in files if splits[file] == "test") == ["4.jpg", "8.jpg"]
    assert sorted(file for file in files if splits[file] == "validation") == ["5.jpg", "9.jpg"]


def test_another_seed_splits_otherwise() -> None:
    assert assign_splits(GROUPS, ALONE, seed=1) != assign_splits(GROUPS, ALONE, seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_a_cluster_stays_whole_even_across_age_groups(seed: int) -> None:
    files = list(GROUPS)
    clusters = {file: files[n - n % 3] for n, file in enumerate(files)}
    splits = assign_splits(GROUPS, clusters, seed=seed)
    for file, cluster in clusters.items():
        assert splits[file] == splits[cluster]
    shares = Counter(splits.values())
    assert abs(shares["train"] / len(files) - 0.8) < 0.03


def test_a_cluster_may_be_named_after_a_dropped_file() -> None:
    splits = assign_splits({"b": 1, "c": 1}, {"a": "a", "b": "a", "c": "a"}, seed=0)
    assert splits["b"] == splits["c"]


def test_a_lone_face_is_for_training() -> None:
    assert assign_splits({"a": 3}, {"a": "a"}, seed=0) == {"a": "train"}


def test_no_faces() -> None:
    assert assign_splits({}, {}, seed=0) == {}
