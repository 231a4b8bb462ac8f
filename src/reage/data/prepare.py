"""Write a selection of faces as TFRecords with their manifest, all or nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reage.ages import AGE_GROUPS
from reage.data.dedupe import HASH_BITS, NEAR_BITS, NEAR_CORRELATION
from reage.data.select import Selection, Track, select, silent
from reage.data.splits import SPLITS, shuffle_key
from reage.data.tfrecords import require_extra, write_split
from reage.data.utkface import Skipped
from reage.errors import DataError
from reage.scratch import remove_abandoned, scratch_folder

VERSION: Final = 1
SHARDS: Final = {"train": 8, "validation": 1, "test": 1}
DATASET_FILE: Final = "dataset.json"
MANIFEST_FILE: Final = "manifest.csv"
MANIFEST_COLUMNS: Final = ("file", "split", "age", "sex", "ethnicity", "reason")


@dataclass(frozen=True)
class Prepared:
    """A prepared data set on disk.

    Attributes:
        folder: Where it lies.
        dataset: The contents of its `dataset.json`.
        skipped: The files left out, and why.
        reused: Whether it lay there already, identical and intact.
    """

    folder: Path
    dataset: dict[str, Any]
    skipped: tuple[Skipped, ...]
    reused: bool


def prepare(
    source: Path,
    output: Path,
    *,
    seed: int = 0,
    align: bool = False,
    force: bool = False,
    track: Track = silent,
) -> Prepared:
    """Writes `source` as split TFRecords, `dataset.json` and `manifest.csv` to the folder `output`.

    Args:
        source: UTKFace.tar.gz, its extracted folder, a folder of folders named by age, or a CSV
            file with the columns file, age and optionally sex, ethnicity. All its images, encoded,
            must fit in memory.
        output: The folder to make; it appears complete or not at all.
        seed: Seed of the split.
        align: Whether to find the face in each image and crop it; else each must be a face crop.
        force: Whether to replace another prepared data set at `output`.
        track: Shows progress.

    Raises:
        DataError: If the source cannot be read or holds no usable face, or the output exists.
        MissingExtraError: If tensorflow is not installed.
    """
    require_extra("tensorflow")
    _check_output(source, output)
    remove_abandoned(output.parent)
    selection = select(source, seed=seed, align=align, track=track)
    manifest = _manifest(selection)
    dataset = _describe(source, selection, manifest, seed)
    if not force and _is_occupied(output):
        if not _is_intact(output, dataset):
            raise _occupied(output)
        return Prepared(output, read_dataset(output), selection.skipped, reused=True)
    _write(output, selection, manifest, dataset, track)
    return Prepared(output, read_dataset(output), selection.skipped, reused=False)


def read_dataset(folder: Path) -> dict[str, Any]:
    """Reads the description of a prepared data set.

    Raises:
        DataError: If the folder holds none or one of another version.
    """
    path = folder / DATASET_FILE
    remedy = "make it with `reage data prepare`"
    try:
        dataset: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(folder, f"holds no {DATASET_FILE}", remedy) from error
    except (OSError, ValueError) as error:
        raise DataError(path, "cannot be read", remedy) from error
    if not isinstance(dataset, dict) or dataset.get("version") != VERSION:
        raise DataError(path, f"is not of version {VERSION}", remedy)
    return dataset


def read_manifest(folder: Path) -> list[dict[str, str]]:
    """Reads `manifest.csv`: one row a file with the columns `MANIFEST_COLUMNS`, all text.

    Raises:
        DataError: If it is absent or lacks a column.
    """
    path = folder / MANIFEST_FILE
    remedy = "make it with `reage data prepare`"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, "cannot be read", remedy) from error
    if tuple(reader.fieldnames or ()) != MANIFEST_COLUMNS:
        raise DataError(path, f"has other columns than {','.join(MANIFEST_COLUMNS)}", remedy)
    return rows


def _is_occupied(output: Path) -> bool:
    return output.exists() and not (output.is_dir() and not any(output.iterdir()))


def _occupied(output: Path) -> DataError:
    return DataError(
        output,
        "holds another or a damaged data set",
        "replace it with --force, or choose another folder with -o",
    )


def _check_output(source: Path, output: Path) -> None:
    """Fails early, and never lets --force remove the source or what is no prepared data set."""
    if source.resolve().is_relative_to(output.resolve()):
        raise DataError(output, "holds the source itself", "choose another folder with -o")
    if output.is_symlink():
        raise DataError(output, "is a link", "give the folder that it points to")
    if _is_occupied(output) and not (output / DATASET_FILE).is_file():
        raise DataError(
            output, "exists and is no prepared data set", "choose another folder with -o"
        )


def _manifest(selection: Selection) -> str:
    rows = [(face.file, selection.splits[face.file], "") for face in selection.faces]
    rows += [(item.file, item.split, item.reason) for item in selection.skipped]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(MANIFEST_COLUMNS)
    for file, split, reason in sorted(rows):
        face = selection.labelled.get(file)
        labels = (face.age, face.sex, face.ethnicity) if face else ("", "", "")
        writer.writerow((file, split, *labels, reason))
    return out.getvalue()


def _describe(source: Path, selection: Selection, manifest: str, seed: int) -> dict[str, Any]:
    left_out = Counter(item.split for item in selection.skipped)
    used = Counter(selection.splits.values())
    groups = Counter((selection.splits[face.file], face.group) for face in selection.faces)
    return {
        "version": VERSION,
        "source": source.resolve().name,
        "seed": seed,
        "counts": {split: used[split] for split in SPLITS} | dict(sorted(left_out.items())),
        "age_groups": [group.name for group in AGE_GROUPS],
        "counts_by_age_group": {
            split: [groups[split, group] for group in range(len(AGE_GROUPS))] for split in SPLITS
        },
        "duplicates": {
            "hash_bits": HASH_BITS,
            "equal_distance_bits": 0,
            "near_distance_bits": NEAR_BITS,
            "near_correlation": NEAR_CORRELATION,
        },
        "file_list_sha256": hashlib.sha256(manifest.encode()).hexdigest(),
        "images_sha256": _images_sha256(selection),
    }


def _images_sha256(selection: Selection) -> str:
    digest = hashlib.sha256()
    for face in selection.faces:
        digest.update(hashlib.sha256(face.image).digest())
    return digest.hexdigest()


def _is_intact(output: Path, dataset: dict[str, Any]) -> bool:
    """Whether `output` holds what `dataset` describes, with every file as it was written."""
    found = read_dataset(output)
    files = found.pop("files", {})
    # The same faces may come from the archive one time and from its folder the next.
    same = {**found, "source": ""} == {**dataset, "source": ""}
    return same and all(
        (output / name).is_file() and _sha256(output / name) == digest
        for name, digest in files.items()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(
    output: Path, selection: Selection, manifest: str, dataset: dict[str, Any], track: Track
) -> None:
    """Writes everything to a folder beside `output`, which it then replaces."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(output.parent) as temporary:
            fresh = temporary / "new"
            fresh.mkdir()
            _write_files(fresh, selection, manifest, dataset, track)
            _swap(fresh, output, temporary / "old")
    except OSError as error:
        raise DataError(
            output, f"cannot be written ({error.strerror})", "check the free space and permissions"
        ) from error


def _swap(fresh: Path, output: Path, old: Path) -> None:
    """Renames `fresh` to `output`, whose former contents come back should that fail."""
    if not output.exists():
        fresh.replace(output)
        return
    output.replace(old)
    try:
        fresh.replace(output)
    except BaseException:
        old.replace(output)
        raise


def _write_files(
    folder: Path, selection: Selection, manifest: str, dataset: dict[str, Any], track: Track
) -> None:
    seed = dataset["seed"]
    (folder / MANIFEST_FILE).write_text(manifest, "utf-8")
    for split in SPLITS:
        faces = [face for face in selection.faces if selection.splits[face.file] == split]
        # Shuffled once here, so that every shard and every stretch of it mixes all ages.
        faces.sort(key=lambda face: shuffle_key(face.file, seed))
        records = track(faces, f"Writing {split}", len(faces))
        write_split(folder, split, records, shards=SHARDS[split])
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    text = json.dumps({**dataset, "files": files}, indent=2, ensure_ascii=False)
    (folder / DATASET_FILE).write_text(text + "\n", "utf-8")
