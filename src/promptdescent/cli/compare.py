"""The command ``compare``: runs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.drawing import boxed, terminal, text
from promptdescent.cli.flags import DEFAULT_STORE, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.errors import ConfigError
from promptdescent.report.columns import columns
from promptdescent.report.comparing import ComparedRun, PairCompared, RunsCompared, compare_runs
from promptdescent.report.numbers import dollars
from promptdescent.report.tables import as_csv
from promptdescent.report.text import duration, one_line, printable
from promptdescent.verdict.words import gain_text, p_value_words, spread_text, written

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST_SETTING = 60
"""Characters of a setting that are shown."""

Row = tuple[str, ...]


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Beginnings of the ids, or latest.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="One line per run, for a table calculation.")] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Compare runs side by side."""
    if as_json and csv:
        raise ConfigError("--json and --csv: give one of them")
    with opened_store(store, must_exist=True) as opened:
        compared = compare_runs(opened, runs)
    if as_json:
        output.result(json.dumps(asdict(compared), indent=2))
    elif csv:
        output.result(printable(_csv(compared).rstrip("\n")))
    elif console := terminal():
        _draw(console, compared)
    else:
        output.result(_plain(compared))


# --- what is said ----------------------------------------------------------------------------------------------------


def _facts(compared: RunsCompared) -> list[Row]:
    """One row per fact, one cell per run."""
    said: list[tuple[str, Callable[[ComparedRun], str]]] = [
        ("status", lambda run: run.status),
        ("recipe", lambda run: run.recipe),
        ("seed", lambda run: str(run.seed)),
        ("tags", lambda run: " ".join(run.tags)),
        *(
            (f"{role} model", _model(role))
            for role in dict.fromkeys(role for run in compared.runs for role in run.models)
        ),
        ("dev score", _dev),
        ("test score", _test),
        ("gain", _gain),
        ("steps", lambda run: f"{run.steps} of {run.total_steps}" if run.total_steps else ""),
        ("calls used", lambda run: f"{run.calls:,}"),
        ("tokens used", lambda run: f"{run.tokens:,}"),
        ("US dollars used", lambda run: dollars(run.money)),
        ("time", lambda run: duration(run.seconds)),
        ("words changed", lambda run: f"{run.distance:,}"),
    ]
    rows = [(name, *(one_line(say(run)) or "-" for run in compared.runs)) for name, say in said]
    return [row for row in rows if set(row[1:]) != {"-"}]


def _model(role: str) -> Callable[[ComparedRun], str]:
    return lambda run: run.models.get(role, "")


def _dev(run: ComparedRun) -> str:
    if run.dev_score is None:
        return ""
    start = [] if run.start_dev_score is None else [run.start_dev_score]
    score, _, _ = written([run.dev_score, *start])
    return f"{score(start[0]) if start else '-'} to {score(run.dev_score)} on {run.dev_rows:,} rows"


def _test(run: ComparedRun) -> str:
    if run.test is None:
        return ""
    score, interval = run.test.score, run.test.interval
    said = written([score])[0](score) if interval is None else spread_text(score, interval)
    what = "" if run.test.objective == "mean" else f"{run.test.objective} "
    return f"{what}{said} on {run.test.rows:,} rows"


def _gain(run: ComparedRun) -> str:
    if run.test is None or run.test.gain is None or run.test.gain_interval is None:
        return ""
    return f"{gain_text(run.test.gain, run.test.gain_interval)}, {'shown' if run.test.gain_shown else 'not shown'}"


def _settings(compared: RunsCompared) -> list[Row]:
    return [(setting.name, *map(_short, setting.values)) for setting in compared.settings]


def _short(value: str) -> str:
    line = one_line(value) or "-"
    return line if len(line) <= _LONGEST_SETTING else line[: _LONGEST_SETTING - 1] + "…"


def _on_the_same_rows(compared: RunsCompared) -> list[str]:
    """What is known of every two found prompts, row by row."""
    return [printable(line) for line in (*map(_pair, compared.pairs), *compared.notes)]


