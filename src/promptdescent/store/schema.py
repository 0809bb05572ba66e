"""The tables. Rows are inserted and never changed or deleted, so a run's record can only grow.

::

    runs ──┬── examples                      the rows that a run uses, by split
           ├── events                        what happened, in order: status, start, steps, states, totals, verdict
           ├── attempts ── attempt_ends      every request sent, and how it ended
           │       └────── replies           what came, by cache key; the first reply of a key in a run stays
           └── uses                          each distinct call that a run used, paid for by itself or an earlier run

The messages of requests are not stored: step records hold the meta-prompts, and what a task model was sent follows from
prompt, placement and row.

Replies, targets and error messages may hold any character that JSON can, also those that a database refuses in text
(NUL, lone surrogates). They are kept as ASCII JSON text: :func:`pack` and :func:`unpack`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, MetaData, Table

HEAD = "0003"
"""Revision of the newest migration; revisions are numbers, so that a newer store is told from an older one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The tables by name."""

    runs: Table
    examples: Table
    events: Table
    attempts: Table
    attempt_ends: Table
    replies: Table
    uses: Table

    @property
    def metadata(self) -> MetaData:
        """All of them, for comparison with the migrations."""
        return self.runs.metadata

    def in_order(self) -> tuple[Table, ...]:
        """Referenced tables before those that refer to them."""
        return tuple(getattr(self, field.name) for field in fields(self))


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables as the newest migration leaves them. Times are Unix seconds."""
    from sqlalchemy import MetaData

    metadata = MetaData()
    _define_runs(metadata)
    _define_calls(metadata)
    return Tables(**metadata.tables)


def explains_another() -> ColumnElement[bool]:
    """Whether a run explains another one, by its manifest as JSON: within a text, quotation marks have a backslash."""
    manifest = tables().runs.c.manifest
    return manifest.like('%"explains":"%') & manifest.not_like('%"explains":""%')


def _define_runs(metadata: MetaData) -> None:
    import sqlalchemy as sa

    sa.Table(
        "runs",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(12), nullable=False, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
    )
    sa.Table(
        "examples",
        metadata,
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("split", sa.String(8), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("example_id", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
    )
    sa.Table(
        "events",
        metadata,
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=True),
        sa.Index("events_kind", "run_id", "kind", "seq"),
    )


def _define_calls(metadata: MetaData) -> None:
    import sqlalchemy as sa

    sa.Table(
        "attempts",
        metadata,
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("reserved_in", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reserved_out", sa.Integer, nullable=False, server_default="0"),
    )
    sa.Table(
        "attempt_ends",
        metadata,
        sa.Column("run_id", sa.String(12), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("counter", sa.Text, nullable=True),
        sa.Column("lost", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["run_id", "attempt"], ["attempts.run_id", "attempts.attempt"]),
    )
    sa.Table(
        "replies",
        metadata,
        sa.Column("run_id", sa.String(12), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("finish", sa.String(16), nullable=False),
        sa.Column("thought_chars", sa.Integer, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "attempt"], ["attempts.run_id", "attempts.attempt"]),
        sa.Index("replies_key", "key"),
        sa.Index("replies_call", "call"),
    )
    sa.Table(
        "uses",
        metadata,
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("call", sa.Text, primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=True),
        sa.Index("uses_number", "run_id", "number"),
    )


def pack(value: Any) -> str:
    """``value`` as JSON text of ASCII characters."""
    return json.dumps(value, separators=(",", ":"))


def unpack(text: str) -> Any:
    """The value that :func:`pack` wrote; tuples come back as lists."""
    return json.loads(text)
