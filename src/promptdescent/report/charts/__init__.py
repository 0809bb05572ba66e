"""The figures of a run, each from one Vega-Lite definition, for the report, the live page and files."""

from __future__ import annotations

from promptdescent.report.charts.chart import Chart
from promptdescent.report.charts.explanation import explanation_chart
from promptdescent.report.charts.search import budget_chart, score_chart, tokens_chart
from promptdescent.report.page.content import RunPage

__all__ = ["Chart", "charts_of"]


def charts_of(page: RunPage) -> tuple[Chart, ...]:
    """The figures that the page has: of its search and of its explanation. Needs the extra ``report``."""
    found: list[Chart | None] = []
    if page.search is not None and page.search.steps:
        found += [score_chart(page.search), budget_chart(page.search), tokens_chart(page.search)]
    if page.explanation is not None:
        found.append(explanation_chart(page.explanation))
    return tuple(chart for chart in found if chart is not None)
