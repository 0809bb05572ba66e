"""What a bench shows: a league of its cells for each task model and over all of them, and the scores of each task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promptdescent.prices import total_of
from promptdescent.records import Role
from promptdescent.report.bench.record import BenchHole, BenchRecord
from promptdescent.report.study.analysis import (
    ROUNDING,
    Analysis,
    CellSummary,
    Mean,
    analyse,
    gain_of,
    mean_of,
    starting_scores,
)
from promptdescent.report.study.record import StudyRecord, StudyRun
from promptdescent.stats import GroupDifference

NO_SCORE = "its test score is not a number"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A cell compared with the reference over the same seeds; positive where the cell is better."""

    points: Mean
    p_value: float
    adjusted_p_value: float
    """After Holm's correction for all pairs of compared cells."""
    real: bool
    """Whether it is more than chance, as far as can be told at 5 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeagueRow:
    """A cell over all tasks and seeds of a league. Means of use are per finished run."""

    label: str
    seeds: int
    """Seeds with a result on every task."""
    score: Mean | None
    """On the test rows: mean over these seeds of the mean over tasks; where there is no such seed, of what there is,
    without an interval.
    """
    comparable: bool
    """Whether the score is one over all tasks."""
    missing: Mapping[str, int]
    """By task: runs without a result."""
    gain: Mean | None
    """Over the starting prompt; None where no seed has all tasks."""
    quality: Mean | None
    """True quality of the found prompts, where the task model is simulated; None where no seed has all tasks."""
    wins: float
    """Pairs of task and seed on which no cell has a better score; k cells with the same score have 1/k of it each."""
    difference: Difference | None
    """None for the reference and for cells that are not compared."""
    steps: float
    """That were done."""
    tokens: Mapping[Role, float]
    money: float | None
    """US dollars; None where a price is not known."""
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskScore:
    """A cell on a task, over the seeds that have a result there."""

    task: str
    label: str
    score: Mean | None
    gain: Mean | None
    reasons: Mapping[str, tuple[int, ...]]
    """Why runs have no result, with their seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class League:
    """The cells of a bench, the best first, on the tasks on which there is a result."""

    model: str
    """The task model; empty for the league over all models."""
    simulated: bool
    """Whether a task model is a simulated one, so that scores say nothing of real tasks."""
    reference: str
    """The cell that the others are compared with."""
    cells: tuple[str, ...]
    """Labels in the order of the grid."""
    tasks: tuple[str, ...]
    """Those that count."""
    left_out: tuple[BenchHole, ...]
    """Tasks that do not."""
    rows: tuple[LeagueRow, ...]
    pairs: int
    """Pairs of task and seed on which some cell has a result; the wins add up to it."""
    compared: tuple[str, ...]
    """Cells that are compared with each other: those with a result on all tasks for every compared seed."""
    compared_seeds: int
    """Seeds that the reference finished on all tasks."""
    differences: tuple[GroupDifference, ...]
    """All pairs of compared cells; empty with fewer than two cells or seeds."""
    real: tuple[GroupDifference, ...]
    """Those that are more than chance."""
    by_task: tuple[TaskScore, ...]
    """By task and cell; empty for the league over all models."""

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Cells of which runs have no result."""
        return tuple(row.label for row in self.rows if row.missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchAnalysis:
    """All that a bench shows."""

    leagues: tuple[League, ...]
    """One per task model that has a study."""
    overall: League | None
    """Over all of them, on the tasks that count in every league, averaged per seed; None with fewer than two, or if
    they share no task.
    """


def analyse_bench(bench: BenchRecord) -> BenchAnalysis:
    """Sum a bench up."""
    counted = {model: counting(study) for model, study in bench.studies.items()}
    leagues = []
    for model, (study, without) in counted.items():
        holes = [hole for hole in bench.holes if hole.model in ("", model)]
        holes += [BenchHole(task=task, reason=reason, model=model) for task, reason in without.items()]
        leagues.append(_league(study, model=model, simulated=study.simulated, left_out=tuple(holes)))
    studies = {model: study for model, (study, _) in counted.items()}
    return BenchAnalysis(leagues=tuple(leagues), overall=_overall(studies, bench.holes) if len(studies) > 1 else None)


# --- what counts -----------------------------------------------------------------------------------------------------


def counting(study: StudyRecord) -> tuple[StudyRecord, dict[str, str]]:
    """The study with the tasks on which there is a result, and with runs that have no number for a score as failed
    ones; and by task, why the others have none.
    """
    sound = replace(study, runs=tuple(_sound(run) for run in study.runs))
    refused = {budget.task: budget.refused for budget in study.budgets if budget.refused}
    without = {
        task: reason for task in study.tasks if (reason := refused.get(task) or _why_nothing(sound, task)) is not None
    }
    return _of_tasks(sound, [task for task in study.tasks if task not in without]), without


def _sound(run: StudyRun) -> StudyRun:
    """The run, as a failed one if it has no number for a score, and without anything else that is no number."""
    if run.status != "finished":
        return run
    if _number(run.test_score) is None:
        return replace(run, status="failed", reason=NO_SCORE, test_score=None)
    return replace(
        run,
        start_test_score=_number(run.start_test_score),
        curve=tuple(replace(point, dev_score=_number(point.dev_score)) for point in run.curve),
    )


def _number(score: float | None) -> float | None:
    return None if score is None or not math.isfinite(score) else score


def _why_nothing(study: StudyRecord, task: str) -> str | None:
    """Why no run on a task has a result; None if one has."""
    runs = [run for run in study.runs if run.task == task]
    if any(run.status == "finished" for run in runs):
        return None
    return f"no run on it has a result; {runs[0].cell}, seed {runs[0].seed}: {runs[0].reason}" if runs else "no runs"


def _of_tasks(study: StudyRecord, tasks: Sequence[str]) -> StudyRecord:
    kept = set(tasks)
    return replace(
        study,
        tasks=tuple(tasks),
        budgets=tuple(budget for budget in study.budgets if budget.task in kept),
        runs=tuple(run for run in study.runs if run.task in kept),
    )


def _overall(studies: Mapping[str, StudyRecord], holes: Sequence[BenchHole]) -> League | None:
    """One league in which each task counts once per model, so that a seed's value is its mean over models."""
    tasks = dict.fromkeys(task for study in studies.values() for task in study.tasks)
    shared = [task for task in tasks if all(task in study.tasks for study in studies.values())]
    if not shared:
        return None
    parts = {model: _of_tasks(study, shared) for model, study in studies.items()}
    merged = replace(
        next(iter(parts.values())),
        tasks=tuple(_with(task, model) for model in parts for task in shared),
        same_steps={_with(task, model): study.same_steps[task] for model, study in parts.items() for task in shared},
        budgets=(),
        runs=tuple(replace(run, task=_with(run.task, model)) for model, study in parts.items() for run in study.runs),
    )
    reason = "it does not count with every model"
    tasks |= dict.fromkeys(hole.task for hole in holes)
    left_out = tuple(BenchHole(task=task, reason=reason) for task in tasks if task not in shared)
    simulated = any(study.simulated for study in studies.values())
    league = _league(merged, model="", simulated=simulated, left_out=left_out)
    return replace(league, tasks=tuple(shared), by_task=())


