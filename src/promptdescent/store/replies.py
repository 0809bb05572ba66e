"""The reply cache as one run sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from promptdescent.llm.base import StoredReply
from promptdescent.records import Reply, Usage
from promptdescent.store.schema import tables, unpack
from promptdescent.store.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Select

CacheMode = Literal["store", "run", "off"]
"""Which replies may be reused: those of any run, of the same run (resumed), or none."""

_KEYS_AT_ONCE = 500


class RunReplies:
    """Implements :class:`~promptdescent.llm.base.ReplyStore`.

    It only reads: replies are added by the ledger, with the attempt that brought them, whatever the mode.
    """

    def __init__(self, store: Store, run_id: str, mode: CacheMode) -> None:
        self._database = store.database
        self._run_id = run_id
        self._mode = mode

    async def find(self, keys: Sequence[str]) -> Mapping[str, StoredReply]:
        """Those of the keys that are known and may be reused: the run's own reply, else the oldest of other runs."""
        if self._mode == "off":
            return {}
        rows: list[Any] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = list(keys[start : start + _KEYS_AT_ONCE])
            if len(some) == 1:
                rows += await self._database.read_async(_one_key(), key=some[0])
            else:
                rows += await self._database.read_async(_several_keys(), keys=some)
        return {row.key: _stored(row) for row in self._best(rows)}

    def _best(self, rows: Iterable[Any]) -> Iterable[Any]:
        """One row per key."""
        allowed = rows if self._mode == "store" else (row for row in rows if row.run_id == self._run_id)
        best: dict[str, Any] = {}
        for row in allowed:
            known = best.get(row.key)
            if known is None or self._rank(row) < self._rank(known):
                best[row.key] = row
        return best.values()

    def _rank(self, row: Any) -> tuple[bool, float, str]:
        return row.run_id != self._run_id, row.created_at, row.run_id


@lru_cache(maxsize=1)
def _one_key() -> Select[Any]:
    from sqlalchemy import bindparam, select

    replies = tables().replies
    return select(replies).where(replies.c.key == bindparam("key"))


@lru_cache(maxsize=1)
def _several_keys() -> Select[Any]:
    from sqlalchemy import bindparam, select

    replies = tables().replies
    return select(replies).where(replies.c.key.in_(bindparam("keys", expanding=True)))


def _stored(row: Any) -> StoredReply:
    return StoredReply(
        key=row.key,
        call=row.call,
        reply=Reply(text=unpack(row.text), finish=row.finish, thought_chars=row.thought_chars),
        usage=Usage(calls=1, tokens_in=row.tokens_in, tokens_out=row.tokens_out),
        created_at=row.created_at,
    )
