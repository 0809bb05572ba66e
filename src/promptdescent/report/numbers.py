"""Numbers for people: amounts of money, and tables of figures."""

from __future__ import annotations

from collections.abc import Sequence


def dollars(amount: float | None) -> str:
    """An amount with the digits that matter."""
    if amount is None:
        return "not known"
    return f"{amount:.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first two to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)
