"""The figures of a bench: score against tokens, distance moved against budget, gain by task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from promptdescent.report.bench.analysis import BenchAnalysis, League, TaskScore, counting
from promptdescent.report.bench.record import BenchRecord
from promptdescent.report.study.figure import figure
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.svg import (
    BOTTOM,
    COLOURS,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    Scale,
    chart,
    heading,
    legend,
    notice,
    page,
    rule,
    text,
    ticks,
)

SCORE, DISTANCE, GAIN = "score-against-tokens", "distance-against-budget", "gain-by-task"
"""How the names of the files begin."""

ALLOWED = "2 3"
"""Dashes of the line of what is allowed."""

NAMES = 250
"""Width of the column of task names, which the longest of a suite fit into."""

LANE, GAP = 9, 12
"""Height of a cell's dot, and between two tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A drawing with the name of its file."""

    name: str
    title: str
    svg: str


def figures(bench: BenchRecord, analysis: BenchAnalysis) -> Iterator[Figure]:
    """Three for each task model."""
    endings = _endings(list(bench.studies))
    for league in analysis.leagues:
        study = replace(counting(bench.studies[league.model])[0], grid=f"{bench.suite}, {league.model}")
        ending, model = endings[league.model], league.model
        yield Figure(
            name=f"{SCORE}-{ending}.svg",
            title=f"Score of the best prompt so far against tokens, {model}",
            svg=figure(study, incomplete=league.incomplete),
        )
        yield Figure(
            name=f"{DISTANCE}-{ending}.svg",
            title=f"Words changed per step and words allowed, {model}",
            svg=distance_figure(study),
        )
        yield Figure(name=f"{GAIN}-{ending}.svg", title=f"Gain by task, {model}", svg=gain_figure(study, league))


def names_of_figures(bench: BenchRecord) -> tuple[str, ...]:
    """The files of :func:`figures`."""
    endings = _endings(list(bench.studies)).values()
    return tuple(f"{kind}-{ending}.svg" for ending in endings for kind in (SCORE, DISTANCE, GAIN))


def distance_figure(study: StudyRecord) -> str:
    """Words that a step's proposals changed in the mean, beside the words they were allowed to, by step: two lines for
    each recipe with a word budget; means over the finished runs that took the step.
    """
    lines = []
    for number, cell in enumerate(study.cells):
        moves = [
            move for run in study.runs if run.cell == cell.label and run.status == "finished" for move in run.moves
        ]
        steps: dict[int, list[tuple[float, int]]] = {}
        for move in moves:
            if move.budget is not None:
                steps.setdefault(move.step, []).append((move.distance, move.budget))
        if not steps:
            continue
        colour = COLOURS[number % len(COLOURS)]
        changed = [(float(step), _mean([one[0] for one in steps[step]])) for step in sorted(steps)]
        allowed = [(float(step), _mean([one[1] for one in steps[step]])) for step in sorted(steps)]
        lines.append(Line(label=f"{cell.label}: changed", points=changed, colour=colour))
        lines.append(Line(label=f"{cell.label}: allowed", points=allowed, colour=colour, dash=ALLOWED))
    if not lines:
        return notice("no recipe has a word budget, or no run of one has a result")
    marked = " (simulated models)" if study.simulated else ""
    title = f"{study.grid}: words changed and allowed, mean over runs{marked}"
    return chart(lines, title=title, across="step", upward="words", low=0.0)


def gain_figure(study: StudyRecord, league: League) -> str:
    """Gain over the starting prompt by task: a dot for each cell with a result, with its interval over seeds."""
    shown = [one for one in league.by_task if one.gain is not None]
    if not shown:
        return notice("no run has a result")
    band = LANE * len(league.cells) + GAP
    bottom = TOP + band * len(league.tasks)
    ends = [end for one in shown for end in _ends(one)]
    marks = ticks(min(0.0, *ends), max(0.0, *ends))
    x = Scale(low=marks[0], high=marks[-1], start=NAMES, end=WIDTH - RIGHT)
    marked = " (simulated models)" if study.simulated else ""
    drawn = [heading(f"{study.grid}: gain over the starting prompt, mean over seeds{marked}")]
    for mark in marks:
        drawn.append(rule(x(mark), TOP, x(mark), bottom, colour="#888888" if mark == 0 else "#dddddd"))
        drawn.append(text(x(mark), bottom + 18, f"{mark:g}", anchor="middle"))
    for number, task in enumerate(league.tasks):
        drawn.append(text(x.start - 8, TOP + band * (number + 0.5) + 4, task, anchor="end"))
        drawn.append(rule(x.start, TOP + band * (number + 1), x.end, TOP + band * (number + 1)))
    drawn.append(text((x.start + x.end) / 2, bottom + BOTTOM - 16, "gain on the test rows, points", anchor="middle"))
    for place, label in enumerate(league.cells):
        colour = COLOURS[place % len(COLOURS)]
        for one in shown:
            if one.label == label:
                height = TOP + band * league.tasks.index(one.task) + GAP / 2 + LANE * (place + 0.5)
                drawn += _dot(one, x, height, colour)
        name = f"{label} *" if label in league.incomplete else label
        drawn += legend(Line(label=name, points=(), colour=colour), place)
    least = TOP + 18 * len(league.cells) + 20
    return page(drawn, height=max(bottom + BOTTOM, least))


def _dot(one: TaskScore, x: Scale, height: float, colour: str) -> list[str]:
    if one.gain is None:
        return []
    low, high = min(_ends(one)), max(_ends(one))
    whisker = rule(x(low), height, x(high), height, colour=colour)
    return [whisker, f'<circle cx="{x(100 * one.gain.value):.1f}" cy="{height:.1f}" r="3" fill="{colour}"/>']


def _ends(one: TaskScore) -> Sequence[float]:
    """The points between which the dot and its interval lie; no gain is larger than 100, whatever a t interval says."""
    if one.gain is None:
        return ()
    if one.gain.estimate is None:
        return (100 * one.gain.value,)
    interval = one.gain.estimate.interval
    return max(-100.0, 100 * interval.low), min(100.0, 100 * interval.high)


def _endings(models: Sequence[str]) -> dict[str, str]:
    """What the files of a model's figures end with: its name as a file's name can be, told apart by a number."""
    found: dict[str, str] = {}
    for model in models:
        plain = re.sub(r"[^A-Za-z0-9.-]+", "-", model).strip("-.") or "model"
        number, ending = 1, plain
        while ending in found.values():
            number += 1
            ending = f"{plain}-{number}"
        found[model] = ending
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
