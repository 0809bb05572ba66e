"""The charts of runs, as data for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from promptdescent.dashboard.run_pages import RunPages
from promptdescent.dashboard.shelf import Shelf
from promptdescent.report.charts import Chart, charts_of
from promptdescent.report.charts.chart import BLUE, GREY, ORANGE, at_width, number, styled, values, whole
from promptdescent.report.comparing import MOST_RUNS
from promptdescent.report.page.content import RunPage

_COLOURS = (BLUE, ORANGE, GREY)
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""With the colours, enough lines that are told apart for as many runs as are compared at once."""


class ChartData:
    """Charts as Vega-Lite, drawn by the browser as wide as there is room."""

    def __init__(self, shelf: Shelf, pages: RunPages) -> None:
        self._shelf = shelf
        self._pages = pages

    def of_run(self, run: str) -> list[dict[str, Any]]:
        """All charts of a run. Raises :class:`~promptdescent.errors.StoreError`."""
        return [chart_data(chart) for chart in charts_of(self._pages.read(self._shelf.find(run)))]

    def of_runs(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        """The chart that has several runs in it. Raises as :meth:`Shelf.several`."""
        chart = runs_chart([self._pages.read(found) for found in self._shelf.several(runs, most=MOST_RUNS)])
        return [chart_data(chart)] if chart else []


def chart_data(chart: Chart) -> dict[str, Any]:
    """A chart with its words and its numbers."""
    return {**asdict(chart), "spec": at_width(chart.spec, "container")}


def runs_chart(pages: Sequence[RunPage]) -> Chart | None:
    """The best score so far of each run against the tokens that it had used; None if no run counted them."""
    import altair as alt

    curves = {
        page.run: [step for step in page.search.steps if step.tokens is not None and step.best_score is not None]
        for page in pages
        if page.search is not None
    }
    curves = {run: steps for run, steps in curves.items() if len(steps) > 1}
    if not curves:
        return None
    names = {page.run: f"{page.run} ({page.title})" for page in pages}
    data = values(
        [
            {"run": names[run], "tokens": step.tokens, "score": step.best_score}
            for run, steps in curves.items()
            for step in steps
        ]
    )
    shown = [names[run] for run in curves]
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(len(shown))]
    dashes = [_DASHES[place // len(_COLOURS) % len(_DASHES)] for place in range(len(shown))]
    legend = alt.Legend(orient="top", title=None, columns=1, labelLimit=600)
    line = (
        alt.Chart(data)
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(
            x=alt.X("tokens:Q", title="tokens used by all models", axis=alt.Axis(format="~s", grid=False)),
            y=alt.Y("score:Q", title="best dev score so far", scale=alt.Scale(zero=False, nice=True)),
            color=alt.Color("run:N", scale=alt.Scale(domain=shown, range=colours), legend=legend),
            strokeDash=alt.StrokeDash("run:N", scale=alt.Scale(domain=shown, range=dashes), legend=legend),
        )
    )
    return Chart(
        name="runs",
        title="Score against tokens",
        summary="The best dev score so far against the tokens that each run had used, of all models.",
        spec=styled(alt.layer(line)),
        header=("Run", "Tokens used", "Best so far"),
        rows=tuple(
            (names[run], whole(step.tokens), number(step.best_score)) for run, steps in curves.items() for step in steps
        ),
    )
