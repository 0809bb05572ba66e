"""Runs that people watch: one reader for each, however many watch it, and none when nobody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from promptdescent.dashboard.shelf import Shelf
from promptdescent.dashboard.standing import Standing, StandingReader
from promptdescent.errors import PromptDescentError
from promptdescent.store.store import Store

MOST_WATCHERS = 64
"""Pages that are told at once what happens; each holds a connection."""

_PAUSE = 0.25
"""Seconds between two looks at a run that goes."""
_LONG_PAUSE = 1.0
"""The same for one that has ended, and may be resumed."""
KEEP_ALIVE = 15.0
"""Seconds after which a page is told that nothing happened."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Nothing can be read of the run for now."""

    reason: str


Seen = Standing | Lost


class Watch:
    """One run, read again and again while somebody watches."""

    def __init__(self, shelf: Shelf, run_id: str) -> None:
        self.run_id = run_id
        self.seen: Seen | None = None
        """None before it was read the first time."""
        self.over = False
        """Whether nothing more will be read."""
        self.watchers = 0
        self._shelf = shelf
        self._reader: tuple[Store, StandingReader] | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Read it from now on."""
        self._task = asyncio.create_task(self._follow())

    def end(self) -> None:
        """Read it no more."""
        self.over = True
        if self._task is not None:
            self._task.cancel()
        self._changed.set()

    async def change(self, *, known: Seen | None) -> None:
        """Return when something else than ``known`` is seen, or it is over, or after ``KEEP_ALIVE`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE):
                while not self.over and self.seen == known:
                    await self._changed.wait()

    async def _follow(self) -> None:
        try:
            while True:
                seen = await asyncio.to_thread(self._read)
                if seen != self.seen:
                    self.seen = seen
                    self._tell()
                running = isinstance(seen, Standing) and seen.running
                await asyncio.sleep(_PAUSE if running else _LONG_PAUSE)
        finally:  # also where a bug ended it: the pages come again, and find a new one
            self.over = True
            self._tell()

    def _tell(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def _read(self) -> Seen:
        try:
            store = self._shelf.holder(self.run_id)
            if self._reader is None or self._reader[0] is not store:
                self._reader = store, StandingReader(store, self.run_id)
            return self._reader[1].read()
        except PromptDescentError as error:
            self._reader = None
            return Lost(reason=str(error))


class Live:
    """All runs that are watched. Belongs to one event loop."""

    def __init__(self, shelf: Shelf, *, most: int = MOST_WATCHERS) -> None:
        self.closed = False
        self.most = most
        """How many may watch at once."""
        self._shelf = shelf
        self._watches: dict[str, Watch] = {}

    @property
    def watched(self) -> tuple[str, ...]:
        """Ids of the runs that somebody watches."""
        return tuple(self._watches)

    @property
    def full(self) -> bool:
        """Whether as many watch as may."""
        return sum(watch.watchers for watch in self._watches.values()) >= self.most

    @contextlib.asynccontextmanager
    async def watching(self, run_id: str) -> AsyncIterator[Watch]:
        """The run, read for as long as the block lasts."""
        watch = self._watches.get(run_id)
        if watch is None or watch.over:
            watch = self._watches[run_id] = Watch(self._shelf, run_id)
            watch.begin()
        watch.watchers += 1
        try:
            yield watch
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                watch.end()
                if self._watches.get(run_id) is watch:
                    del self._watches[run_id]

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self.closed = True
        for watch in self._watches.values():
            watch.end()
