"""The actor that ages photos, one after the other, on one core."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import ray

from reage.cluster.batch import Batch
from reage.cluster.plan import Job
from reage.cluster.starts import MAX_STARTS
from reage.errors import ImageWriteError, ReageError
from reage.images import Photo, encode_photo, format_for_path, read_photo
from reage.images.provenance import WITHOUT_MARK, made_here, read_mark
from reage.inference.ager import FaceAger
from reage.inference.results import AgedPhoto
from reage.inference.session import AgingModel


class PhotoWorker:
    """Called with one photo after the other by Ray Data."""

    def __init__(self, batch: Batch, starts: Any) -> None:
        """Opens the models.

        Args:
            batch: What is to be done.
            starts: Handle of the `Starts` actor.

        Raises:
            WeightsError: If a model is damaged.
        """
        import cv2

        # Each worker has one core; OpenCV would take all of the machine's.
        cv2.setNumThreads(1)
        self._batch = batch
        encoder, decoder = batch.model.encoder, batch.model.decoder
        generator = AgingModel(encoder, decoder, source="model", threads=1)
        self._ager = FaceAger(generator, threads=1)
        self._starts = starts

    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        """Ages a photo unless it has its record already.

        Args:
            row: The fields of a `Job`.

        Returns:
            Its `path`, and the `reason` and `remedy` of its failure, empty if there is none.
        """
        job = Job(row["path"], row["key"])
        try:
            self._age(job)
        except ReageError as error:
            return {"path": job.path, "reason": error.reason, "remedy": error.remedy}
        # Whatever else goes wrong with one photo of a million, the others are to be aged.
        except Exception as error:
            reason = f"cannot be aged ({type(error).__name__}: {error})"
            return {"path": job.path, "reason": reason, "remedy": "try `reage age` on it"}
        return {"path": job.path, "reason": "", "remedy": ""}

    def _age(self, job: Job) -> None:
        target = self._batch.target
        if target.has(job.record) and target.has(job.path):
            return
        if not ray.get(self._starts.begin.remote(job.key)):
            raise ReageError(
                self._batch.source.name_of(job.path),
                f"ended its worker {MAX_STARTS} times",
                "try `reage age` on it, or give the workers more memory",
            )
        try:
            self._commit(job)
        finally:
            self._starts.end.remote(job.key)

    def _commit(self, job: Job) -> None:
        """Puts the result, and then the record that says so."""
        self._check_place(job.path)
        settings = self._batch.settings
        photo = read_photo(self._batch.source.read(job.path))
        aged = self._ager.age(
            photo,
            settings.to,
            faces=settings.faces,
            strength=settings.strength,
            mask=settings.mask,
        )
        result = encode_photo(aged.marked(), aged.pixels, format=format_for_path(job.path))
        ages = self._source_ages(photo, len(aged.faces))
        rows = self._rows(job, aged, ages, hashlib.sha256(result).hexdigest())
        self._batch.target.write(job.path, result)
        self._batch.target.write(job.record, json.dumps(rows).encode())

    def _check_place(self, path: str) -> None:
        """Checks that a picture in the way of a result is an earlier one, and not somebody's."""
        target = self._batch.target
        if format_for_path(path) in WITHOUT_MARK or not target.has(path):
            return
        try:
            mark = read_mark(read_photo(target.read(path)))
        except ReageError:
            mark = None
        if not made_here(mark):
            raise ImageWriteError(
                target.name_of(path),
                "is another picture, and not replaced",
                "move it, or name another output",
            )

    def _source_ages(self, photo: Photo, faces: int) -> list[float | None]:
        """How old the faces look, in the order in which they were aged: the largest first."""
        if not self._batch.settings.estimate:
            return [None] * faces
        found = self._ager.estimate(photo, faces=self._batch.settings.faces)
        return [estimate.age for estimate in found]

    def _rows(
        self, job: Job, aged: AgedPhoto, ages: list[float | None], digest: str
    ) -> list[dict[str, Any]]:
        return [
            {
                "input": self._batch.source.name_of(job.path),
                "output": self._batch.target.name_of(job.path),
                "status": "aged",
                "face": index,
                "box": face.box.tolist(),
                "landmarks": face.landmarks.tolist(),
                "score": float(face.score),
                "source_age": age,
                "target_age": face.target_age,
                "sha256": digest,
            }
            for index, (face, age) in enumerate(zip(aged.faces, ages, strict=True))
        ]
