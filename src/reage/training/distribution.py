"""Training on several devices or machines: who computes which rows, and sums over all of them.

Every replica holds the whole model and takes its share of the rows of each batch. Gradients are
averaged over the replicas, so that a step is the same step on one device and on many. TensorFlow
does the communication: `tf.distribute`, which is what Keras 3 supports on its backend.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import keras

from reage.data.pipeline import Batch, Faces, Sampling, as_dataset, training_batches
from reage.data.pydataset import FaceBatches
from reage.errors import ConfigError, TrainingError

DISTRIBUTIONS = ("mirrored", "multi-worker")
"""What `distribution` can be beside `none`."""

_Result = TypeVar("_Result")


class ReplicatedModel(keras.Model):  # type: ignore[misc]
    """A model whose networks are built before it, and whose batches are dictionaries."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Leaves out what Keras does before `fit` in a scope: there is nothing left to build.

        It would take a batch out of the stream, and cannot average a dictionary over replicas.
        """


def distributed(train: Callable[..., _Result]) -> Callable[..., _Result]:
    """Runs `train(run, prepared, config)` in the scope of `config.distribution`.

    Raises:
        TrainingError: In every worker that lives on when another one dies. None can go on alone:
            started again, all of them go on from the last checkpoint.
    """

    @functools.wraps(train)
    def within_scope(run: Any, prepared: Any, config: Any) -> _Result:
        if config.distribution == "none":
            return train(run, prepared, config)
        scope = distribution_scope(config.distribution)
        import tensorflow as tf

        try:
            with scope:
                return train(run, prepared, config)
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise TrainingError(
                run,
                "lost the connection to another worker",
                "start all workers again with --resume",
            ) from error

    return within_scope


def distribution_scope(distribution: str) -> AbstractContextManager[Any]:
    """The scope in which models are built and trained.

    Args:
        distribution: `mirrored`, the devices of this machine, or `multi-worker`, the devices of all
            machines that the environment variable `TF_CONFIG` names. The latter waits until all
            workers are there.

    Raises:
        ConfigError: If it is neither, or does not fit backend or environment.
    """
    if distribution not in DISTRIBUTIONS:
        raise ConfigError(
            f"distribution = {distribution!r}",
            "is not known",
            f"use none, {' or '.join(DISTRIBUTIONS)}",
        )
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"distribution = {distribution!r}", "needs TensorFlow", "set KERAS_BACKEND=tensorflow"
        )
    if distribution == "multi-worker":
        _require_cluster()
    return _strategy(distribution).scope()  # type: ignore[no-any-return]


def is_chief() -> bool:
    """Whether this process is the one that writes files: worker 0, or the only one."""
    return bool(_task().get("index", 0) == 0)


def replica_count() -> int:
    """Number of replicas of the model in the present scope."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def mean_over_replicas(values: Any) -> Any:
    """Mean over the replicas of tensors in a nested structure, known to each of them."""
    if replica_count() == 1:
        return values
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def results(trackers: dict[str, Any]) -> dict[str, Any]:
    """Results of metrics by name, as `train_step` returns them."""
    values = {name: tracker.result() for name, tracker in trackers.items()}
    if not _on_several_machines():
        return values
    # Keras averages over workers along the first axis, which a scalar lacks.
    return {name: keras.ops.reshape(value, (1,)) for name, value in values.items()}


def training_input(
    faces: Faces, start_step: int, *, batch_size: int, seed: int, sampling: Sampling
) -> Any:
    """What `fit` is given: the batches from `start_step` on, in the form the backend can take.

    See `training_batches` for the arguments.
    """
    if keras.backend.backend() == "torch":
        return FaceBatches(faces, start_step, batch_size=batch_size, seed=seed, sampling=sampling)
    return distribute_batches(
        training_batches(faces, start_step, batch_size=batch_size, seed=seed, sampling=sampling)
    )


def distribute_batches(batches: Iterator[Batch]) -> Any:
    """Wraps an endless iterator of batches in a data set that gives each replica its rows.

    Replica `r` of `R` takes the rows `r`, `r + R`, ...: as in `mean_over_micro_batches`, the first
    rows of all shares together are the first rows of the batch. Every machine draws whole batches,
    which depend on nothing but seed and step.
    """
    count = replica_count()
    if count == 1:
        return as_dataset(batches)
    import tensorflow as tf

    def of_machine(context: Any) -> Any:
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        shares = as_dataset(
            {name: value[replica::count] for name, value in batch.items()}
            for batch in batches
            for replica in range(first, first + local)
        )
        # Of a data set that could end, every batch could be a smaller one, of unknown size.
        return shares.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    return tf.distribute.get_strategy().distribute_datasets_from_function(of_machine)


def wait_for_all() -> None:
    """Returns once every worker has called it: what the chief wrote before can be read after."""
    if replica_count() > 1:
        import tensorflow as tf

        strategy = tf.distribute.get_strategy()
        strategy.run(tf.function(lambda: mean_over_replicas(tf.zeros(())), autograph=False))


def check_batch_size(batch_size: int, accumulate: int = 1) -> None:
    """Checks that a batch can be shared out evenly.

    Raises:
        ConfigError: If it cannot.
    """
    shares = replica_count() * accumulate
    if batch_size % shares:
        raise ConfigError(
            f"batch_size = {batch_size}",
            f"cannot be shared out evenly by {replica_count()} replicas x {accumulate} parts",
            f"use a multiple of {shares}",
        )


@functools.cache
def _strategy(distribution: str) -> Any:
    """The strategy of this process: it cannot connect to the other workers twice."""
    import tensorflow as tf

    if distribution == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MultiWorkerMirroredStrategy()


def _on_several_machines() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _task() -> dict[str, Any]:
    return dict(json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {}))


def _require_cluster() -> None:
    try:
        task = _task()
    except ValueError as error:
        raise ConfigError("TF_CONFIG", f"is not valid JSON ({error})", "mend it") from error
    if not task:
        raise ConfigError(
            "TF_CONFIG", "does not name this worker's task", "see docs/scale.md for how to launch"
        )