def _with(task: str, model: str) -> str:
    return f"{task} with {model}"


# --- a league --------------------------------------------------------------------------------------------------------


def _league(study: StudyRecord, *, model: str, simulated: bool, left_out: tuple[BenchHole, ...]) -> League:
    summaries = {cell.label: cell for cell in analyse(study).cells}
    compared, analysis = _comparison(study)
    wins, pairs = _wins(study)
    rows = [
        _row(study, summary, wins=wins.get(label, 0.0), difference=_difference(study, label, analysis))
        for label, summary in summaries.items()
    ]
    return League(
        model=model,
        simulated=simulated,
        reference=study.reference,
        cells=tuple(summaries),
        tasks=study.tasks,
        left_out=left_out,
        rows=tuple(sorted(rows, key=_place)),
        pairs=pairs,
        compared=compared,
        compared_seeds=analysis.compared_seeds if analysis else 0,
        differences=analysis.differences if analysis else (),
        real=tuple(one for one in analysis.differences if analysis.real(one)) if analysis else (),
        by_task=tuple(_by_task(study)),
    )


def _place(row: LeagueRow) -> tuple[bool, bool, float]:
    """Scores over all tasks first, then those over some, then cells without any; the better the earlier."""
    return row.score is None, not row.comparable, -row.score.value if row.score else 0.0


