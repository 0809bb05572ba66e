"""What a study shows: means over seeds, which differences are real, and what the same steps cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promptdescent.records import ROLES, Role, Usage
from promptdescent.report.study.record import StudyRecord, StudyRun, TokenClaim
from promptdescent.stats import GroupDifference, MeanEstimate, compare_groups, mean_interval

LEVEL = 0.05
"""A difference is real if its corrected p-value is below."""

LEAST_SEEDS = 3
"""Fewer seeds show no difference: with two, equal gaps by chance would look certain."""

NEAR = 1.25
"""Two methods are near each other in tokens up to this factor, which is ours: the paper gives no number."""

TARGET_SHARE = 0.9
"""Tokens are counted up to this share of the reference's way from its starting score to its last one."""

ROUNDING = 1e-9
"""Scores that differ by less are equal."""

POINTS = 60
"""Of a mean curve."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """A mean over seeds; without an interval where there is one seed only."""

    value: float
    estimate: MeanEstimate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CellSummary:
    """One cell over all seeds. A seed counts if the cell finished on every task; its value is the mean over tasks."""

    label: str
    seeds: int
    failed: int
    """Runs without a result."""
    score: Mean | None
    """On the test rows."""
    gain: Mean | None
    """Over the starting prompt of the task."""
    quality: Mean | None
    """True quality of the found prompt, where the task model is simulated."""
    steps: float
    calls: Mapping[Role, float]
    """Mean per run."""
    tokens: Mapping[Role, float]
    """Mean per run."""
    seconds: float
    """Mean per run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUse:
    """What a cell's searches use for the same number of steps, from what their steps used on average."""

    label: str
    tokens: float
    """Of all roles, the test rows left out; mean over tasks and seeds."""
    optimizer_tokens: float
    """Of these, the optimizer model's."""
    ratio: Mean
    """All tokens, compared with the reference: mean over seeds."""
    optimizer_ratio: Mean | None
    claim: TokenClaim | None
    """What the paper says."""
    to_target: int | None
    """Tokens until the mean curve reaches the target score; None if it never does."""

    @property
    def confirmed(self) -> bool | None:
        """Whether all tokens agree with the paper's claim; None if it makes none."""
        return agrees(self.claim, self.ratio.value)

    @property
    def optimizer_confirmed(self) -> bool | None:
        """The same of the optimizer model's tokens, on which money goes where the task model is one's own."""
        return None if self.optimizer_ratio is None else agrees(self.claim, self.optimizer_ratio.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """All that a study shows."""

    cells: tuple[CellSummary, ...]
    compared_seeds: int
    """Seeds that every compared cell finished."""
    differences: tuple[GroupDifference, ...]
    """Every pair of cells that have results; empty with fewer than two such seeds."""
    token_use: tuple[TokenUse, ...]
    """Of the cells that search; empty without a result of the reference."""
    target: float | None
    """The dev score that ``to_target`` is about."""

    def real(self, difference: GroupDifference) -> bool:
        """Whether a difference is more than chance, as far as can be told at 5 %."""
        return self.compared_seeds >= LEAST_SEEDS and difference.adjusted_p_value < LEVEL


def analyse(study: StudyRecord) -> Analysis:
    """Sum a study up."""
    by_cell = {cell.label: [run for run in study.runs if run.cell == cell.label] for cell in study.cells}
    scores = {label: by_seed(study, runs, lambda run: run.test_score) for label, runs in by_cell.items()}
    with_results = {label: values for label, values in scores.items() if values}
    common = sorted(set.intersection(*(set(values) for values in with_results.values()))) if with_results else []
    groups = {label: [values[seed] for seed in common] for label, values in with_results.items()}
    target = _target(by_cell[study.reference])
    return Analysis(
        cells=tuple(_summary(study, label, runs) for label, runs in by_cell.items()),
        compared_seeds=len(common),
        differences=compare_groups(groups) if len(common) > 1 else (),
        token_use=_token_use(study, by_cell, target),
        target=target,
    )


def agrees(claim: TokenClaim | None, ratio: float) -> bool | None:
    """Whether a ratio to the reference is what a claim says; None without a claim."""
    if claim is None:
        return None
    return ratio >= NEAR if claim == "well above" else 1 / NEAR <= ratio <= NEAR


# --- means over seeds ------------------------------------------------------------------------------------------------


def mean_of(values: Sequence[float]) -> Mean | None:
    """The mean with its interval; None without a value."""
    if not values:
        return None
    if len(values) == 1:
        return Mean(value=values[0])
    estimate = mean_interval(values)
    return Mean(value=estimate.mean, estimate=estimate)


def by_seed(
    study: StudyRecord, runs: Sequence[StudyRun], value: Callable[[StudyRun], float | None]
) -> dict[int, float]:
    """The mean over tasks, for the seeds that have a value on every task."""
    found: dict[int, list[float]] = {}
    for run in runs:
        measured = value(run) if run.status == "finished" else None
        if measured is not None:
            found.setdefault(run.seed, []).append(measured)
    return {seed: math.fsum(values) / len(values) for seed, values in found.items() if len(values) == len(study.tasks)}


def _summary(study: StudyRecord, label: str, runs: Sequence[StudyRun]) -> CellSummary:
    finished = [run for run in runs if run.status == "finished"]
    scores = by_seed(study, runs, lambda run: run.test_score)
    starts = starting_scores(study)
    roles = [role for role in ROLES if any(role in run.used for run in finished)]
    return CellSummary(
        label=label,
        seeds=len(scores),
        failed=len(runs) - len(finished),
        score=mean_of(list(scores.values())),
        gain=mean_of(list(by_seed(study, runs, lambda run: gain_of(run, starts)).values())),
        quality=mean_of(list(by_seed(study, runs, lambda run: run.quality).values())),
        steps=_mean([run.steps for run in finished]),
        calls={role: _mean([run.used.get(role, Usage()).calls for run in finished]) for role in roles},
        tokens={role: _mean([run.used.get(role, Usage()).tokens for run in finished]) for role in roles},
        seconds=_mean([run.seconds for run in finished]),
    )


def starting_scores(study: StudyRecord) -> dict[tuple[str, int], float]:
    """By task and seed: the score of the task's own starting prompt, as the searches measured it."""
    searching = {cell.label for cell in study.cells if cell.recipe is not None}
    return {
        (run.task, run.seed): run.start_test_score
        for run in study.runs
        if run.cell in searching and run.start_test_score is not None
    }


def gain_of(run: StudyRun, starts: Mapping[tuple[str, int], float]) -> float | None:
    """What a run gained over the starting prompt of its task; None where a score is missing."""
    start = starts.get((run.task, run.seed))
    return None if run.test_score is None or start is None else run.test_score - start


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


# --- tokens ----------------------------------------------------------------------------------------------------------


def search_tokens(run: StudyRun, steps: int) -> float | None:
    """Tokens of so many steps at the run's mean pace, with the scoring of the starting prompt; None without a step."""
    if run.steps < 1 or len(run.curve) <= run.steps:
        return None
    # What an initialization proposed is a point of its own, before the first step.
    start, end = run.curve[-1 - run.steps].tokens, run.curve[-1].tokens
    return start + steps * (end - start) / run.steps


def _optimizer_tokens(run: StudyRun, steps: int) -> float | None:
    return steps * run.used["optimizer"].tokens / run.steps if run.steps >= 1 and "optimizer" in run.used else None


def _token_use(
    study: StudyRecord, by_cell: Mapping[str, Sequence[StudyRun]], target: float | None
) -> tuple[TokenUse, ...]:
    searching = [cell for cell in study.cells if cell.recipe is not None]

    def measured(label: str, count: Callable[[StudyRun, int], float | None]) -> dict[int, float]:
        return by_seed(study, by_cell[label], lambda run: count(run, study.same_steps[run.task]))

    every = {cell.label: measured(cell.label, search_tokens) for cell in searching}
    optimizer = {cell.label: measured(cell.label, _optimizer_tokens) for cell in searching}
    found = []
    for cell in searching:
        label = cell.label
        ratio = _ratio(every[label], every[study.reference])
        if ratio is None:
            continue
        found.append(
            TokenUse(
                label=label,
                tokens=_mean(list(every[label].values())),
                optimizer_tokens=_mean(list(optimizer[label].values())),
                ratio=ratio,
                optimizer_ratio=_ratio(optimizer[label], optimizer[study.reference]),
                claim=cell.token_claim,
                to_target=None if target is None else _tokens_to(by_cell[label], target),
            )
        )
    return tuple(found)


def _ratio(tokens: Mapping[int, float], reference: Mapping[int, float]) -> Mean | None:
    return mean_of([tokens[seed] / reference[seed] for seed in sorted(tokens) if reference.get(seed)])


# --- curves ----------------------------------------------------------------------------------------------------------


def mean_curve(runs: Sequence[StudyRun], *, quality: bool = False) -> list[tuple[float, float]]:
    """Tokens and the mean score of the best prompt found by then, over the finished runs.

    Before its first point a run has the score of its starting prompt, after its last one the score it ended with.
    ``quality``: true quality in place of the dev score.
    """
    curves = []
    for run in runs:
        points = [(point.tokens, point.quality if quality else point.dev_score) for point in run.curve]
        known = [(tokens, score) for tokens, score in points if score is not None]
        if run.status == "finished" and known:
            curves.append(known)
    if not curves:
        return []
    first, last = min(curve[0][0] for curve in curves), max(curve[-1][0] for curve in curves)
    places = [first + (last - first) * number / (POINTS - 1) for number in range(POINTS)] if last > first else [first]
    return [(place, _mean([_at(curve, place) for curve in curves])) for place in places]


def _at(curve: Sequence[tuple[int, float]], tokens: float) -> float:
    # Half a token of slack: the last place may come out a rounding error below the last point.
    return next((score for used, score in reversed(curve) if used <= tokens + 0.5), curve[0][1])


def _target(reference: Sequence[StudyRun]) -> float | None:
    curve = mean_curve(reference)
    if not curve or curve[-1][1] <= curve[0][1]:
        return None
    return curve[0][1] + TARGET_SHARE * (curve[-1][1] - curve[0][1])


def _tokens_to(runs: Sequence[StudyRun], target: float) -> int | None:
    return next((round(tokens) for tokens, score in mean_curve(runs) if score >= target - ROUNDING), None)
