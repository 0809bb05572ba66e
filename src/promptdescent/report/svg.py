"""Figures as SVG, written by hand: a drawing of lines needs no library."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from promptdescent.report.text import one_line

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 60
"""Margins; the legend stands in the right one."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31", "#7b4173", "#637939")
"""The first seven can be told apart with any colour vision (Okabe and Ito); then the pattern of the lines changes."""

_NO_XML = re.compile("[\ufffe\uffff]")
"""Printable as far as a terminal goes, but not allowed in XML."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line with its name in the legend."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: str = ""
    """Lengths of strokes and gaps; empty for a line without gaps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From values to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(lines: Sequence[Line], *, title: str, across: str, upward: str, low: float | None = None) -> str:
    """Lines over axes with round ticks, and a legend. ``low``: where the vertical axis begins at the latest."""
    most = max(x for line in lines for x, _ in line.points)
    heights = [y for line in lines for _, y in line.points]
    x_ticks = ticks(0, most)
    y_ticks = ticks(min(heights) if low is None else min(low, *heights), max(heights))
    x = Scale(low=x_ticks[0], high=x_ticks[-1], start=LEFT, end=WIDTH - RIGHT)
    y = Scale(low=y_ticks[0], high=y_ticks[-1], start=HEIGHT - BOTTOM, end=TOP)
    drawn = [heading(title), *_axes(x, y, x_ticks, y_ticks, across=across, upward=upward)]
    for number, line in enumerate(lines):
        drawn += [_polyline(line, x, y), *legend(line, number)]
    return page(drawn)


def notice(words: str) -> str:
    """A page that says why there is nothing to draw."""
    return page([text(WIDTH / 2, HEIGHT / 2, words, anchor="middle")])


def ticks(low: float, high: float, *, about: int = 6) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, at equal distances; two or more."""
    span = (high - low) or abs(high) or 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, max(last, first + 1) + 1)]


# --- pieces ----------------------------------------------------------------------------------------------------------


def page(content: Sequence[str], *, height: float = HEIGHT) -> str:
    """A whole drawing on white ground."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif" font-size="12">'
    )
    ground = f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>'
    return "\n".join([head, ground, *content, "</svg>"]) + "\n"


def heading(words: str) -> str:
    """The title of a drawing."""
    return text(LEFT, TOP - 18, words, size=14)


def legend(line: Line, number: int) -> list[str]:
    """The entry of a line, in the right margin."""
    left, height = WIDTH - RIGHT + 16, TOP + 10 + 18 * number
    place = f'x1="{left}" y1="{height}" x2="{left + 28}" y2="{height}"'
    sample = f'<line {place} stroke="{line.colour}" stroke-width="2"{_dashed(line)}/>'
    return [sample, text(left + 36, height + 4, line.label)]


def rule(x1: float, y1: float, x2: float, y2: float, *, colour: str = "#dddddd") -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    """Words at a place, whatever they hold."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{_words(words)}</text>'


def _words(words: str) -> str:
    return escape(_NO_XML.sub(lambda found: ascii(found[0])[1:-1], one_line(words)))


def _axes(
    x: Scale, y: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float], *, across: str, upward: str
) -> list[str]:
    drawn = []
    for tick in x_ticks:
        drawn.append(rule(x(tick), y.start, x(tick), y.end))
        drawn.append(text(x(tick), y.start + 18, _short(tick), anchor="middle"))
    for tick in y_ticks:
        drawn.append(rule(x.start, y(tick), x.end, y(tick)))
        drawn.append(text(x.start - 8, y(tick) + 4, f"{tick:g}", anchor="end"))
    drawn.append(text((x.start + x.end) / 2, HEIGHT - 16, across, anchor="middle"))
    middle = (y.start + y.end) / 2
    turned = f"translate(18 {middle:.1f}) rotate(-90)"
    drawn.append(f'<text transform="{turned}" text-anchor="middle">{_words(upward)}</text>')
    return drawn


def _polyline(line: Line, x: Scale, y: Scale) -> str:
    points = " ".join(f"{x(across):.1f},{y(up):.1f}" for across, up in line.points)
    return f'<polyline fill="none" stroke="{line.colour}" stroke-width="2"{_dashed(line)} points="{points}"/>'


def _dashed(line: Line) -> str:
    return f' stroke-dasharray="{line.dash}"' if line.dash else ""


def _short(count: float) -> str:
    if count >= 1_000_000:
        return f"{count / 1_000_000:g} M"
    return f"{count / 1000:g} k" if count >= 1000 else f"{count:g}"