def _pair(pair: PairCompared) -> str:
    if pair.why_not:
        return f"The prompts of {pair.first} and {pair.second} cannot be compared row by row: {pair.why_not}."
    _, gap, unit = written(map(abs, (pair.difference, *pair.interval)))
    low, high = map(gap, pair.interval)
    evidence = (
        f"{gap(pair.difference)}{unit} (95 % interval {low} to {high}, {p_value_words(pair.p_value)}, {pair.test} "
        f"test on the same {pair.rows:,} test rows)"
    )
    claim = f"the prompt of {pair.better} is better" if pair.better else "neither is shown to be better"
    return f"From the prompt of {pair.first} to that of {pair.second}: {evidence}; {claim}."


def _more(compared: RunsCompared) -> str:
    first, second = compared.runs[0].id, compared.runs[1].id
    return f"Word by word: promptdescent diff {first} {second}"


# --- how it is shown -------------------------------------------------------------------------------------------------


def _plain(compared: RunsCompared) -> str:
    head = ("", *(run.id for run in compared.runs))
    sections = [columns(head, _facts(compared), terminal=False)]
    if settings := _settings(compared):
        sections.append(columns(("settings that differ", *head[1:]), settings, terminal=False))
    sections.append("\n".join(_on_the_same_rows(compared)))
    for run in compared.runs:
        body = "\n".join(f"  {line}" for line in printable(run.prompt).splitlines() or [""])
        sections.append(f"Prompt of {run.id}:\n{body}")
    return "\n\n".join([*sections, _more(compared)])


def _draw(console: Console, compared: RunsCompared) -> None:
    ids = [run.id for run in compared.runs]
    _draw_table(console, ("", *ids), _facts(compared), bold=("test score", "gain"))
    if settings := _settings(compared):
        console.print()
        _draw_table(console, ("settings that differ", *ids), settings)
    console.print()
    for line, pair in zip(_on_the_same_rows(compared), [*compared.pairs, *([None] * len(compared.notes))], strict=True):
        console.print(text(line, "bold" if pair is not None and pair.better else "" if pair is not None else "dim"))
    console.print()
    for run in compared.runs:
        console.print(boxed(text(run.prompt), f"prompt of {run.id}"))
    console.print(text(_more(compared), "dim"))


def _draw_table(console: Console, head: Sequence[str], rows: Sequence[Row], *, bold: Sequence[str] = ()) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, name in enumerate(head):
        table.add_column(text(name), overflow="fold", style="" if place else "dim", no_wrap=not place)
    for row in rows:
        table.add_row(*map(text, row), style="bold" if row[0] in bold else None)
    console.print(table)


_CSV_HEADER = (
    *("run", "created", "status", "recipe", "seed", "tags", "task_model", "optimizer_model", "judge_model"),
    *("start_dev_score", "dev_score", "test_score", "test_low", "test_high"),
    *("gain", "gain_low", "gain_high", "gain_shown"),
    *("steps", "calls", "tokens", "money", "seconds", "words_changed", "prompt"),
)


def _csv(compared: RunsCompared) -> str:
    return as_csv(_CSV_HEADER, [_csv_row(run) for run in compared.runs])


def _csv_row(run: ComparedRun) -> list[object]:
    test = run.test
    interval = (test and test.interval) or ("", "")
    gain = (test and test.gain_interval) or ("", "")
    return [
        run.id,
        run.created,
        run.status,
        run.recipe,
        run.seed,
        " ".join(run.tags),
        *(run.models.get(role, "") for role in ("task", "optimizer", "judge")),
        run.start_dev_score,
        run.dev_score,
        test and test.score,
        *interval,
        test and test.gain,
        *gain,
        test and test.gain_shown,
        run.steps,
        run.calls,
        run.tokens,
        run.money,
        round(run.seconds, 3),
        run.distance,
        run.prompt,
    ]
