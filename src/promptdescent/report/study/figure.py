"""Score against tokens, as a drawing."""

from __future__ import annotations

from collections.abc import Collection

from promptdescent.report.study.analysis import mean_curve
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.svg import COLOURS, Line, chart, notice

DASHES = ("", "7 3", "2 3")
NO_SEARCH = "1 4"


def figure(study: StudyRecord, *, incomplete: Collection[str] = ()) -> str:
    """Mean score of the best prompt so far against the tokens used, one line per cell that has a result.

    The score is the one on the dev rows; true quality where the task model is simulated. What needs no search is a
    level line. ``incomplete``: labels that get a mark, since runs of them have no result.
    """
    quality = any(point.quality is not None for run in study.runs for point in run.curve)
    lines = _lines(study, quality=quality, incomplete=incomplete)
    if not lines:
        return notice("no run has a result")
    what = "true quality (simulated)" if quality else "dev score"
    return chart(
        lines, title=_title(study), across="tokens used by all models", upward=f"{what} of the best prompt so far"
    )


def _lines(study: StudyRecord, *, quality: bool, incomplete: Collection[str]) -> list[Line]:
    curves = [
        (cell, mean_curve([run for run in study.runs if run.cell == cell.label], quality=quality))
        for cell in study.cells
    ]
    longest = max((curve[-1][0] for _, curve in curves if curve), default=0.0)
    lines = []
    for number, (cell, curve) in enumerate(curves):
        if not curve:
            continue
        level = cell.recipe is None
        points = [(0.0, curve[-1][1]), (longest, curve[-1][1])] if level else curve
        dash = NO_SEARCH if level else DASHES[number // len(COLOURS) % len(DASHES)]
        label = f"{cell.label} *" if cell.label in incomplete else cell.label
        lines.append(Line(label=label, points=points, dash=dash, colour=COLOURS[number % len(COLOURS)]))
    return lines


def _title(study: StudyRecord) -> str:
    marked = " (simulated models)" if study.simulated else ""
    tasks = ", ".join(study.tasks) if len(study.tasks) <= 3 else f"{len(study.tasks)} tasks"
    return f"{study.grid}: {tasks}, mean over {len(study.seeds)} seeds{marked}"
