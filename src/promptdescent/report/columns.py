"""Tables of words for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from promptdescent.report.text import printable


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, terminal: bool, whole: Collection[str] = ()) -> str:
    """A table, safe to print: for a terminal as wide as that, its cells wrapped except those of the first column and of
    the columns named in ``whole``; otherwise one line per row, with columns that line up.
    """
    head, rows = [printable(cell) for cell in head], [[printable(cell) for cell in row] for row in rows]
    if terminal:
        return _wrapped(head, rows, whole={head[0], *whole})
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def terminal_width() -> int:
    """Of the terminal, in characters, as a table is drawn on it."""
    from rich.console import Console

    return Console().width


def _wrapped(head: Sequence[str], rows: Sequence[Sequence[str]], *, whole: Collection[str]) -> str:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    named = [Column(Text(cell), overflow="fold", no_wrap=cell in whole) for cell in head]
    table = Table(*named, box=None, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")
