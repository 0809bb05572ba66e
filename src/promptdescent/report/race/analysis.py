"""What a race shows: means over seeds, and the differences from one contestant that are more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from promptdescent.records import ROLES, Role
from promptdescent.report.race.record import RaceContestant, RaceRecord, RaceRun
from promptdescent.report.study.analysis import LEAST_SEEDS, LEVEL, ROUNDING, Mean, mean_of
from promptdescent.stats import holm, paired_t_test

Value = Callable[[RaceRun], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A contestant compared with the reference, over the seeds that both finished on every task."""

    seeds: int
    mean: Mean
    """Of the score in our layout, contestant minus reference; its interval is not corrected."""
    p_value: float | None = None
    """Two-sided, of the paired t-test; None with one seed."""
    adjusted_p_value: float | None = None
    """After Holm's correction for the number of contestants that are compared."""

    @property
    def real(self) -> bool:
        """Whether it is more than chance, as far as can be told at 5 %."""
        return self.seeds >= LEAST_SEEDS and self.adjusted_p_value is not None and self.adjusted_p_value < LEVEL


@dataclass(frozen=True, kw_only=True, slots=True)
class ContestantSummary:
    """A contestant over all seeds. A seed counts if it finished on every task; its value is the mean over tasks."""

    label: str
    seeds: int
    holes: int
    """Searches without a result."""
    cut: int
    """Searches that the limit on time ended."""
    score: Mean | None
    """On the test rows, in our layout."""
    own_score: Mean | None
    """The same in its own layout."""
    by_task: Mapping[str, float]
    """Score in our layout, mean over the seeds that finished the task."""
    difference: Difference | None
    """None for the reference itself, and where no seed is shared."""
    tokens: Mapping[Role, float]
    """Mean per search."""
    shares: Mapping[Role, float]
    """Of the caps, mean per search."""
    calls: float
    """Mean per search."""
    candidates: float
    """Prompts scored on the dev rows, mean per search."""
    seconds: float
    """Mean per search."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceAnalysis:
    """All that a race shows, in the order of its contestants."""

    contestants: tuple[ContestantSummary, ...]

    def above(self, *, real: bool = False) -> tuple[ContestantSummary, ...]:
        """Those whose mean is above the reference's, the farthest first; only those that are more than chance."""
        return self._beside(1, real=real)

    def below(self, *, real: bool = False) -> tuple[ContestantSummary, ...]:
        """Those below it, the farthest first."""
        return self._beside(-1, real=real)

    def _beside(self, sign: int, *, real: bool) -> tuple[ContestantSummary, ...]:
        found = [
            one
            for one in self.contestants
            if one.difference and sign * one.difference.mean.value > ROUNDING and (one.difference.real or not real)
        ]
        return tuple(sorted(found, key=lambda one: -abs(one.difference.mean.value) if one.difference else 0.0))


def analyse_race(race: RaceRecord) -> RaceAnalysis:
    """Sum a race up."""
    reference = _by_seed(race, _runs_of(race, race.reference), lambda run: run.test_score)
    return RaceAnalysis(
        contestants=_corrected([_summary(race, contestant, reference) for contestant in race.contestants])
    )


def _runs_of(race: RaceRecord, label: str) -> list[RaceRun]:
    return [run for run in race.runs if run.contestant == label]


def _summary(race: RaceRecord, contestant: RaceContestant, reference: Mapping[int, float]) -> ContestantSummary:
    runs = _runs_of(race, contestant.label)
    finished = [run for run in runs if run.status == "finished"]
    scores = _by_seed(race, runs, lambda run: run.test_score)
    own = _by_seed(race, runs, lambda run: run.own_score)
    roles = [role for role in ROLES if role in race.caps and any(run.tokens(role) for run in finished)]
    tokens = {role: _mean([run.tokens(role) for run in finished]) for role in roles}
    return ContestantSummary(
        label=contestant.label,
        seeds=len(scores),
        holes=len(runs) - len(finished),
        cut=sum(run.ended == "time" for run in finished),
        score=mean_of(list(scores.values())),
        own_score=mean_of(list(own.values())),
        by_task=_by_task(race, finished),
        difference=None if contestant.label == race.reference else _difference(scores, reference),
        tokens=tokens,
        shares={role: used / race.caps[role] for role, used in tokens.items()},
        calls=_mean([run.calls for run in finished]),
        candidates=_mean([run.candidates for run in finished]),
        seconds=_mean([run.seconds for run in finished]),
    )


def _by_seed(race: RaceRecord, runs: Sequence[RaceRun], value: Value) -> dict[int, float]:
    """The mean over tasks, for the seeds that have a value on every task."""
    found: dict[int, list[float]] = {}
    for run in runs:
        measured = value(run) if run.status == "finished" else None
        if measured is not None:
            found.setdefault(run.seed, []).append(measured)
    return {seed: _mean(values) for seed, values in sorted(found.items()) if len(values) == len(race.tasks)}


def _by_task(race: RaceRecord, finished: Sequence[RaceRun]) -> dict[str, float]:
    scores = {
        task: [run.test_score for run in finished if run.task == task and run.test_score is not None]
        for task in race.tasks
    }
    return {task: _mean(values) for task, values in scores.items() if values}


def _difference(scores: Mapping[int, float], reference: Mapping[int, float]) -> Difference | None:
    values = [scores[seed] - reference[seed] for seed in scores if seed in reference]
    mean = mean_of(values)
    if mean is None:
        return None
    return Difference(seeds=len(values), mean=mean, p_value=paired_t_test(values) if len(values) > 1 else None)


def _corrected(summaries: Sequence[ContestantSummary]) -> tuple[ContestantSummary, ...]:
    """With p-values that are corrected for the number of comparisons."""
    p_values: dict[str, float] = {}
    for one in summaries:
        if one.difference and one.difference.p_value is not None:
            p_values[one.label] = one.difference.p_value
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(
        replace(one, difference=replace(one.difference, adjusted_p_value=adjusted[one.label]))
        if one.difference and one.label in adjusted
        else one
        for one in summaries
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
