"""A study as tables, in one form for terminal, Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptdescent.records import ROLES, Role, Usage
from promptdescent.report.study.analysis import LEAST_SEEDS, LEVEL, NEAR, Analysis, CellSummary, Mean, TokenUse
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.tables import Table, count, markdown, p_text, signed
from promptdescent.report.tables import as_csv as csv_of
from promptdescent.report.tables import as_markdown as table_as_markdown
from promptdescent.report.text import duration, one_line
from promptdescent.stats import GroupDifference

MOST_NAMED = 20
"""Real differences that are listed one by one."""


def tables(study: StudyRecord, analysis: Analysis) -> tuple[Table, ...]:
    """Scores with their differences, costs, tokens for the same steps, and runs without a result if there are any."""
    made = [_scores(study, analysis), _costs(study, analysis)]
    if analysis.token_use:
        made.append(_token_use(study, analysis))
    if study.failed:
        made.append(_failures(study))
    return tuple(made)


def headline(study: StudyRecord) -> str:
    """What was run, in one paragraph."""
    searches = sum(cell.recipe is not None for cell in study.cells)
    models = ", ".join(f"{role} model {name}" for role, name in study.models.items())
    caps = [budget for budget in study.budgets if budget.max_tokens is not None]
    said = [
        f"Study {study.grid}: {searches} recipes and {len(study.cells) - searches} prompts without a search, "
        f"{count(len(study.tasks), 'task')} ({', '.join(study.tasks)}), {count(len(study.seeds), 'seed')}; {models}."
    ]
    if study.equal == "tokens":
        said += [
            f"Every search on {budget.task} may use {budget.max_tokens:,} tokens, the test rows included."
            for budget in caps
        ]
    else:
        said += [f"Every search on {task} takes {count(steps, 'step')}." for task, steps in study.same_steps.items()]
    if study.simulated:
        said.append(
            "The task model is SIMULATED: calls, tokens and failures are what they are, but scores say nothing of real "
            "tasks, and no method is better on real tasks because it is better here."
        )
    return " ".join(said)


def as_markdown(study: StudyRecord, made: Sequence[Table], *, figure: str) -> str:
    """The whole study; ``figure`` is the name of the drawing beside it."""
    parts = [f"# Study: {markdown(study.grid)}", markdown(headline(study)), *map(table_as_markdown, made)]
    parts.append(f"![Score of the best prompt so far against tokens]({figure})")
    return "\n\n".join(parts) + "\n"


def as_csv(study: StudyRecord) -> str:
    """One line per run, for a table calculation of one's own."""
    roles = _roles(study)
    counters = [f"{role}_{counter}" for role in roles for counter in ("calls", "tokens_in", "tokens_out")]
    scores = ("test_score", "start_test_score", "dev_score", "true_quality_simulated")
    last = ("seconds", "run", "ended_because", "reason", "prompt")
    rows = []
    for run in study.runs:
        used = [run.used.get(role, Usage()) for role in roles]
        counts = [number for one in used for number in (one.calls, one.tokens_in, one.tokens_out)]
        measured = (run.test_score, run.start_test_score, run.dev_score, run.quality, run.steps, *counts)
        said = (f"{run.seconds:.2f}", run.run, run.ended_because, run.reason, run.prompt)
        rows.append((run.cell, run.task, run.seed, run.status, *measured, *said))
    return csv_of(("cell", "task", "seed", "status", *scores, "steps", *counters, *last), rows)


# --- the tables ------------------------------------------------------------------------------------------------------


