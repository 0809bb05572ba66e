"""Work on untrusted input in processes of its own, each piece with a deadline after which it is killed."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pebble import ProcessPool

Result = TypeVar("Result")

WORKERS = 2
"""Processes of a pool. A check takes milliseconds as a rule; the second one is for when the first hangs."""

MOST_MEMORY = 4 * 2**30
"""Bytes of address space that a worker may take; a number of a billion digits fails there, not on the whole machine."""

_main = threading.Lock()


@dataclass(frozen=True)
class Raised:
    """What a function raised in a worker: the work went wrong, and not the pool."""

    name: str
    """Of the exception."""


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
        self._open: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Result], *args: object) -> Future[Result | Raised]:
        """The result to come. It raises :class:`TimeoutError` past the deadline, and anything else only where the pool
        failed: a worker died of itself, as from lack of memory, or none could be started. See :meth:`mend`.
        """
        pool = self._pool or self._made()
        try:
            future: Future[Result | Raised] = pool.schedule(_carried_out, args=(function, args), timeout=self._seconds)
        except (RuntimeError, OSError) as error:
            self._drop()
            future = Future()
            future.set_exception(error)
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def mend(self) -> None:
        """After a failure: have new processes for the calls from now on. Takes some tenths of a second where all are
        gone; in place of one that died there is a new one already.
        """
        if self._pool is not None and not self._pool.active:
            self._drop()

    def close(self) -> None:
        """End the processes, whatever they are at; results that are to come raise :class:`CancelledError`. Takes some
        tenths of a second.
        """
        for future in tuple(self._open):
            future.cancel()
        self._drop()

    def _drop(self) -> None:
        """End the processes; what still waits for them is told."""
        pool, self._pool = self._pool, None
        left, self._open = self._open, set()
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            with suppress(OSError, AttributeError):  # of a pool that never came to have workers
                pool.join()
        for future in left:
            with suppress(InvalidStateError):
                future.set_exception(BrokenProcessPool("the processes are gone"))

    def _made(self) -> ProcessPool:
        from pebble import ProcessPool

        self._pool = ProcessPool(
            max_workers=WORKERS, initializer=_start_worker, initargs=(self._initializer,), context=_CleanSpawn()
        )
        return self._pool


def _carried_out(function: Callable[..., Result], args: tuple[object, ...]) -> Result | Raised:
    """In the worker: the result, or what went wrong, so that it is told apart from a failure of the pool."""
    try:
        return function(*args)
    except Exception as error:
        return Raised(type(error).__name__)


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
        try:
            with _main, _main_left_alone():
                super().start()
        except OSError as error:  # pebble's threads end at it without a word, and what waits for them would for ever
            raise BrokenProcessPool(f"no process can be started: {error}") from error


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
