"""What is scored: anything that turns face crops and target ages into face crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, group_index
from reage.data.pipeline import Faces
from reage.errors import EvaluationError
from reage.faces.change import delta_of, flow_of, join_change, move_pixels
from reage.inference.grey import are_grey, keep_grey
from reage.inference.session import DECODER_FILE, AgingModel

Images = NDArray[np.uint8]
Ages = NDArray[np.floating]


class AgingSystem(Protocol):
    """Anything that ages faces.

    Attributes:
        name: How the report calls it.
        second_pass: Whether it can age its own results back.
    """

    name: str
    second_pass: bool

    def __call__(self, images: Images, target_ages: Ages) -> tuple[Images, NDArray[np.bool_]]:
        """Ages faces.

        Args:
            images: RGB (N, S, S, 3), uint8, UTKFace framing, in the order of the faces drawn.
            target_ages: (N,), years.

        Returns:
            Images like the input, and (N,) which of them there are: the others are failures.
        """
        ...


class IdentityCopy:
    """Returns its input: what doing nothing scores."""

    name = "identity copy"
    second_pass = False

    def __call__(self, images: Images, target_ages: Ages) -> tuple[Images, NDArray[np.bool_]]:
        """See `AgingSystem`."""
        return images, np.ones(len(target_ages), bool)


class ChangeModel:
    """A generator that says what to change in an image at its own size, as `FaceAger` uses it.

    Black-and-white faces therefore stay black and white, and shapes stay unless they may change.
    """

    second_pass = True

    def __init__(
        self,
        name: str,
        size: int,
        change: Callable[[NDArray[np.float32], Ages], Any],
        *,
        strength: float = 1.0,
        shape: bool = False,
    ) -> None:
        """Wraps `change(images in [-1, 1] of (N, size, size, 3), ages)`; see `faces.change`."""
        self.name, self.image_size, self._change = name, size, change
        self._strength, self._shape = strength, shape

    def at_strength(self, strength: float) -> ChangeModel:
        """The same model that applies only a share of the change, 0..1."""
        return ChangeModel(
            self.name, self.image_size, self._change, strength=strength, shape=self._shape
        )

    def __call__(self, images: Images, target_ages: Ages) -> tuple[Images, NDArray[np.bool_]]:
        """See `AgingSystem`."""
        side = images.shape[1]
        small = np.stack([_resize(image, self.image_size) for image in images])
        crops = small.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        changes = keep_grey(np.asarray(self._change(crops, target_ages)), are_grey(crops))
        if not self._shape:
            changes = delta_of(changes)
        large = np.stack([_resize(change, side) for change in changes])
        large = (large * self._strength).astype(np.float32)
        fine = np.asarray(np.isfinite(large).all(axis=(1, 2, 3)))
        large = np.nan_to_num(large)
        levels = np.clip(np.rint(images + 127.5 * delta_of(large)), 0, 255)
        return _moved(levels.astype(np.uint8), large), fine


class OutputFolder:
    """The results of another system: `FOLDER/<target group>/<file name of the face>.png`.

    `FOLDER/0-5/`, `FOLDER/6-10/` and so on, as in `reage.ages`; a missing file is a failure.
    """

    second_pass = False

    def __init__(self, folder: Path, files: tuple[str, ...]) -> None:
        """Reads results of the faces drawn, whose file names are `files`."""
        self.name, self._folder, self._files = _name(folder), folder, files

    def __call__(self, images: Images, target_ages: Ages) -> tuple[Images, NDArray[np.bool_]]:
        """See `AgingSystem`."""
        results, found = images.copy(), np.zeros(len(images), bool)
        groups = group_index(target_ages)
        for row, (file, group) in enumerate(zip(self._files, groups, strict=True)):
            path = self._folder / AGE_GROUPS[group].name / f"{Path(file).name}.png"
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
            if bgr is not None:
                results[row] = _resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), images.shape[1])
                found[row] = True
        return results, found


class NearestReal:
    """The training face of the target group and the same sex that is the most like the input.

    It is perfect in realism and age, and another person.
    """

    name = "nearest real face"
    second_pass = False

    def __init__(
        self,
        sources: Faces,
        source_embeddings: Ages,
        candidates: Faces,
        candidate_embeddings: Ages,
    ) -> None:
        """Takes the faces drawn, the training faces, and the embeddings of both."""
        self._sexes, self._embeddings = sources.sexes, source_embeddings
        self._candidates, self._candidate_embeddings = candidates, candidate_embeddings

    def __call__(self, images: Images, target_ages: Ages) -> tuple[Images, NDArray[np.bool_]]:
        """See `AgingSystem`."""
        results, found = images.copy(), np.zeros(len(images), bool)
        groups = group_index(target_ages)
        for row, group in enumerate(groups):
            fits = (self._candidates.groups == group) & (self._candidates.sexes == self._sexes[row])
            rows = np.flatnonzero(fits)
            if len(rows):
                apart = self._candidate_embeddings[rows] - self._embeddings[row]
                best = rows[np.square(apart).sum(axis=1).argmin()]
                results[row], found[row] = self._candidates.images[best], True
        return results, found


def open_system(
    path: Path | None,
    files: tuple[str, ...],
    *,
    threads: int | None = None,
    shape: bool = False,
) -> AgingSystem:
    """Opens what is to be scored.

    Args:
        path: A folder made by `reage export`, a folder of a training run, or a folder of another
            system's results; None takes the packaged weights. The system is called as the folder
            is; an export inside a run, as the run.
        files: File names of the faces drawn.
        threads: CPU threads of an exported model.
        shape: Whether a model may change the shape of faces, too, as with `--mask shape`.

    Raises:
        EvaluationError: If the path is none of these.
    """
    if path is None:
        return _of_onnx("packaged weights", AgingModel.from_package(threads=threads), shape)
    if (path / DECODER_FILE).is_file():
        return _of_onnx(_name(path), AgingModel.from_folder(path, threads=threads), shape)
    if is_run(path):
        return _of_run(path, shape)
    if any((path / group.name).is_dir() for group in AGE_GROUPS):
        return OutputFolder(path, files)
    raise EvaluationError(
        path,
        "holds no exported model, no training run and no results by age group",
        "name a folder made by `reage export` or `reage train`, or see docs/evaluation.md",
    )


def is_run(path: Path | None) -> bool:
    """Whether a path is a training run, which only TensorFlow can open."""
    return path is not None and (path / "config.json").is_file()


def _name(path: Path) -> str:
    folder = path.resolve()
    return folder.parent.name if is_run(folder.parent) else folder.name


def _of_onnx(name: str, model: AgingModel, shape: bool) -> ChangeModel:
    return ChangeModel(
        name,
        model.image_size,
        lambda images, ages: model.decode(model.encode(images), ages),
        shape=shape,
    )


def _of_run(run: Path, shape: bool) -> ChangeModel:
    import keras

    from reage.ages import soft_code
    from reage.training.networks import make_generator
    from reage.training.run import latest_generator, load_run_config

    config = load_run_config(run)
    found = latest_generator(run, config)
    if found is None:
        raise EvaluationError(run, "has no generator yet", "run `reage train` first")
    stage, load = found
    keras.config.set_dtype_policy("float32")
    generator = make_generator(config, stage.image_size)
    load(generator)

    def change(images: NDArray[np.float32], ages: Ages) -> Any:
        codes = soft_code(ages)
        parts = []
        for rows in (slice(i, i + 32) for i in range(0, len(images), 32)):
            outputs = generator([images[rows], codes[rows]], training=False)
            found = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
            parts.append(join_change(found["delta"], found.get("flow")))
        return np.concatenate(parts)

    return ChangeModel(_name(run), stage.image_size, change, shape=shape)


def _moved(images: Images, changes: NDArray[Any]) -> Images:
    """The images after their pixels are moved by the flows of their changes."""
    flows = flow_of(changes)
    if flows is None:
        return images
    side = images.shape[1]
    places, offsets = np.arange(side, dtype=np.float32), np.asarray(side * flows, np.float32)
    x, y = places + offsets[..., 0], places[:, None] + offsets[..., 1]
    return np.stack([move_pixels(*each) for each in zip(images, x, y, strict=True)])


def _resize(image: NDArray[Any], side: int) -> NDArray[Any]:
    if image.shape[:2] == (side, side):
        return image
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=method))
