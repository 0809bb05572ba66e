"""The runs of a store as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from promptdescent.report.columns import columns
from promptdescent.report.record import date
from promptdescent.report.text import one_line, score_text
from promptdescent.store.listing import ListedRun

HEAD = ("run", "date (UTC)", "status", "recipe", "seed", "models", "dev score", "result", "calls sent")


def listing(runs: Sequence[ListedRun], *, terminal: bool) -> str:
    """One line per run, safe to print; ``terminal``: as a table that is as wide as that."""
    head: tuple[str, ...] = HEAD
    rows = [_cells(run) for run in runs]
    if any(run.tags for run in runs):
        head = (*head, "tags")
        rows = [(*row, one_line(" ".join(run.tags)) or "-") for row, run in zip(rows, runs, strict=True)]
    return columns(head, rows, terminal=terminal)


def listing_json(runs: Sequence[ListedRun]) -> str:
    """The same with all that is known, as JSON in ASCII."""
    return json.dumps([{**asdict(run), "created_at": date(run.created_at)} for run in runs], indent=2)


def _cells(run: ListedRun) -> tuple[str, ...]:
    return (
        run.id,
        date(run.created_at)[:16].replace("T", " "),
        run.status.state,
        f"explains {one_line(run.explains)}" if run.explains else one_line(run.recipe) or "-",
        "-" if run.seed is None else str(run.seed),
        _models(run),
        score_text(run.best_score),
        _result(run),
        f"{run.calls:,}",
    )


def _models(run: ListedRun) -> str:
    """The names in the order of their roles; one that has several roles is said once."""
    return " / ".join(dict.fromkeys(map(one_line, run.models.values()))) or "-"


def _result(run: ListedRun) -> str:
    """What the verdict or the evaluation says, with the 95 % interval."""
    if run.verdict is not None:
        low, high = run.verdict.interval
        what = "gain" if run.verdict.gain_shown else "no gain shown:"
        return f"{what} {run.verdict.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    if run.evaluation is not None:
        low, high = run.evaluation.interval
        return f"{run.evaluation.score:.3f} ({low:.3f} to {high:.3f}) on {one_line(run.evaluation.on)} rows"
    return "-"
