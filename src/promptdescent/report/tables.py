"""Tables of results: as plain text, as Markdown, as CSV, and the words for the numbers in them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptdescent.report.text import one_line

_ACTIVE_IN_MARKDOWN = re.compile(r"[\\`*\[<&|~]|(?<![^\W_])_|_(?![^\W_])")
"""What could become a link, a picture, a tag or another column; an underscore within a word is only itself."""


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a table calculation works out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells under a header; the first column is words, the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    """Sentences to stand below."""


def as_plain(table: Table) -> str:
    """Columns as wide as their widest cell."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, "", *lines, *(("", *table.notes) if table.notes else ())])


def as_markdown(table: Table) -> str:
    """A section with the table and its notes, in which nothing from a row or model has a meaning of its own."""
    rule = "| " + " | ".join("---" if column == 0 else "---:" for column in range(len(table.header))) + " |"
    lines = [_markdown_row(table.header), rule, *(_markdown_row(row) for row in table.rows)]
    return "\n\n".join([f"## {markdown(table.title)}", "\n".join(lines), *map(markdown, table.notes)])


def markdown(words: str) -> str:
    """One line of words that Markdown shows as they are."""
    return _ACTIVE_IN_MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(words))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows for a table calculation. A text that it would take for a formula has an apostrophe before it, since a model
    may have written it; the JSON file beside has it as it is.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"


# --- numbers as text -------------------------------------------------------------------------------------------------


def p_text(p_value: float) -> str:
    """A p-value with the digits that matter."""
    if p_value < 0.0001:
        return "<0.0001"
    return f"{p_value:.4f}" if p_value < 0.1 else f"{p_value:.2f}"


def signed(points: float) -> str:
    """Points with their sign and one decimal."""
    return f"{round(points, 1) + 0.0:+.1f}"  # never -0.0


def count(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
