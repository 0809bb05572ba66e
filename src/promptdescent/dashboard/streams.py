"""What happens in a run, as server-sent events that carry the changed parts of its page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from promptdescent.dashboard.live import Live, Lost, Seen, Watch
from promptdescent.dashboard.rendering import Views
from promptdescent.dashboard.shelf import Shelf
from promptdescent.dashboard.standing import NewStep, steps_after

if TYPE_CHECKING:
    from fastapi import Request, Response

_MOST_STEPS = 20
"""Steps that one message brings at most; who was away for longer sees the newest."""
_RETRY, _RETRY_WHEN_FULL = 1000, 5000
"""Milliseconds after which a page comes again."""
_MOST_DIGITS = 10
"""Of the number of an event: more than any run has, and less than a database takes."""


class Streams:
    """The streams of all runs."""

    def __init__(self, shelf: Shelf, live: Live, views: Views) -> None:
        self._shelf = shelf
        self._live = live
        self._views = views

    async def events(self, request: Request) -> Response:
        """The stream of one run, from the event on after the one that the page has seen."""
        from fastapi.concurrency import run_in_threadpool
        from fastapi.responses import PlainTextResponse, StreamingResponse

        if self._live.closed or self._live.full:
            return PlainTextResponse("as many pages watch as may: try again later", 503, {"retry-after": "5"})
        found = await run_in_threadpool(self._shelf.find, request.path_params["run"])
        said = request.headers.get("last-event-id") or request.query_params.get("after", "")
        seen = int(said) if said.isascii() and said.isdigit() and len(said) < _MOST_DIGITS else 0
        return StreamingResponse(self._messages(found.row.id, seen), media_type="text/event-stream")

    async def _messages(self, run_id: str, seen: int) -> AsyncIterator[str]:
        if self._live.full:  # others came while the run was looked for
            yield f"retry: {_RETRY_WHEN_FULL}\n\n"
            return
        async with self._live.watching(run_id) as watch:
            yield f"retry: {_RETRY}\n\n"
            told: Seen | None = None
            while not (watch.over or self._live.closed):
                now = watch.seen
                if now is None or now == told:
                    yield ": nothing new\n\n"
                else:
                    for message in await self._tell(watch, now, told, seen):
                        yield message
                    told = now
                    seen = seen if isinstance(now, Lost) else now.seq
                await watch.change(known=now)

    async def _tell(self, watch: Watch, now: Seen, told: Seen | None, seen: int) -> list[str]:
        """The changed parts of the page, and by name what has happened."""
        from fastapi.concurrency import run_in_threadpool

        if isinstance(now, Lost):
            return [message(self._views.lost(now.reason))]
        steps: tuple[NewStep, ...] = ()
        if now.seq != seen:
            steps = await run_in_threadpool(lambda: steps_after(self._shelf.holder(watch.run_id), watch.run_id, seen))
        parts = [message(self._views.changes(watch.run_id, now, steps[-_MOST_STEPS:]), number=now.seq)]
        if steps:
            parts.append(message(str(now.step), event="stepped"))
        was_running = told is None or isinstance(told, Lost) or told.running
        if was_running and not now.running:
            parts.append(message(now.status.state, event="ended"))
        return parts


def message(text: str, *, number: int | None = None, event: str = "") -> str:
    """One server-sent event."""
    lines = [f"id: {number}"] if number is not None else []
    lines += [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(lines) + "\n\n"
