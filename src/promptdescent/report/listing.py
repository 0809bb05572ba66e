"""The runs of a store as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from promptdescent.report.columns import columns, terminal_width
from promptdescent.report.record import date
from promptdescent.report.text import one_line
from promptdescent.store.listing import ListedRun
from promptdescent.verdict.words import gain_text, spread_text, written

HEAD = ("run", "date (UTC)", "status", "recipe", "seed", "models", "dev score", "result", "calls sent")

_WHOLE = ("run", "date (UTC)", "status", "seed", "dev score", "calls sent")
"""Columns whose cells are never wrapped."""
_LEAST = {"recipe": 20, "models": 20, "result": 18, "tags": 12}
"""Characters that leave room enough for a column whose cells are wrapped."""
_LEFT_OUT = ("seed", "models", "year", "calls sent", "dev score", "tags", "recipe")
"""What a narrow terminal has no room for, the first of them first."""
_GAP = 2
"""Characters between two columns."""


def listing(runs: Sequence[ListedRun], *, terminal: bool) -> str:
    """One line per run, safe to print; ``terminal``: as a table that is as wide as that, without what it has no room
    for.
    """
    named = {name: [row[place] for row in map(_cells, runs)] for place, name in enumerate(HEAD)}
    if any(run.tags for run in runs):
        named["tags"] = [one_line(" ".join(run.tags)) or "-" for run in runs]
    if terminal:
        _fit(named, terminal_width())
    return columns(list(named), list(zip(*named.values(), strict=True)), terminal=terminal, whole=_WHOLE)


def _fit(named: dict[str, list[str]], width: int) -> None:
    """Leave out columns, and the year of the dates, until the others have room."""
    for name in _LEFT_OUT:
        if sum(_room(*column) for column in named.items()) + _GAP * (len(named) - 1) <= width:
            return
        if name == "year":
            named["date (UTC)"] = [date.partition("-")[2] for date in named["date (UTC)"]]
        else:
            named.pop(name, None)


def _room(name: str, cells: Sequence[str]) -> int:
    """Characters that a column needs."""
    widest = max(len(cell) for cell in (name, *cells))
    if name not in _LEAST:
        return widest
    longest_word = max(len(word) for cell in (name, *cells) for word in cell.split())
    return max(min(widest, _LEAST[name]), longest_word)


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
        "-" if run.best_score is None else written([run.best_score])[0](run.best_score),
        _result(run),
        f"{run.calls:,}",
    )


def _models(run: ListedRun) -> str:
    """The names in the order of their roles; one that has several roles is said once."""
    return " / ".join(dict.fromkeys(map(one_line, run.models.values()))) or "-"


def _result(run: ListedRun) -> str:
    """What the verdict or the evaluation says, with the 95 % interval."""
    if run.verdict is not None:
        what = "gain" if run.verdict.gain_shown else "no gain shown:"
        return f"{what} {gain_text(run.verdict.difference, run.verdict.interval)}"
    if run.evaluation is not None:
        return f"{spread_text(run.evaluation.score, run.evaluation.interval)} on {one_line(run.evaluation.on)} rows"
    return "-"