def _scores(study: StudyRecord, analysis: Analysis) -> Table:
    simulated = any(cell.quality for cell in analysis.cells)
    header = ["cell", "seeds", "test score, %", "95 % interval", "gain, points"]
    header += ["true quality, % (simulated)"] * simulated
    header += [f"against {study.reference}, points", "95 % interval", "p (Holm)", "real"]
    # A function of the user's may score higher than 1, and nobody knows how high.
    bounded = all(run.test_score <= 1 for run in study.runs if run.test_score is not None)
    highest = 1.0 if bounded else math.inf
    rows = [
        (*_own_scores(cell, highest=highest, simulated=simulated), *_against_reference(study, analysis, cell.label))
        for cell in analysis.cells
    ]
    return Table(title="Scores", header=tuple(header), rows=tuple(rows), notes=_score_notes(study, analysis))


def _own_scores(cell: CellSummary, *, highest: float, simulated: bool) -> list[str]:
    around = interval(cell.score, highest=highest)
    cells = [cell.label, str(cell.seeds), percent(cell.score), around, points(cell.gain)]
    return [*cells, percent(cell.quality)] if simulated else cells


def _against_reference(study: StudyRecord, analysis: Analysis, label: str) -> list[str]:
    found = next((one for one in analysis.differences if {one.first, one.second} == {label, study.reference}), None)
    if found is None:
        return ["", "", "", ""]
    sign = 1 if found.second == label else -1
    around = found.difference.interval
    ends = sorted((100 * sign * around.low, 100 * sign * around.high))
    return [
        signed(100 * sign * found.difference.mean),
        f"{signed(ends[0])} to {signed(ends[1])}",
        p_text(found.adjusted_p_value),
        "yes" if analysis.real(found) else "no",
    ]


def _score_notes(study: StudyRecord, analysis: Analysis) -> tuple[str, ...]:
    notes = [
        "Test score: mean over seeds, of the mean over tasks. Gain: over the starting prompt of the task. "
        "Intervals are Student's t over seeds."
    ]
    pairs = len(analysis.differences)
    if not pairs:
        return (*notes, "No differences: at least two seeds must finish in every cell.")
    real = [one for one in analysis.differences if analysis.real(one)]
    notes.append(
        f"Differences are paired over the {analysis.compared_seeds} seeds that every cell finished; p is that of the "
        f"paired t-test, corrected by Holm for all {pairs} pairs of cells. Real: below {LEVEL:g}."
    )
    if analysis.compared_seeds < LEAST_SEEDS:
        notes.append(f"With fewer than {LEAST_SEEDS} seeds no difference is called real.")
    else:
        notes.append(named_differences(real, pairs))
    return tuple(notes)


def named_differences(real: Sequence[GroupDifference], pairs: int) -> str:
    """The real ones of so many differences, the largest first."""
    if not real:
        return f"Of the {pairs} differences none is real."
    largest_first = sorted(real, key=lambda one: -abs(one.difference.mean))
    listed = [_sentence(one) for one in largest_first[:MOST_NAMED]]
    more = f"; and {len(real) - MOST_NAMED} smaller ones" if len(real) > MOST_NAMED else ""
    return f"Of the {pairs} differences {len(real)} are real: {'; '.join(listed)}{more}."


def _sentence(found: GroupDifference) -> str:
    mean = found.difference.mean
    better, worse = (found.second, found.first) if mean > 0 else (found.first, found.second)
    return f"{better} over {worse} by {100 * abs(mean):.1f}"


def _costs(study: StudyRecord, analysis: Analysis) -> Table:
    roles = _roles(study)
    header = ["cell", "steps", *(f"{role} calls" for role in roles), *(f"{role} tokens" for role in roles)]
    header += ["all tokens", "share of the cap", "time"]
    caps = [budget.max_tokens for budget in study.budgets if budget.max_tokens is not None]
    cap = sum(caps) / len(caps) if caps else None
    rows = []
    for cell in analysis.cells:
        tokens = sum(cell.tokens.values())
        calls = [f"{cell.calls.get(role, 0):,.0f}" for role in roles]
        by_role = [f"{cell.tokens.get(role, 0):,.0f}" for role in roles]
        share = f"{100 * tokens / cap:.0f} %" if cap else ""
        row = (cell.label, f"{cell.steps:.1f}", *calls, *by_role, f"{tokens:,.0f}", share, duration(cell.seconds))
        rows.append(row)
    notes = ("Means per run. Used: each distinct request once, as if the cache had been empty; test rows included.",)
    return Table(title="Costs", header=tuple(header), rows=tuple(rows), notes=notes)


