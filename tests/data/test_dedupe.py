from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import cv2
import numpy as np
import pytest
from synthetic_faces import encode, jpeg, pixels

from reage.data.dedupe import Fingerprint, cluster_copies, drop_duplicates, fingerprint
from reage.data.tfrecords import FaceRecord
from reage.errors import ImageReadError


def faces(*labels: tuple[str, int, int]) -> tuple[list[FaceRecord], list[Fingerprint]]:
    """Records and prints from (name, age, picture)."""
    records = [FaceRecord(name, jpeg(picture), age) for name, age, picture in labels]
    return records, [fingerprint(record.image) for record in records]


def test_hash_of_a_known_picture() -> None:
    # Only the lowest horizontal frequency of a horizontal cosine is above the median of 0,
    # besides the mean brightness.
    wave = 128 + 100 * np.cos((np.arange(32) + 0.5) * np.pi / 32)
    image = np.tile(wave.round().astype(np.uint8), (32, 1))
    code = fingerprint(encode(image, "PNG")).code.reshape(8, 8)
    assert code[0, 0]
    assert code[0, 1]
    mirrored = fingerprint(encode(np.ascontiguousarray(image[:, ::-1]), "PNG")).code.reshape(8, 8)
    assert mirrored[0, 0]
    assert not mirrored[0, 1]


def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture() -> None:
    mirrored = np.ascontiguousarray(pixels(3)[:, ::-1])
    found = fingerprint(encode(pixels(3), "PNG")).mirrored_code
    assert np.array_equal(found, fingerprint(encode(mirrored, "PNG")).code)


def test_recompression_keeps_the_hash_and_other_pictures_change_it() -> None:
    first = fingerprint(encode(pixels(1), quality=95)).code
    assert np.array_equal(first, fingerprint(encode(pixels(1), quality=60)).code)
    assert np.sum(first != fingerprint(jpeg(2)).code) > 16


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg(1)[:2000]])
def test_a_damaged_picture_has_no_hash(data: bytes) -> None:
    with pytest.raises(ImageReadError):
        fingerprint(data)


def test_of_copies_with_one_age_the_first_by_name_stays() -> None:
    dropped = drop_duplicates(*faces(("c", 30, 1), ("a", 30, 1), ("b", 30, 1), ("d", 40, 2)))
    assert sorted(dropped) == ["b", "c"]
    assert {item.split for item in dropped.values()} == {"duplicate"}
    assert dropped["b"].reason == "same photo as a"


def test_copies_with_conflicting_ages_are_all_dropped() -> None:
    dropped = drop_duplicates(*faces(("a", 30, 1), ("b", 31, 1), ("c", 30, 1), ("d", 30, 2)))
    assert sorted(dropped) == ["a", "b", "c"]
    assert {item.split for item in dropped.values()} == {"conflict"}
    assert dropped["a"].reason == "copies of one photo say ages 30, 31"


def test_different_photos_are_neither_dropped_nor_joined() -> None:
    records, prints = faces(*((str(n), 30, n) for n in range(50)))
    assert drop_duplicates(records, prints) == {}
    names = [record.file for record in records]
    assert cluster_copies(names, prints) == {name: name for name in names}


def test_near_and_mirrored_copies_are_joined() -> None:
    blurred = cv2.GaussianBlur(pixels(1), (0, 0), 6)
    shifted = np.roll(pixels(1), 2, axis=1)
    mirrored = np.ascontiguousarray(pixels(1)[:, ::-1])
    prints = [fingerprint(encode(image)) for image in (pixels(1), blurred, shifted, mirrored)]
    clusters = cluster_copies(["b", "a", "c", "d"], [*prints])
    assert clusters == dict.fromkeys("abcd", "a")


def test_a_near_hash_alone_joins_nothing() -> None:
    first, other = fingerprint(jpeg(1)), fingerprint(jpeg(2))
    alike = replace_code(other, first)
    assert cluster_copies(["a", "b"], [first, alike]) == {"a": "a", "b": "b"}


def replace_code(print_: Fingerprint, other: Fingerprint) -> Fingerprint:
    return print_._replace(code=other.code, mirrored_code=other.mirrored_code)


def test_copies_of_copies_are_joined_in_any_order() -> None:
    # A chain: each picture is close to the next one, the ends are not close to each other.
    start, end = pixels(1).astype(float), pixels(2).astype(float)
    steps = [(start + (end - start) * k / 6).astype(np.uint8) for k in range(4)]
    prints = [fingerprint(encode(step)) for step in steps]
    assert all(
        len(set(cluster_copies(["x", "y"], list(two)).values())) == 1 for two in pairwise(prints)
    )
    assert len(set(cluster_copies(["x", "y"], [prints[0], prints[3]]).values())) == 2
    for order in permutations(range(4)):
        names, shuffled = [str(k) for k in order], [prints[k] for k in order]
        assert cluster_copies(names, shuffled) == dict.fromkeys("0123", "0")


def test_no_faces_make_no_clusters() -> None:
    assert cluster_copies([], []) == {}


def test_the_order_of_the_files_does_not_matter() -> None:
    labels = [("c", 30, 1), ("a", 30, 1), ("b", 31, 2), ("d", 32, 2), ("e", 30, 3)]
    expected = drop_duplicates(*faces(*labels))
    for order in permutations(labels):
        assert drop_duplicates(*faces(*order)) == expected


def test_labels_other_than_the_age_do_not_conflict() -> None:
    records, prints = faces(("a", 30, 1), ("b", 30, 1))
    records[1] = replace(records[1], sex=1, ethnicity=2)
    assert [item.split for item in drop_duplicates(records, prints).values()] == ["duplicate"]
