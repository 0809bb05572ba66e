"""Tables of words for people."""

from __future__ import annotations

from collections.abc import Sequence

from promptdescent.report.text import printable


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, terminal: bool) -> str:
    """A table, safe to print: for a terminal as wide as that, its cells wrapped except those of the first column;
    otherwise one line per row, with columns that line up.
    """
    head, rows = [printable(cell) for cell in head], [[printable(cell) for cell in row] for row in rows]
    if terminal:
        return _wrapped(head, rows)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def _wrapped(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    named = [Column(Text(cell), overflow="fold", no_wrap=cell == head[0]) for cell in head]
    table = Table(*named, box=None, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")