def _comparison(study: StudyRecord) -> tuple[tuple[str, ...], Analysis | None]:
    """The cells that can be compared, and their comparison, over the seeds that the reference finished."""
    done: dict[tuple[str, int], int] = {}
    for run in study.runs:
        if run.status == "finished":
            done[run.cell, run.seed] = done.get((run.cell, run.seed), 0) + 1
    whole = {key for key, tasks in done.items() if tasks == len(study.tasks)}
    seeds = tuple(seed for seed in study.seeds if (study.reference, seed) in whole)
    if not seeds:
        return (), None
    cells = tuple(cell for cell in study.cells if all((cell.label, seed) in whole for seed in seeds))
    labels = tuple(cell.label for cell in cells)
    runs = tuple(run for run in study.runs if run.cell in labels and run.seed in seeds)
    return labels, analyse(replace(study, cells=cells, seeds=seeds, runs=runs))


def _difference(study: StudyRecord, label: str, analysis: Analysis | None) -> Difference | None:
    pair = {label, study.reference}
    differences = analysis.differences if analysis else ()
    found = next((one for one in differences if {one.first, one.second} == pair), None)
    if found is None or analysis is None:
        return None
    estimate = found.difference
    if found.second != label:
        turned = replace(estimate.interval, low=-estimate.interval.high, high=-estimate.interval.low)
        estimate = replace(estimate, mean=-estimate.mean, interval=turned)
    return Difference(
        points=Mean(value=estimate.mean, estimate=estimate),
        p_value=found.p_value,
        adjusted_p_value=found.adjusted_p_value,
        real=analysis.real(found),
    )


def _row(study: StudyRecord, summary: CellSummary, *, wins: float, difference: Difference | None) -> LeagueRow:
    runs = [run for run in study.runs if run.cell == summary.label]
    finished = [run for run in runs if run.status == "finished"]
    missing: dict[str, int] = {}
    for run in runs:
        if run.status != "finished":
            missing[run.task] = missing.get(run.task, 0) + 1
    money = total_of([run.money for run in finished])
    return LeagueRow(
        label=summary.label,
        seeds=summary.seeds,
        score=summary.score or _of_what_there_is(finished),
        comparable=summary.score is not None,
        missing=missing,
        gain=summary.gain,
        quality=summary.quality,
        wins=wins,
        difference=difference,
        steps=summary.steps,
        tokens=summary.tokens,
        money=None if money is None else money / max(1, len(finished)),
        seconds=summary.seconds,
    )


def _of_what_there_is(finished: Sequence[StudyRun]) -> Mean | None:
    """The mean over tasks of the mean over seeds, without an interval: the tasks are not the same for all seeds."""
    by_task: dict[str, list[float]] = {}
    for run in finished:
        if run.test_score is not None:
            by_task.setdefault(run.task, []).append(run.test_score)
    means = [math.fsum(scores) / len(scores) for scores in by_task.values()]
    return Mean(value=math.fsum(means) / len(means)) if means else None


def _wins(study: StudyRecord) -> tuple[dict[str, float], int]:
    """Wins by cell, and the number of pairs of task and seed that have a result."""
    pairs: dict[tuple[str, int], dict[str, float]] = {}
    for run in study.runs:
        if run.status == "finished" and run.test_score is not None:
            pairs.setdefault((run.task, run.seed), {})[run.cell] = run.test_score
    won: dict[str, float] = {}
    for scores in pairs.values():
        best = [label for label, score in scores.items() if score >= max(scores.values()) - ROUNDING]
        for label in best:
            won[label] = won.get(label, 0.0) + 1 / len(best)
    return won, len(pairs)


def _by_task(study: StudyRecord) -> Iterator[TaskScore]:
    starts = starting_scores(study)
    runs: dict[tuple[str, str], list[StudyRun]] = {}
    for run in study.runs:
        runs.setdefault((run.task, run.cell), []).append(run)
    for task in study.tasks:
        for cell in study.cells:
            of_both = runs.get((task, cell.label), [])
            finished = [run for run in of_both if run.status == "finished"]
            gains = [gain_of(run, starts) for run in finished]
            reasons: dict[str, tuple[int, ...]] = {}
            for run in of_both:
                if run.status != "finished":
                    reasons[run.reason] = (*reasons.get(run.reason, ()), run.seed)
            yield TaskScore(
                task=task,
                label=cell.label,
                score=mean_of([run.test_score for run in finished if run.test_score is not None]),
                gain=mean_of([gain for gain in gains if gain is not None]),
                reasons=reasons,
            )
