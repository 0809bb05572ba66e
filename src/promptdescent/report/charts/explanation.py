"""The figure of an explanation: what each piece of a prompt is worth."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from promptdescent.report.charts.chart import BLUE, GREY, INK, Chart, named, styled, values
from promptdescent.report.page.explanation import ExplanationSection
from promptdescent.report.text import printable

_LINE, _LINES = 26, 2
"""Characters across and lines of a piece beside its bar."""
_CHARACTER = 7
"""Pixels across a character at most on average, in whichever letters a browser has: room that is kept for it."""
MOST_PIECES = 40
"""Pieces that are drawn, those with the largest effects."""

_MATTERS, _OPEN = "raises the score", "no effect shown"


def explanation_chart(section: ExplanationSection) -> Chart | None:
    """Pieces with effects and intervals, that with the largest effect first; None if there is no piece."""
    import altair as alt

    if not section.pieces:
        return None
    largest = sorted(section.pieces, key=lambda piece: -abs(piece.difference))[:MOST_PIECES]
    pieces = [piece for piece in section.by_effect if piece in largest]
    factor, unit = (100, "points") if section.shares else (1, "score")
    names = {piece.number: _short(f"{piece.number}. {printable(piece.text)}") for piece in pieces}
    data = values(
        [
            {
                "piece": names[piece.number],
                "effect": factor * piece.difference,
                "low": factor * piece.interval[0],
                "high": factor * piece.interval[1],
                "kind": _MATTERS if piece.matters else _OPEN,
            }
            for piece in pieces
        ]
    )
    y = alt.Y("piece:N", sort=None, title=None, axis=_piece_axis([*names.values()]))
    colour = alt.Color(
        "kind:N", scale=named([_MATTERS, _OPEN], [BLUE, GREY]), legend=alt.Legend(orient="top", title=None)
    )
    base = alt.Chart(data)
    layers = [
        alt.Chart(values([{}])).mark_rule(color=INK, strokeDash=[2, 2]).encode(x=alt.XDatum(0)),
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title=f"effect in {unit}"), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("effect:Q", title=f"effect in {unit}"),
            y=y,
            color=colour,
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=[_MATTERS, _OPEN], range=["diamond", "circle"]), legend=None
            ),
        ),
    ]
    shown = "" if len(pieces) == len(section.pieces) else f" The {len(pieces)} largest effects are drawn."
    matter = sum(piece.matters for piece in section.pieces)
    return Chart(
        name="explanation",
        title="What each piece is worth",
        summary=f"{matter} of {len(section.pieces)} pieces are shown to raise the score; the lines are 95 % intervals."
        f"{shown}",
        spec=styled(alt.layer(*layers), height=60 + 36 * len(pieces)),
        header=("Piece", "Effect", "Shown to raise the score"),
        rows=tuple(
            (f"{piece.number}. {piece.text.strip()}", piece.effect, "yes" if piece.matters else "no")
            for piece in section.by_effect
        ),
    )


def _piece_axis(names: Sequence[str]) -> Any:
    """Names in lines below each other, with room for them all."""
    import altair as alt

    longest = max(len(line) for name in names for line in name.split("\n"))
    return alt.Axis(
        labelExpr=r"split(datum.label, '\n')", labelLimit=_CHARACTER * _LINE, minExtent=_CHARACTER * longest, grid=False
    )


def _short(text: str) -> str:
    return "\n".join(wrap(text, _LINE, max_lines=_LINES, placeholder="…"))
