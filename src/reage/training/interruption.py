"""Ctrl-C and SIGTERM, by which schedulers end jobs, end training after its step, all saved."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Final, Self

import keras

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal(keras.callbacks.Callback):  # type: ignore[misc]
    """While entered, a signal stops training at the end of the step; a second one at once.

    A signal that the process ignores, as under `nohup`, stays ignored. Only a process's main thread
    can take signals over; in another nothing changes.

    Attributes:
        received: The signal's number, or None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Takes the signals over."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the signals back."""
        self._give_back()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Stops when a signal has come."""
        if self.received is not None:
            self.model.stop_training = True

    def leave_if_received(self, step: int) -> None:
        """Ends the process as the signal asked for; its state must be saved.

        Raises:
            KeyboardInterrupt: If it was Ctrl-C.
            SystemExit: With 128 and the signal's number, if it was another.
        """
        if self.received is None:
            return
        print(f"stopped at step {step:,}, which is saved; --resume goes on", file=sys.stderr)
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.received = number
        self._give_back()
        print("stopping after this step; once more stops at once", file=sys.stderr)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
