"""An explanation as a fragment of HTML, for notebooks. All of it is escaped, and there is no script in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "text-align:left;vertical-align:top;padding:0.2em 0.8em;white-space:pre-wrap;overflow-wrap:anywhere"

HEAD = ("piece", "effect in points (95 % interval)", "matters")


def pieces_html(*, run: str, title: str, rows: Iterable[Sequence[str]], notes: Iterable[str]) -> str:
    """A table of pieces under a title, the notes, and the run that holds the calls. ``rows``: cells as in ``HEAD``."""
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in HEAD)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    more = f"The calls are on record as run {escape(run)}: <code>promptdescent show {escape(run)}</code>"
    return (
        f'<div style="max-width:60em"><p><strong>{escape(title)}</strong></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}"
        f'<p style="opacity:0.75">{more}</p></div>'
    )


def _cell(text: str) -> str:
    return f'<td style="{_CELL}">{escape(text)}</td>'
