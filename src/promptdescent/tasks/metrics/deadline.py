"""Work on untrusted input in processes of its own, each piece with a deadline after which it is killed."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pebble import ProcessPool

Result = TypeVar("Result")

WORKERS = 2
"""Processes of a pool. A check takes milliseconds as a rule; the second one is for when the first hangs."""

MOST_MEMORY = 4 * 2**30
"""Bytes of address space that a worker may take; a number of a billion digits fails there, not on the whole machine."""

_main = threading.Lock()


class DeadlinePool:
    """Calls functions of modules in worker processes; one that takes longer than ``seconds`` is killed with its worker.

    The processes start with the first call and end with :meth:`close`; a call after that starts new ones. Needs the
    library pebble.
    """

    def __init__(self, *, seconds: float, initializer: Callable[[], object]) -> None:
        """``initializer`` runs once in each worker, before the clock of its first call starts."""
        self._seconds = seconds
        self._initializer = initializer
        self._pool: ProcessPool | None = None

    def submit(self, function: Callable[..., Result], *args: object) -> Future[Result]:
        """The result to come. It raises :class:`TimeoutError` past the deadline and what ``function`` raises; where the
        worker dies of itself, as from lack of memory, ``pebble.ProcessExpired``.
        """
        if self._pool is None:
            from pebble import ProcessPool

            self._pool = ProcessPool(
                max_workers=WORKERS, initializer=_start_worker, initargs=(self._initializer,), context=_CleanSpawn()
            )
        return self._pool.schedule(function, args=args, timeout=self._seconds)

    def close(self) -> None:
        """End the processes, whatever they are at. Takes some tenths of a second."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def _start_worker(initializer: Callable[[], object]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for a long multiplication to end
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY if hard < 0 else min(MOST_MEMORY, hard), hard))
    initializer()


class _CleanProcess(SpawnProcess):
    """A new interpreter that does not import the user's main script, as ``spawn`` else does: a script that has no
    ``if __name__ == "__main__"`` would be run once more, with all the calls that it pays for.
    """

    def start(self) -> None:
        with _main, _main_left_alone():
            super().start()


class _CleanSpawn(SpawnContext):
    Process = _CleanProcess


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Name the main module so that ``multiprocessing`` passes it over: it leaves the ``__main__`` of packages alone."""
    main = sys.modules["__main__"]
    spec = main.__spec__
    main.__spec__ = ModuleSpec("promptdescent.__main__", None)
    try:
        yield
    finally:
        main.__spec__ = spec
