"""The rows to review by hand, as a CSV file for a spreadsheet; ``--leave-out`` reads it once it is corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptdescent.records import Example
from promptdescent.records.explanation import RowDoubt
from promptdescent.report.tables import as_csv

COLUMNS = ("id", "split", "kind", "target", "suggested", "share", "reason", "text", "leave_out")


def review_csv(doubts: Iterable[RowDoubt], rows: Mapping[str, Example], *, left_out: Iterable[RowDoubt]) -> str:
    """The file as text, where cells that a spreadsheet would take for formulas begin with an apostrophe.

    Args:
        doubts: a line each.
        rows: by id.
        left_out: the doubts whose line says yes; the others say no.
    """
    out = frozenset(left_out)
    return as_csv(COLUMNS, (_cells(doubt, rows[doubt.example], leave_out=doubt in out) for doubt in doubts))


def _cells(doubt: RowDoubt, row: Example, *, leave_out: bool) -> tuple[str, ...]:
    share = "" if doubt.share is None else f"{doubt.share:.2f}"
    return (
        *(doubt.example, doubt.split, doubt.kind, row.target, doubt.suggested, share, doubt.reason, row.question),
        "yes" if leave_out else "no",
    )
