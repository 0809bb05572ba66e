"""Tables as LaTeX with booktabs, to be taken in with ``\\input``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from promptdescent.report.tables import Table
from promptdescent.report.text import one_line

NEEDED = "% Needs \\usepackage{booktabs} in the preamble, and UTF-8.\n"

PAGE = 40
"""Rows that fit on a page."""

FEW_COLUMNS = 7
"""More columns than that are set in smaller letters."""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    # After the end of a row, these would be read as arguments of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_ACTIVE = re.compile("[" + re.escape("".join(_ESCAPES)) + "]")
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def latex(words: str) -> str:
    """One line of words that LaTeX sets as they are; the minus of a number as one."""
    return _MINUS.sub("$-$", _ACTIVE.sub(lambda found: _ESCAPES[found[0]], one_line(words)))


def as_latex(table: Table, *, label: str) -> str:
    """Floating tables of at most :data:`PAGE` rows, with captions above, and the notes below the last one.

    ``label``: for ``\\ref``, letters, digits, colons and hyphens; of the pages after the first it ends with a number.
    """
    pages = [table.rows[first : first + PAGE] for first in range(0, len(table.rows), PAGE)] or [()]
    return "\n".join(
        _page(
            replace(table, rows=rows, notes=table.notes if number == len(pages) else ()),
            caption=table.title if number == 1 else f"{table.title} (continued)",
            label=label if number == 1 else f"{label}-page-{number}",
        )
        for number, rows in enumerate(pages, start=1)
    )


def _page(table: Table, *, caption: str, label: str) -> str:
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        r"\small" if len(table.header) <= FEW_COLUMNS else r"\scriptsize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{latex(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(table.header),
        r"\midrule",
        *map(_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += ["\n\n".join(latex(note) for note in table.notes), r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(latex(cell) for cell in cells) + r" \\"
