"""The report: one file of HTML that needs nothing beside itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptdescent.report.charts import Chart, charts_of
from promptdescent.report.charts.chart import NARROW, NONE, WIDTH
from promptdescent.report.charts.images import inline_svg
from promptdescent.report.page.content import RunPage
from promptdescent.report.text import printable
from promptdescent.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_NO_BREAK = re.compile(r"(?<=\d) (?=%|points\b)|(?<=points) (?=\()")

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A chart with what draws it on a page."""

    chart: Chart
    drawing: Markup
    """Its pictures, or the place for one."""


def environment(*folders: Path) -> Environment:
    """Templates of the report, and before them those in ``folders``. Every value that a template writes is escaped, and
    what could act on a reader's screen, such as a mark that turns the direction of reading, is written out.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["counted"] = lambda count: f"{count:,}"
    made.filters["score"] = lambda score: NONE if score is None else f"{score:.3f}"
    made.filters["or_none"] = lambda value: NONE if value is None else f"{value:,}"
    made.filters["unbroken"] = unbroken
    made.tests["plain"] = lambda text: printable(text) == text
    return made


@cache
def _own_environment() -> Environment:
    """Made once, since compiling the templates takes longer than filling them."""
    return environment()


def _shown(value: Any) -> Any:
    """A value as it may stand in a page."""
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def unbroken(text: str) -> str:
    """Words of ours with the spaces kept together at which a line must not end. Not for prompts, which are copied."""
    return _NO_BREAK.sub("\u00a0", text)


def static_figures(charts: Iterable[Chart]) -> dict[str, Figure]:
    """The figures as drawings that need no script: one for wide pages and paper, one for phones."""
    from markupsafe import Markup

    found = {}
    for chart in charts:
        wide = inline_svg(chart.spec, width=WIDTH, name=f"{chart.name}-wide", title=chart.title)
        narrow = inline_svg(chart.spec, width=NARROW, name=f"{chart.name}-narrow", title=chart.title)
        drawing = Markup(  # noqa: S704 - inline_svg leaves nothing but shapes and escaped words
            f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
        )
        found[chart.name] = Figure(chart=chart, drawing=drawing)
    return found


def live_figures(charts: Iterable[Chart]) -> dict[str, Figure]:
    """The figures as empty places, which the script of a live page fills from their definitions."""
    from markupsafe import Markup

    return {
        chart.name: Figure(chart=chart, drawing=Markup('<div data-chart="{}"></div>').format(chart.name))
        for chart in charts
    }


def report_html(page: RunPage, figures: Mapping[str, Figure] | None = None) -> str:
    """The whole report as text; by default with static figures. Needs the extra ``report``."""
    style, script = asset("report.css"), asset("report.js")
    return (
        _own_environment()
        .get_template("report.html")
        .render(
            page=page,
            figures=static_figures(charts_of(page)) if figures is None else figures,
            style=_verbatim(style),
            script=_verbatim(script),
            policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
            "base-uri 'none'; form-action 'none'",
            made_by=__version__,
        )
    )


def asset(name: str) -> str:
    """A file of ours beside the templates, such as the stylesheet ``report.css`` or the script ``report.js``."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _verbatim(text: str) -> Markup:
    """A file of ours, as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - it comes with the package


def _digest(text: str) -> str:
    """What a content security policy calls this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
