"""One definition of a figure: for the report, the live page, and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, NARROW = 640, 320
"""Pixels across a figure: on paper and wide screens, and on a phone."""

HEIGHT = 260

NONE = "\u2013"
"""In a table where there is no value."""

BLUE, ORANGE, GREY = "#0b63a5", "#b34a00", "#767d85"
"""Told apart by every colour vision, and by their shapes and dashes too; at least 4.5 to 1 on white."""
INK, GRID, AXIS = "#4a5058", "#e4e7eb", "#9aa3ad"
"""Of labels, grid lines and axes. The stylesheet of a page replaces each of these colours in the dark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A figure with its words and its numbers."""

    name: str
    """``score``, ``budget``, ``tokens`` or ``explanation``."""
    title: str
    summary: str
    """What there is to see, in a sentence or two."""
    spec: Mapping[str, Any]
    """Vega-Lite, with its data."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The same numbers as a table, for those who do not see the figure."""


def at_width(spec: Mapping[str, Any], width: int | str) -> dict[str, Any]:
    """The same figure so many pixels wide, or as wide as its ``container``. A narrow one has a legend in one column."""
    config = spec["config"]
    columns = 1 if isinstance(width, int) and width < WIDTH else config["legend"]["columns"]
    return {**spec, "width": width, "config": {**config, "legend": {**config["legend"], "columns": columns}}}


def styled(layers: Any, *, height: int = HEIGHT) -> dict[str, Any]:
    """A layered chart of altair with the look that all figures share, as Vega-Lite JSON."""
    look = {
        "background": None,
        "font": "Arial, Helvetica, Liberation Sans, sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK,
            "titleColor": INK,
            "gridColor": GRID,
            "domainColor": AXIS,
            "tickColor": AXIS,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 10,
        },
        "legend": {
            "labelColor": INK,
            "labelFontSize": 12,
            "labelLimit": 0,
            "columnPadding": 28,
            "symbolStrokeWidth": 2,
            "columns": 3,
        },
    }
    spec: dict[str, Any] = layers.properties(width=WIDTH, height=height).to_dict(validate=False)
    return {**spec, "autosize": {"type": "fit-x", "contains": "padding"}, "config": look}


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash if there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def whole(value: int | None) -> str:
    """A count for a table; a dash if there is none."""
    return NONE if value is None else f"{value:,}"


def values(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as the data of a chart."""
    import altair

    return altair.InlineData(values=[dict(row) for row in rows])


def named(names: Sequence[str], colours: Sequence[str]) -> Any:
    """The scale of colours with a legend above the figure, the same in every layer."""
    import altair

    return altair.Scale(domain=list(names), range=list(colours))
