"""A bench as tables, in one form for terminal, Markdown and LaTeX, and as lines for a table calculation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptdescent.records import ROLES, Role, Usage
from promptdescent.report.bench.analysis import BenchAnalysis, League, LeagueRow, TaskScore
from promptdescent.report.bench.record import BenchHole, BenchLeak, BenchRecord
from promptdescent.report.latex import NEEDED, as_latex
from promptdescent.report.numbers import dollars
from promptdescent.report.study.analysis import LEAST_SEEDS, LEVEL, Mean, gain_of, starting_scores
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.study.tables import interval, named_differences, percent, points
from promptdescent.report.tables import Table, as_csv, as_markdown, count, markdown, p_text, signed
from promptdescent.report.text import duration, one_line
from promptdescent.text import first_few

MOST_LEAKS = 5
"""Of each kind that are listed."""

LONGEST_EXCERPT = 80
"""Characters of an excerpt that are shown."""

INCOMPLETE = "*"
"""Stands after the score of a cell of which runs have no result."""

WITHOUT = "-"


def bench_tables(bench: BenchRecord, analysis: BenchAnalysis) -> tuple[Table, ...]:
    """For each task model the league, the differences from the reference and the scores by task; the league over all
    models; then what is missing, and leaks, where there are any.
    """
    made = []
    for league in analysis.leagues:
        made += [league_table(bench, league), _differences(league), task_table(league)]
    if analysis.overall:
        made += [league_table(bench, analysis.overall), _differences(analysis.overall)]
    if left_out := _all_left_out(bench, analysis):
        made.append(_left_out(left_out))
    if any(league.incomplete for league in analysis.leagues):
        made.append(_without_result(analysis))
    if bench.leaks:
        made.append(_leaks(bench))
    return tuple(made)


def bench_headline(bench: BenchRecord, analysis: BenchAnalysis) -> str:
    """What was run, in one paragraph."""
    studies = list(bench.studies.items())
    cells = {cell.label: cell.recipe is not None for _, study in studies for cell in study.cells}
    seeds = max((len(study.seeds) for _, study in studies), default=0)
    tasks = dict.fromkeys(task for league in analysis.leagues for task in league.tasks)
    said = [
        f"Bench on {bench.title}: {count(sum(cells.values()), 'recipe')} and "
        f"{count(len(cells) - sum(cells.values()), 'prompt')} without a search, {count(len(tasks), 'task')} with a "
        f"result, {count(seeds, 'seed')}.",
        *([f"Task models: {', '.join(map(_models, bench.studies.values()))}."] if bench.studies else []),
        *_means(bench),
    ]
    if bench.splits == "fixed":
        said.append("All seeds see the same rows, so that intervals speak of the search alone and not of other rows.")
    else:
        said.append("Each seed draws its own rows, so that intervals speak of the search and of the rows.")
    if simulated := [league.model for league in analysis.leagues if league.simulated]:
        said.append(
            f"SIMULATED: {', '.join(simulated)}. Calls, tokens and failures are what they are, but scores say nothing "
            "of real tasks, and no method is better on real tasks because it is better here."
        )
    if not studies:
        said.append("No model has a result.")
    return " ".join([*said, _leak_sentence(bench), *bench.notes])


def bench_as_markdown(
    bench: BenchRecord, analysis: BenchAnalysis, made: Sequence[Table], *, figures: Mapping[str, str]
) -> str:
    """The whole bench; ``figures``: title by name of the drawing beside it."""
    parts = [f"# Bench: {markdown(bench.title)}", markdown(bench_headline(bench, analysis)), *map(as_markdown, made)]
    if figures:
        parts.append("## Figures")
    parts += [f"![{markdown(title)}]({name})" for name, title in figures.items()]
    return "\n\n".join(parts) + "\n"


def bench_as_latex(bench: BenchRecord, analysis: BenchAnalysis) -> str:
    """The leagues and the scores by task, for ``\\input``."""
    parts = [NEEDED]
    for number, league in enumerate(analysis.leagues, start=1):
        parts.append(as_latex(league_table(bench, league), label=f"tab:bench-league-{number}"))
        parts.append(as_latex(task_table(league), label=f"tab:bench-tasks-{number}"))
    if analysis.overall:
        parts.append(as_latex(league_table(bench, analysis.overall), label="tab:bench-league"))
    return "\n".join(parts)


def bench_as_csv(bench: BenchRecord) -> str:
    """One line per run, for a table calculation of one's own. Money is in US dollars, empty where a price is not known.

    A task that could not take part has no line.
    """
    roles = [role for role in ROLES if any(role in run.used for one in bench.studies.values() for run in one.runs)]
    counters = [f"{role}_{counter}" for role in roles for counter in ("calls", "tokens_in", "tokens_out")]
    scores = ("test_score", "start_test_score", "gain", "dev_score", "true_quality_simulated")
    last = ("money", "seconds", "run", "ended_because", "prompt")
    first = ("model", "simulated", "task", "cell", "seed", "status", "reason")
    rows = []
    for model, study in bench.studies.items():
        starts = starting_scores(study)
        for run in study.runs:
            used = [run.used.get(role, Usage()) for role in roles]
            counts = [number for one in used for number in (one.calls, one.tokens_in, one.tokens_out)]
            measured = (run.test_score, run.start_test_score, gain_of(run, starts), run.dev_score, run.quality)
            what = (model, study.simulated, run.task, run.cell, run.seed, run.status, run.reason)
            said = (run.money, f"{run.seconds:.2f}", run.run, run.ended_because, run.prompt)
            rows.append((*what, *measured, run.steps, *counts, *said))
    return as_csv((*first, *scores, "steps", *counters, *last), rows)


# --- league ----------------------------------------------------------------------------------------------------------


def league_table(bench: BenchRecord, league: League) -> Table:
    """The cells of a league, the best first."""
    roles = _roles(league)
    quality = any(row.quality for row in league.rows)
    header = ["cell", "seeds", "test score, %", "95 % interval", f"wins of {league.pairs}", "gain, points"]
    header += ["true quality, % (simulated)"] * quality
    header += [f"against {league.reference}", "p (Holm)", "steps", *(f"{role} tokens" for role in roles)]
    header += ["US dollars", "time"]
    header += ["missing"] * bool(league.incomplete)
    rows = []
    for row in league.rows:
        cells = [
            row.label,
            str(row.seeds),
            _marked(row),
            interval(row.score),
            f"{round(row.wins, 1):g}",
            points(row.gain),
        ]
        cells += [percent(row.quality)] * quality
        cells += (
            [points(row.difference.points), p_text(row.difference.adjusted_p_value)] if row.difference else ["", ""]
        )
        if row.score is None:
            cells += ["", *("" for _ in roles), "", ""]
        else:
            cells += [f"{row.steps:.1f}", *(f"{row.tokens.get(role, 0):,.0f}" for role in roles)]
            cells += [dollars(row.money), duration(row.seconds)]
        rows.append((*cells, *([_missing(row)] * bool(league.incomplete))))
    return Table(
        title=f"League{_of(league)}", header=tuple(header), rows=tuple(rows), notes=tuple(_league_notes(bench, league))
    )


def _marked(row: LeagueRow) -> str:
    if row.score is None:
        return WITHOUT
    return percent(row.score) + (f" {INCOMPLETE}" if row.missing else "")


def _missing(row: LeagueRow) -> str:
    if not row.missing:
        return ""
    return f"{count(sum(row.missing.values()), 'run')} on {count(len(row.missing), 'task')}"


def _of(league: League) -> str:
    """The part of a title that says which league it is."""
    named = f" with {league.model}" if league.model else " over all models"
    return named + (" (simulated)" if league.simulated else "")


def _league_notes(bench: BenchRecord, league: League) -> list[str]:
    over = "mean over seeds, of the mean over tasks" + ("" if league.model else " and models")
    rows = "the rows are the same for all seeds" if bench.splits == "fixed" else "each seed draws its own rows"
    notes = [
        f"Test score: {over}. Intervals are Student's t over seeds; {rows}. Gain: over the starting prompt. Steps, "
        "tokens, US dollars and time: mean per run, the test rows included; each distinct request counts once.",
        "Wins: pairs of task and seed on which the cell has the best test score; cells that share it share the win.",
    ]
    if league.left_out:
        names = first_few(list(dict.fromkeys(hole.task for hole in league.left_out)))
        notes.append(f"Over {count(len(league.tasks), 'task')}; left out: {names}.")
    if league.incomplete:
        notes.append(
            f"{INCOMPLETE} Runs without a result, counted in the last column. The score is that of the seeds with all "
            "tasks, or, below those that have such a seed, of what there is; a pair without a result is no win."
        )
    return notes


# --- differences -----------------------------------------------------------------------------------------------------


def _differences(league: League) -> Table:
    header = ("cell", f"against {league.reference}, points", "95 % interval", "p", "p (Holm)", "real")
    rows = []
    for row in league.rows:
        if (one := row.difference) is None:
            continue
        p_values = (p_text(one.p_value), p_text(one.adjusted_p_value))
        rows.append((row.label, points(one.points), _ends(one.points), *p_values, "yes" if one.real else "no"))
    return Table(
        title=f"Differences from {league.reference}{_of(league)}",
        header=header,
        rows=tuple(rows),
        notes=tuple(_difference_notes(league)),
    )


def _difference_notes(league: League) -> list[str]:
    others = [label for label in league.cells if label not in league.compared]
    if not league.differences:
        return [f"Nothing can be compared: that takes two seeds that {league.reference} and another cell finished."]
    pairs = len(league.differences)
    notes = [
        f"Paired over {count(league.compared_seeds, 'seed')}; p is that of the paired t-test, corrected by Holm for "
        f"{count(pairs, 'pair')} of compared cells. Real: below {LEVEL:g}."
    ]
    if others:
        notes.append(f"Not compared, since runs without a result leave them fewer tasks or seeds: {', '.join(others)}.")
    if league.compared_seeds < LEAST_SEEDS:
        notes.append(f"With fewer than {LEAST_SEEDS} seeds no difference is called real.")
    else:
        notes.append(named_differences(league.real, pairs))
    return notes


def _ends(mean: Mean) -> str:
    if mean.estimate is None:
        return ""
    return f"{signed(100 * mean.estimate.interval.low)} to {signed(100 * mean.estimate.interval.high)}"


# --- by task ---------------------------------------------------------------------------------------------------------


def task_table(league: League) -> Table:
    """Test scores by task and cell, with marks for what is missing and the reasons below."""
    found = {(one.task, one.label): one for one in league.by_task}
    reasons: dict[str, int] = {}
    rows = [(task, *(_task_score(found[task, label], reasons) for label in league.cells)) for task in league.tasks]
    for hole in league.left_out:
        mark = f"[{reasons.setdefault(one_line(hole.reason), len(reasons) + 1)}]"
        rows.append((hole.task, *(f"{WITHOUT} {mark}" for _ in league.cells)))
    notes = [
        "Test score, %, mean over the seeds that have a result; ±: half of the 95 % interval, Student's t; in "
        "brackets: that interval, cut where scores end."
    ]
    notes += [f"[{number}] {reason}" for reason, number in reasons.items()]
    return Table(
        title=f"Scores by task{_of(league)}", header=("task", *league.cells), rows=tuple(rows), notes=tuple(notes)
    )


def _task_score(one: TaskScore, reasons: dict[str, int]) -> str:
    marks = [f"[{reasons.setdefault(one_line(reason), len(reasons) + 1)}]" for reason in one.reasons]
    if one.score is None:
        shown = WITHOUT
    elif one.score.estimate is None:
        shown = percent(one.score)
    else:
        ends = one.score.estimate.interval
        inside = ends.low >= 0 and ends.high <= 1
        around = f"±{50 * (ends.high - ends.low):.1f}" if inside else f"({interval(one.score)})"
        shown = f"{percent(one.score)} {around}"
    return " ".join([shown, *marks])


# --- what is missing -------------------------------------------------------------------------------------------------


def _all_left_out(bench: BenchRecord, analysis: BenchAnalysis) -> tuple[BenchHole, ...]:
    """Holes of the bench, and tasks on which no run of a model has a result."""
    return tuple(dict.fromkeys([*bench.holes, *(hole for league in analysis.leagues for hole in league.left_out)]))


def _left_out(holes: Sequence[BenchHole]) -> Table:
    rows = tuple((hole.task, hole.model or "all", one_line(hole.reason)) for hole in holes)
    notes = ("They count in no mean. The same command tries them again.",)
    return Table(title="Tasks left out", header=("task", "model", "reason"), rows=rows, notes=notes)


def _without_result(analysis: BenchAnalysis) -> Table:
    rows = tuple(
        (one.label, one.task, league.model, ", ".join(map(str, seeds)), one_line(reason))
        for league in analysis.leagues
        for one in league.by_task
        for reason, seeds in one.reasons.items()
    )
    notes = ("The same command tries them again, which helps where no cap is the reason.",)
    return Table(
        title="Runs without a result", header=("cell", "task", "model", "seeds", "reason"), rows=rows, notes=notes
    )


# --- leaks -----------------------------------------------------------------------------------------------------------


def _leaks(bench: BenchRecord) -> Table:
    rows = []
    for kind in ("shared row", "quoted row"):
        found = [leak for leak in bench.leaks if leak.kind == kind]
        rows += [(leak.kind, leak.task, leak.where, leak.split, _excerpt(leak)) for leak in found[:MOST_LEAKS]]
    notes = [_leak_sentence(bench)]
    if len(rows) < len(bench.leaks):
        notes.append(f"Listed: the first {MOST_LEAKS} of each kind; all are in the record.")
    return Table(
        title="Leaks", header=("kind", "task", "where", "split", "excerpt"), rows=tuple(rows), notes=tuple(notes)
    )


def _excerpt(leak: BenchLeak) -> str:
    words = one_line(leak.excerpt)
    return words if len(words) <= LONGEST_EXCERPT else f"{words[:LONGEST_EXCERPT]}…"


def _leak_sentence(bench: BenchRecord) -> str:
    shared = [leak for leak in bench.leaks if leak.kind == "shared row"]
    quoted = [leak for leak in bench.leaks if leak.kind == "quoted row"]
    prompts = len({(leak.task, leak.where) for leak in quoted})
    seen = "" if bench.splits == "fixed" else " of the first seed"
    rows = f"{count(len(shared), 'row')} in more than one split{seen}" if shared else f"no row in two splits{seen}"
    quotes = f"{count(prompts, 'found prompt')} with {count(len(quoted), 'quote')} of rows"
    return f"Leaks: {rows}; {quotes if quoted else 'no found prompt that quotes a row'}."


# --- words -----------------------------------------------------------------------------------------------------------


def _means(bench: BenchRecord) -> list[str]:
    """What every search may use, and what all runs used."""
    what = "take as many steps" if bench.equal == "steps" else "use as many tokens"
    within = "" if bench.budget is None else f"; all runs together at most {bench.budget:,} tokens, in equal shares"
    runs = [run for study in bench.studies.values() for run in study.runs]
    tokens, calls = sum(run.tokens for run in runs), sum(run.calls for run in runs)
    pilots = ", pilots not counted" if bench.equal == "tokens" else ""
    return [
        f"Every search on a task may {what} as the others{within}.",
        f"{count(len(runs), 'run')} used {tokens:,} tokens in {count(calls, 'call')}{pilots}.",
    ]


def _models(study: StudyRecord) -> str:
    """The task model, with those of other roles."""
    others = [f"{role} model {study.models[role]}" for role in ROLES if role != "task" and role in study.models]
    return study.models.get("task", "") + (f" ({', '.join(others)})" if others else "")


def _roles(league: League) -> list[Role]:
    return [role for role in ROLES if any(role in row.tokens for row in league.rows)]
