"""Opens ONNX Runtime sessions the same way everywhere: on the CPU, quiet, with few threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from reage.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_DEFAULT_THREADS: Final = 8
_LOG_ERRORS_ONLY: Final = 3


def default_threads() -> int:
    """The number of CPU cores this process may use, at most `MAX_DEFAULT_THREADS`."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_DEFAULT_THREADS)
    return min(os.cpu_count() or 1, MAX_DEFAULT_THREADS)


def open_session(model: bytes, *, threads: int | None = None) -> InferenceSession:
    """Opens a serialized ONNX model on the CPU.

    Args:
        model: The content of an ONNX file.
        threads: Threads for each call; `None` takes `default_threads()`.

    Returns:
        A session that logs errors only. It may be called from several threads at once.

    Raises:
        UsageError: If `threads` is below 1.
        WeightsError: If ONNX Runtime cannot load the model.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads {threads}", "is not a number of threads", "give 1 or more")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.intra_op_num_threads = threads or default_threads()
    options.inter_op_num_threads = 1
    # Idle worker threads that spin would take a core from the next model in the chain.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's exceptions share no base class of their own below Exception.
    except Exception as error:
        raise WeightsError(
            "ONNX model", f"cannot be loaded ({_first_line(error)})", "reinstall or export it again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
