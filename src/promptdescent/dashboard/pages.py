"""The pages: what answers an address with HTML. Each reads the store in a worker thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from promptdescent.dashboard.charts import runs_chart
from promptdescent.dashboard.rendering import Views, stylesheet
from promptdescent.dashboard.run_list import PAGE_SIZE, RunList, RunQuery
from promptdescent.dashboard.run_pages import RunPages
from promptdescent.dashboard.shelf import Found, Shelf
from promptdescent.dashboard.standing import StandingReader, steps_after
from promptdescent.dashboard.studies import has_study, read_study
from promptdescent.errors import ConfigError, PromptDescentError, StoreError
from promptdescent.report.charts import charts_of
from promptdescent.report.comparing import MOST_RUNS, compare_runs
from promptdescent.report.comparing_prompts import named_prompt
from promptdescent.report.html.render import live_figures
from promptdescent.report.page.content import RunPage
from promptdescent.report.page.diff import diff_of
from promptdescent.store.listing import listed_runs

if TYPE_CHECKING:
    from fastapi import Request, Response

_REASONS = {
    404: "There is no such page.",
    500: "A fault of promptdescent itself; the terminal of the server says more.",
}
_NEAREST = 5
_RECENT_STEPS = 20
"""Steps that the page of a run that goes shows at first; all are under its candidates."""


class Pages:
    """All pages over one shelf of stores."""

    def __init__(self, shelf: Shelf, runs: RunList, pages: RunPages, views: Views) -> None:
        self._shelf = shelf
        self._pages = pages
        self._runs = runs
        self._views = views

    def by_path(self) -> dict[str, Callable[..., Any]]:
        """What answers which address."""
        return {
            "/": self.runs,
            "/runs/{run}": self.run,
            "/runs/{run}/candidates": self.candidates,
            "/runs/{run}/candidates/{candidate}": self.candidate,
            "/study": self.study,
            "/style/page.css": self.style,
        }

    def warm_up(self) -> None:
        """Render the newest run, if there is one, so that the first page that somebody opens waits for no library."""
        with contextlib.suppress(PromptDescentError):
            self.run("latest")

    # --- pages ---

    def runs(self, q: str = "", tag: str = "", sort: str = "started", order: str = "", page: str = "1") -> Any:
        """All runs, a page at a time."""
        query = RunQuery.of(q, tag, sort, order, page)
        part = self._runs.part(query)
        # Who sees a long list may search it: what that needs is read when the page is on its way.
        later = self._runs.warm if part.total > PAGE_SIZE else None
        return self._html("runs.html", later=later, part=part, query=query, most_compared=MOST_RUNS)

    def run(self, run: str) -> Any:
        """Everything of a run; how it stands, as long as it is not finished."""
        from fastapi.responses import HTMLResponse

        found = self._shelf.find(run)
        if found.row.status.state == "finished":
            with_study = has_study(self._shelf.folder)
            return HTMLResponse(self._pages.html(found, self._finished, variant=with_study))
        page = self._pages.read(found)
        standing = StandingReader(found.store, found.row.id).read()
        # What came since is told by the stream of events, which goes on after ``seq``.
        known = [step for step in steps_after(found.store, found.row.id, 0) if step.seq <= standing.seq]
        figures = live_figures(charts_of(page))
        return self._html("run.html", page=page, figures=figures, standing=standing, steps=known[-_RECENT_STEPS:])

    def _finished(self, page: RunPage) -> str:
        figures = live_figures(charts_of(page))
        return self._views.page("run.html", **self._everywhere(), page=page, figures=figures, standing=None, steps=())

    def candidates(self, run: str) -> Any:
        """Every proposal of every step, the newest step first."""
        found = self._shelf.find(run)
        return self._html("candidates.html", run=found.row, steps=steps_after(found.store, found.row.id, 0))

    def candidate(self, run: str, candidate: str) -> Any:
        """One proposal: what it changed, what asked for it, what became of it."""
        found = self._shelf.find(run)
        for step in steps_after(found.store, found.row.id, 0):
            for one in step.record.candidates:
                if one.id == candidate:
                    request = None if one.request is None else step.record.requests[one.request]
                    parent = _parent_text(found, one.parent)
                    diff = None if parent is None else diff_of(parent, one.prompt.text)
                    return self._html(
                        "candidate.html", run=found.row, step=step.record, one=one, request=request, diff=diff
                    )
        raise StoreError(f"run {found.row.id} has no candidate {candidate}: its page lists all that there are")

    def compare(self, request: Request) -> Response:
        """Runs side by side."""
        found = self._shelf.several(request.query_params.getlist("run"), most=MOST_RUNS)
        if len(found) < 2:
            return self._html("compare_none.html", most_compared=MOST_RUNS)
        if len({id(one.store) for one in found}) > 1:
            raise ConfigError("runs of different tasks or seeds of a study are compared by the study's tables")
        compared = compare_runs(found[0].store, [one.row.id for one in found])
        first = compared.runs[0]
        diffs = [(other, diff_of(first.prompt, other.prompt)) for other in compared.runs[1:]]
        chart = runs_chart([self._pages.read(one) for one in found])
        figures = live_figures([chart] if chart else [])
        return self._html("compare.html", compared=compared, diffs=diffs, figures=figures)

    def study(self) -> Any:
        """The tables of the study or bench whose folder is served."""
        return self._html("study.html", study=read_study(self._shelf.folder))

    def style(self) -> Response:
        """The stylesheet that report and pages share."""
        from fastapi import Response

        headers = {"cache-control": "max-age=60"}
        return Response(stylesheet(), media_type="text/css; charset=utf-8", headers=headers)

    def failed(self, path: str, error: Exception) -> Response:
        """What an address shows that has nothing to show: why, and where to go instead."""
        from fastapi.responses import JSONResponse

        if isinstance(error, PromptDescentError):
            status, reason = (404 if isinstance(error, StoreError) else 400), str(error)
        else:
            status = getattr(error, "status_code", 500)
            reason = _REASONS.get(status, "That cannot be asked for.")
        gone = isinstance(error, StoreError) and self._store_gone()
        status = 503 if gone else status
        if path.startswith("/api/"):
            return JSONResponse({"error": reason}, status)
        near = () if gone else self._near(path)
        return self._html("error.html", status=status, reason=reason, gone=gone, near=near)

    # --- helpers ---

    def _html(
        self, template: str, *, status: int = 200, later: Callable[[], None] | None = None, **values: Any
    ) -> Response:
        """A page; ``later`` is called in a worker thread when it was sent."""
        from fastapi import BackgroundTasks
        from fastapi.responses import HTMLResponse

        shown = {**self._everywhere(), "status": status, **values}
        tasks = BackgroundTasks()
        if later is not None:
            tasks.add_task(later)
        return HTMLResponse(self._views.page(template, **shown), status, background=tasks)

    def _everywhere(self) -> dict[str, Any]:
        """What every page shows."""
        return {"store": self._shelf.address, "has_study": has_study(self._shelf.folder)}

    def _store_gone(self) -> bool:
        try:
            return not any(True for _ in self._shelf.stores())
        except PromptDescentError:
            return True

    def _near(self, path: str) -> list[str]:
        """Ids of runs that look like the one in the address, else of the newest ones."""
        try:
            newest = [run.id for store in self._shelf.stores() for run in listed_runs(store, last=1000)]
        except PromptDescentError:
            return []
        parts = path.split("/")
        asked = parts[2] if len(parts) > 2 and parts[1] == "runs" else ""
        return get_close_matches(asked, newest, n=_NEAREST, cutoff=0.4) or newest[:_NEAREST]


def _parent_text(found: Found, parent: str | None) -> str | None:
    """The prompt that a proposal was written from; None if it is not on record."""
    if parent is None:
        return None
    try:
        return named_prompt(found.store, f"{found.row.id}:{parent}").text
    except PromptDescentError:
        return None
