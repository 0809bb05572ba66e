"""Tables of results on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from promptdescent.cli import output
from promptdescent.report.tables import Table, as_plain
from promptdescent.report.text import printable


def show_tables(headline: str, made: Sequence[Table]) -> None:
    """Print a paragraph and tables: as rich draws them in a terminal, plain ones elsewhere."""
    output.result(printable(headline) + "\n")
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        for table in made:
            _draw(table)
    else:
        output.result(printable("\n\n".join(as_plain(table) for table in made)))


def _draw(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console()
    drawn = Drawn(title=Text(printable(table.title)), title_justify="left")
    for place, name in enumerate(table.header):
        drawn.add_column(Text(printable(name)), justify="right" if place else "left")
    for row in table.rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    console.print(drawn)
    for note in table.notes:
        console.print(printable(note), markup=False, highlight=False)