def _token_use(study: StudyRecord, analysis: Analysis) -> Table:
    steps = ", ".join(dict.fromkeys(str(steps) for steps in study.same_steps.values()))
    reference = study.reference
    target = analysis.target
    claims = any(one.claim for one in analysis.token_use)
    times = (f"x {reference}", "95 % interval")
    header = ["cell", "tokens", *times, "optimizer tokens", *times]
    header += ["paper says", "all tokens", "optimizer's"] if claims else []
    header += [] if target is None else [f"tokens to dev score {target:.3f}"]
    rows = [tuple(_token_row(one, target=target, claims=claims)) for one in analysis.token_use]
    notes = [
        f"Tokens that a search uses for {steps} steps, by what its own steps used on average, without the test rows."
    ]
    if claims:
        notes.append(
            "The paper says that GPO uses far fewer tokens than SGDM, APO and PE2, and about as many as APE and OPRO, "
            f"without a factor. Here the first is confirmed if a method uses at least {NEAR:g} times as many, the "
            f"second up to a factor of {NEAR:g} both ways."
        )
    if target is not None:
        notes.append(
            "The last column: tokens until the mean curve of the cell's runs has come nine tenths of the way from the "
            f"starting prompt's dev score to the one {reference} ends with."
        )
    return Table(title="Tokens for the same steps", header=tuple(header), rows=tuple(rows), notes=tuple(notes))


def _token_row(use: TokenUse, *, target: float | None, claims: bool) -> list[str]:
    words = {None: "", True: "confirmed", False: "refuted"}
    optimizer = use.optimizer_ratio
    row = [use.label, f"{use.tokens:,.0f}", f"{use.ratio.value:.2f}", _factors(use.ratio)]
    row += [f"{use.optimizer_tokens:,.0f}", f"{optimizer.value:.2f}" if optimizer else "", _factors(optimizer)]
    row += [use.claim or "", words[use.confirmed], words[use.optimizer_confirmed]] if claims else []
    if target is not None:
        row.append("not reached" if use.to_target is None else f"{use.to_target:,}")
    return row


def _failures(study: StudyRecord) -> Table:
    rows = tuple((run.cell, run.task, str(run.seed), run.status, one_line(run.reason)) for run in study.failed)
    return Table(
        title="Runs without a result",
        header=("cell", "task", "seed", "status", "reason"),
        rows=rows,
        notes=("They are left out above. The same command tries them again, which helps where no cap is the reason.",),
    )


# --- numbers as text -------------------------------------------------------------------------------------------------


def percent(mean: Mean | None) -> str:
    """A mean in percent; empty without one."""
    return "" if mean is None else f"{100 * mean.value:.1f}"


def points(mean: Mean | None) -> str:
    """A mean as points with their sign; empty without one."""
    return "" if mean is None else signed(100 * mean.value)


def interval(mean: Mean | None, *, highest: float = 1.0) -> str:
    """The interval of a mean score in percent, from 0 to the ``highest`` that there can be: Student's t knows of no
    bounds. Empty where there is none.
    """
    if mean is None or mean.estimate is None:
        return ""
    ends = mean.estimate.interval
    return f"{100 * max(0.0, ends.low):.1f} to {100 * min(highest, ends.high):.1f}"


def _factors(mean: Mean | None) -> str:
    if mean is None or mean.estimate is None:
        return ""
    return f"{mean.estimate.interval.low:.2f} to {mean.estimate.interval.high:.2f}"


def _roles(study: StudyRecord) -> list[Role]:
    return [role for role in ROLES if any(role in run.used for run in study.runs)]
