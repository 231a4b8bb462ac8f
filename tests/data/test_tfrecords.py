from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reage.data.record_reader import read_records
from reage.data.tfrecords import (
    FaceRecord,
    parse_example,
    serialize,
    shard_names,
    write_split,
)
from reage.errors import DataError, MissingExtraError

RECORDS = [
    FaceRecord("a.jpg", b"\xff\xd8\x00bytes", 0, 1, 4),
    FaceRecord("ordner/größe 2.jpg", b"", 116),
    FaceRecord("c.jpg", b"c", 35, 0, 0),
]


def test_shard_names() -> None:
    names = shard_names("train", 8)
    assert names[0] == "train-00000-of-00008.tfrecord"
    assert names[-1] == "train-00007-of-00008.tfrecord"
    assert len(names) == 8


@pytest.mark.parametrize(("age", "group"), [(0, 0), (5, 0), (6, 1), (35, 6), (101, 13), (116, 13)])
def test_group_of_an_age(age: int, group: int) -> None:
    assert FaceRecord("a", b"", age).group == group


def test_round_trip(tmp_path: Path) -> None:
    (path,) = write_split(tmp_path, "test", RECORDS)
    assert path.name == "test-00000-of-00001.tfrecord"
    assert list(read_records(path)) == RECORDS


def test_records_go_to_the_shards_in_turn(tmp_path: Path) -> None:
    paths = write_split(tmp_path, "train", RECORDS, shards=2)
    assert [path.name for path in paths] == shard_names("train", 2)
    assert list(read_records(paths[0])) == [RECORDS[0], RECORDS[2]]
    assert list(read_records(paths[1])) == [RECORDS[1]]


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    (first,) = write_split(tmp_path, "train", RECORDS)
    (second,) = write_split(tmp_path, "again", RECORDS)
    assert first.read_bytes() == second.read_bytes()


def test_parsed_features_have_the_documented_types() -> None:
    tensors = parse_example(serialize(RECORDS[0]))
    assert {name: tensor.dtype.name for name, tensor in tensors.items()} == {
        "image": "string",
        "age": "int64",
        "group": "int64",
        "sex": "int64",
        "ethnicity": "int64",
        "file": "string",
    }
    assert all(tensor.shape == () for tensor in tensors.values())
    assert {name: tensor.numpy() for name, tensor in tensors.items()} == {
        "image": b"\xff\xd8\x00bytes",
        "age": 0,
        "group": 0,
        "sex": 1,
        "ethnicity": 4,
        "file": b"a.jpg",
    }


def test_unknown_labels_are_minus_one() -> None:
    tensors = parse_example(serialize(RECORDS[1]))
    assert (int(tensors["sex"]), int(tensors["ethnicity"]), int(tensors["group"])) == (-1, -1, 13)


def test_parsing_works_in_a_data_pipeline(tmp_path: Path) -> None:
    import tensorflow as tf

    (path,) = write_split(tmp_path, "train", RECORDS)
    ages = [int(e["age"]) for e in tf.data.TFRecordDataset(str(path)).map(parse_example)]
    assert ages == [0, 116, 35]


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.tfrecord: cannot be read"):
        list(read_records(tmp_path / "absent.tfrecord"))


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    (path,) = write_split(tmp_path, "train", RECORDS)
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(path.read_bytes()[:-3])
    text = tmp_path / "text.tfrecord"
    text.write_bytes(b"this is no TFRecord file, only text")
    foreign = tmp_path / "foreign.tfrecord"
    with tf.io.TFRecordWriter(str(foreign)) as writer:
        writer.write(tf.train.Example().SerializeToString())
    garbage = tmp_path / "garbage.tfrecord"
    with tf.io.TFRecordWriter(str(garbage)) as writer:
        writer.write(b"\xff\xff\xff")
    for bad in (cut, text, foreign, garbage):
        with pytest.raises(DataError, match="is damaged or holds no face records"):
            list(read_records(bad))


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_split(tmp_path / "absent", "train", RECORDS)


def test_without_tensorflow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[train\]'"):
        write_split(tmp_path, "train", RECORDS)
    assert list(tmp_path.iterdir()) == []
