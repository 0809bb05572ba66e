"""The reply cache as one run sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from promptdescent.llm.base import Known, StoredReply
from promptdescent.records import Finish, Reply, Usage
from promptdescent.store.schema import tables, unpack
from promptdescent.store.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Select

CacheMode = Literal["store", "run", "off"]
"""Which replies may be reused: those of any run, of the same run (resumed), or none."""

_KEYS_AT_ONCE = 500
_GATHERING_SECONDS = 0.001
"""So long one look-up waits for others, to be answered by one query."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """A look-up that waits for its answer."""

    call: str
    keys: Sequence[str]
    answer: asyncio.Future[Known]


class RunReplies:
    """Implements :class:`~promptdescent.llm.base.ReplyStore`. Belongs to one event loop.

    It only reads: replies are added by the ledger, with the attempt that brought them, whatever the mode.
    """

    def __init__(self, store: Store, run_id: str, mode: CacheMode) -> None:
        self._store = store
        self._database = store.database
        self._run_id = run_id
        self._mode = mode
        self._questions: list[_Question] = []
        self._answering: set[asyncio.Task[None]] = set()
        self.damaged = 0
        """Stored replies that could not be read."""

    async def find(self, call: str, keys: Sequence[str]) -> Known:
        """What is known of the keys and may be reused: the run's own reply, else the oldest of other runs."""
        loop = asyncio.get_running_loop()
        question = _Question(call=call, keys=keys, answer=loop.create_future())
        if not self._questions:
            loop.call_later(_GATHERING_SECONDS, self._start_answering)
        self._questions.append(question)
        return await question.answer

    def _start_answering(self) -> None:
        questions, self._questions = self._questions, []
        task = asyncio.get_running_loop().create_task(self._answer(questions))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, questions: Sequence[_Question]) -> None:
        try:
            replies: dict[str, StoredReply] = {}
            calls: list[str] = []
            if self._mode == "off":
                calls = [question.call for question in questions]
            else:
                keys = list(dict.fromkeys(key for question in questions for key in question.keys))
                replies = self._best(await self._readable(await self._rows(_by_keys(), keys)))
                calls = list(dict.fromkeys(stored.call for stored in replies.values()))
            used = frozenset(row.call for row in await self._rows(_uses(), calls, run_id=self._run_id))
        # Not swallowed: those who asked get it. If the task died instead, they would wait for ever.
        except Exception as error:
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        for question in questions:
            if not question.answer.done():
                found = {key: replies[key] for key in question.keys if key in replies}
                question.answer.set_result(Known(replies=found, used=used))

    async def _rows(self, query: Select[Any], keys: Sequence[str], **parameters: str) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = list(keys[start : start + _KEYS_AT_ONCE])
            rows += await self._database.read_async(query, keys=some, **parameters)
        return rows

    async def _readable(self, rows: Iterable[Any]) -> list[tuple[Any, StoredReply]]:
        """The rows that may be reused, with what they hold. One that is damaged counts as not there."""
        readable = []
        for row in rows:
            if self._mode == "run" and row.run_id != self._run_id:
                continue
            try:
                readable.append((row, _stored(row)))
            except ValueError:
                await self._say_damaged(row)
        return readable

    async def _say_damaged(self, row: Any) -> None:
        """Note it in the run's record, the first time."""
        self.damaged += 1
        if self.damaged == 1 and self._store.holds(self._run_id):
            text = f"a stored reply of run {row.run_id} is damaged; it is asked for again, and so is any other like it"
            await self._store.append(self._run_id, "note", json.dumps({"text": text}))

    def _best(self, found: Iterable[tuple[Any, StoredReply]]) -> dict[str, StoredReply]:
        """One reply per key."""
        best: dict[str, tuple[Any, StoredReply]] = {}
        for row, stored in found:
            known = best.get(row.key)
            if known is None or self._rank(row) < self._rank(known[0]):
                best[row.key] = row, stored
        return {key: stored for key, (_, stored) in best.items()}

    def _rank(self, row: Any) -> tuple[bool, float, str]:
        return row.run_id != self._run_id, row.created_at, row.run_id


@lru_cache(maxsize=1)
def _by_keys() -> Select[Any]:
    from sqlalchemy import bindparam, select

    replies = tables().replies
    return select(replies).where(replies.c.key.in_(bindparam("keys", expanding=True)))


@lru_cache(maxsize=1)
def _uses() -> Select[Any]:
    from sqlalchemy import bindparam, select

    uses = tables().uses
    return select(uses.c.call).where(
        uses.c.run_id == bindparam("run_id"), uses.c.call.in_(bindparam("keys", expanding=True))
    )


def _stored(row: Any) -> StoredReply:
    """What a row holds. Raises ``ValueError`` if it is not what was written: a file may be damaged, and SQLite keeps
    values of any type in any column.
    """
    text = unpack(row.text) if isinstance(row.text, str) else None
    numbers = row.thought_chars, row.tokens_in, row.tokens_out
    if not isinstance(text, str) or row.finish not in get_args(Finish):
        raise ValueError("a reply has a text, and an end that is known")
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("characters and tokens are counted in whole numbers")
    if not isinstance(row.created_at, float):
        raise ValueError("a time is a number of seconds")
    return StoredReply(
        key=row.key,
        call=row.call,
        reply=Reply(text=text, finish=row.finish, thought_chars=row.thought_chars),
        usage=Usage(calls=1, tokens_in=row.tokens_in, tokens_out=row.tokens_out),
        created_at=row.created_at,
    )
