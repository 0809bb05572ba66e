"""A race as tables, in one form for terminal, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence

from promptdescent.records import ROLES, Role, Usage
from promptdescent.report.race.analysis import ContestantSummary, RaceAnalysis
from promptdescent.report.race.record import RaceRecord
from promptdescent.report.study.analysis import LEAST_SEEDS, LEVEL, Mean
from promptdescent.report.tables import Table, as_csv, as_markdown, count, markdown, p_text
from promptdescent.report.text import duration, one_line


def race_tables(race: RaceRecord, analysis: RaceAnalysis) -> tuple[Table, ...]:
    """Scores with their differences, what the searches used, scores by task, and searches without a result."""
    made = [_scores(race, analysis), _costs(race, analysis)]
    if len(race.tasks) > 1:
        made.append(_by_task(race, analysis))
    if race.holes:
        made.append(_holes(race))
    return tuple(made)


def race_headline(race: RaceRecord) -> str:
    """What was raced, in one paragraph."""
    searching = sum(one.kind != "prompt" for one in race.contestants)
    models = ", ".join(f"{role} model {name}" for role, name in race.models.items())
    caps = " and ".join(f"{cap:,} tokens of the {role} model" for role, cap in race.caps.items())
    versions = dict.fromkeys(one.version for one in race.contestants if one.version)
    said = [
        f"Race on {race.suite}: {count(searching, 'contestant')}, {count(len(race.tasks), 'task')} "
        f"({', '.join(race.tasks)}), {count(len(race.seeds), 'seed')}; {models}. Every search may use {caps}, and "
        f"take {race.minutes:g} minutes; a proxy counts them for all alike."
    ]
    if versions:
        said.append(f"Other systems: {'; '.join(versions)}.")
    if race.simulated:
        said.append(
            "A model is SIMULATED: calls, tokens and failures are what they are, but scores say nothing of real tasks, "
            "and nobody is better on real tasks because of being better here."
        )
    return " ".join(said)


def race_as_markdown(race: RaceRecord, made: Sequence[Table]) -> str:
    """The whole race."""
    parts = [f"# Race: {markdown(race.suite)}", markdown(race_headline(race)), *map(as_markdown, made)]
    return "\n\n".join(parts) + "\n"


def race_as_csv(race: RaceRecord) -> str:
    """One line per search, for a table calculation of one's own."""
    roles = _roles(race)
    counters = [f"{role}_{counter}" for role in roles for counter in ("calls", "tokens_in", "tokens_out")]
    scores = ("test_score", "own_layout_test_score", "dev_score")
    last = ("candidates", "seconds", "reason", "prompt")
    header = ("contestant", "task", "seed", "status", "ended_by", "simulated", *scores, *counters, *last)
    rows = []
    for run in race.runs:
        used = [run.used.get(role, Usage()) for role in roles]
        counts = [count for one in used for count in (one.calls, one.tokens_in, one.tokens_out)]
        what = (run.contestant, run.task, run.seed, run.status, run.ended if run.status == "finished" else "")
        measured = (race.simulated, run.test_score, run.own_score, run.dev_score, *counts, run.candidates)
        rows.append((*what, *measured, f"{run.seconds:.2f}", run.reason, run.prompt))
    return as_csv(header, rows)


# --- the tables ------------------------------------------------------------------------------------------------------


def _scores(race: RaceRecord, analysis: RaceAnalysis) -> Table:
    interval = "95 % interval"
    header = ["contestant", "seeds", "test score, %", interval, "own layout, %", interval]
    header += [f"against {race.reference}, points", interval, "p (Holm)", "real", "holes"]
    rows = tuple(
        (
            one.label,
            str(one.seeds),
            *_percent(one.score),
            *_percent(one.own_score),
            *_against(one),
            str(one.holes) if one.holes else "",
        )
        for one in analysis.contestants
    )
    return Table(title="Scores", header=tuple(header), rows=rows, notes=_score_notes(race, analysis))


def _percent(mean: Mean | None) -> tuple[str, str]:
    if mean is None:
        return "", ""
    if mean.estimate is None:
        return f"{100 * mean.value:.1f}", ""
    ends = mean.estimate.interval
    return f"{100 * mean.value:.1f}", f"{100 * ends.low:.1f} to {100 * ends.high:.1f}"


