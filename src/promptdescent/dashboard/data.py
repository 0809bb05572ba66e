"""What the pages show, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promptdescent.dashboard.charts import ChartData
from promptdescent.dashboard.run_list import RunList, RunQuery
from promptdescent.dashboard.shelf import Shelf
from promptdescent.report.listing import listing_json
from promptdescent.report.record import run_record

if TYPE_CHECKING:
    from fastapi import Request, Response


class Data:
    """The JSON interface. Everything here is only read."""

    def __init__(self, shelf: Shelf, runs: RunList, charts: ChartData) -> None:
        self._shelf = shelf
        self._runs = runs
        self._charts = charts

    def by_path(self) -> dict[str, Callable[..., Any]]:
        """What answers which address."""
        return {
            "/api/runs": self.runs,
            "/api/runs/{run}": self.run,
            "/api/runs/{run}/charts": self.charts,
        }

    def runs(self, q: str = "", tag: str = "", sort: str = "started", order: str = "", page: str = "1") -> Any:
        """A page of runs, by the same query as the page."""
        part = self._runs.part(RunQuery.of(q, tag, sort, order, page))
        listed = json.loads(listing_json(part.runs))
        return _json(
            {"runs": listed, "found": part.found, "total": part.total, "page": part.query.page, "pages": part.pages}
        )

    def run(self, run: str) -> Any:
        """The record of a run, as ``promptdescent show RUN --json`` prints it."""
        found = self._shelf.find(run)
        return _json(run_record(found.store, found.row.id))

    def charts(self, run: str) -> Any:
        """The charts of a run as Vega-Lite."""
        return _json({"charts": self._charts.of_run(run)})

    def compared(self, request: Request) -> Response:
        """The chart of several runs."""
        return _json({"charts": self._charts.of_runs(request.query_params.getlist("run"))})


def _json(value: Any) -> Response:
    """In ASCII, because a record may hold halves of characters, which cannot be written in UTF-8."""
    from fastapi import Response

    return Response(json.dumps(value), media_type="application/json")