def _against(one: ContestantSummary) -> tuple[str, str, str, str]:
    found = one.difference
    if found is None:
        return "", "", "", ""
    points = f"{100 * found.mean.value:+.1f}"
    if found.mean.estimate is None or found.adjusted_p_value is None:
        return points, "", "", "no"
    ends = found.mean.estimate.interval
    interval = f"{100 * ends.low:+.1f} to {100 * ends.high:+.1f}"
    return points, interval, p_text(found.adjusted_p_value), "yes" if found.real else "no"


def _score_notes(race: RaceRecord, analysis: RaceAnalysis) -> tuple[str, ...]:
    compared = [one for one in analysis.contestants if one.difference]
    notes = [
        "Test score: of the found instruction in our layout, mean over seeds of the mean over tasks. Own layout: the "
        "same prompt in the messages that its system sends, its answers read as that system reads them. Intervals are "
        "Student's t over seeds; the rows are the same for all seeds, so they say nothing of other rows.",
        f"Differences are those of the score in our layout, paired by seed; p is that of the paired t-test, corrected "
        f"by Holm for {count(len(compared), 'comparison')}. Real: below {LEVEL:g}, with at least {LEAST_SEEDS} seeds.",
        _beside(race, "Above", analysis.above(), analysis.above(real=True)),
        _beside(race, "Below", analysis.below(), analysis.below(real=True)),
    ]
    if cut := [f"{one.label} ({one.cut})" for one in analysis.contestants if one.cut]:
        notes.append(
            f"Cut off by the limit of {race.minutes:g} minutes, with the best prompt until then: {', '.join(cut)}."
        )
    if unscored := _unscored(race):
        notes.append(f"Lines without a dev score, whose prompts could not be chosen: {unscored}.")
    if race.holes:
        notes.append("A seed with a hole on any task is left out of the means; the same command tries holes again.")
    return tuple(notes)


def _unscored(race: RaceRecord) -> str:
    """How many lines of each contestant had no dev score; empty if all had one."""
    totals = {
        one.label: sum(run.unscored for run in race.runs if run.contestant == one.label) for one in race.contestants
    }
    return ", ".join(f"{label} ({total})" for label, total in totals.items() if total)


def _beside(race: RaceRecord, where: str, found: Sequence[ContestantSummary], real: Sequence[ContestantSummary]) -> str:
    if not found:
        return f"{where} {race.reference} in the mean: nobody."
    named = ", ".join(f"{one.label} by {100 * abs(one.difference.mean.value):.1f}" for one in found if one.difference)
    sure = ", ".join(one.label for one in real) if real else "none of them"
    return f"{where} {race.reference} in the mean: {named}. More than chance: {sure}."


def _costs(race: RaceRecord, analysis: RaceAnalysis) -> Table:
    roles = _roles(race)
    header = ["contestant"]
    for role in roles:
        header += [f"{role} tokens", "of the cap"]
    header += ["calls", "prompts scored", "time"]
    rows = []
    for one in analysis.contestants:
        cells = [one.label]
        for role in roles:
            cells += [f"{one.tokens.get(role, 0):,.0f}", f"{100 * one.shares.get(role, 0):.0f} %"]
        rows.append((*cells, f"{one.calls:,.0f}", f"{one.candidates:.1f}", duration(one.seconds)))
    notes = (
        "Means per search, as the proxy counted them: a reply that was known from an equal request counts as often as "
        "it was asked for. Test rows are no part of it. Prompts scored: on all dev rows, as the contestant says.",
    )
    return Table(title="Costs", header=tuple(header), rows=tuple(rows), notes=notes)


def _by_task(race: RaceRecord, analysis: RaceAnalysis) -> Table:
    rows = tuple(
        (
            one.label,
            *(f"{100 * one.by_task[task]:.1f}" if task in one.by_task else "" for task in race.tasks),
        )
        for one in analysis.contestants
    )
    notes = ("Test score in our layout, %, mean over the seeds that have a result on the task.",)
    return Table(title="Scores by task", header=("contestant", *race.tasks), rows=rows, notes=notes)


def _holes(race: RaceRecord) -> Table:
    rows = tuple((run.contestant, run.task, str(run.seed), one_line(run.reason)) for run in race.holes)
    return Table(title="Searches without a result", header=("contestant", "task", "seed", "reason"), rows=rows)


def _roles(race: RaceRecord) -> list[Role]:
    return [role for role in ROLES if role in race.caps]
