"""The command ``rows``: which rows of a run deserve a second look, and how many rows show a gain. Nothing is called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, RunArgument, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.cli.tables import show_tables
from promptdescent.errors import ConfigError
from promptdescent.explain.rows.review import review_rows, too_many
from promptdescent.explain.rows.sheet import review_csv
from promptdescent.explain.rows.verdict_rows import (
    doubtful_test_rows,
    paired_outcomes,
    suspicious_test_rows,
    verdict_without,
)
from promptdescent.records import Verdict
from promptdescent.records.explanation import RowDoubt
from promptdescent.report.page.facts import Facts, read_facts
from promptdescent.report.page.row_review import NeededRows, needed_rows
from promptdescent.report.tables import Table
from promptdescent.report.text import printable
from promptdescent.store.store import Store
from promptdescent.verdict.words import sentence

GAINS = (1.0, 2.0, 5.0, 10.0)
"""In points, that is in hundredths of a score."""
SHOWN = 20
"""Rows of a kind that are printed; a file or JSON has all."""
EXCERPT = 60
"""Characters of a text or answer that are printed."""


@dataclass(frozen=True, kw_only=True)
class _Review:
    """What is known of a run's rows."""

    explained: bool
    doubts: tuple[RowDoubt, ...]
    test_doubts: tuple[RowDoubt, ...]
    """Those that rest on the two prompts of the verdict alone."""
    notes: tuple[str, ...]

    @property
    def every(self) -> tuple[RowDoubt, ...]:
        return (*self.doubts, *self.test_doubts)


def rows(
    run: RunArgument = "latest",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
    file: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="CSV", help="Write the rows to review into this file as well."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    gain: Annotated[
        float | None,
        typer.Option("--gain", metavar="POINTS", help="Say how many rows show a gain of so many points, such as 2."),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="Say the verdict without the suspicious test rows beside the recorded one.")
    ] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Say which rows of a run deserve a second look."""
    if gain is not None and not 0 < gain <= 100:
        raise ConfigError(f"--gain {gain:g}: give points above 0 and up to 100, such as 2")
    with opened_store(store, must_exist=True) as opened:
        facts = read_facts(opened, _reviewed(opened, run))
    found = _review(facts)
    needed = needed_rows(facts, GAINS if gain is None else (gain,))
    verdicts = _robust(facts, found) if robust else None
    if file is not None:
        text = review_csv(found.every, facts.rows, left_out=_to_leave_out(facts, found)[0])
        output.write_file(Path(file), text.encode(), flag="--output", force=force)
    if as_json:
        output.result(_as_json(facts, found, needed, verdicts))
    else:
        _show(facts, found, needed, verdicts)
    if file is not None:
        said = f"{len(found.every)} rows are in {file}, {_to_leave_out(facts, found)[1]}"
        output.message(f"{said}: correct the column leave_out, then give it as --leave-out")


def _reviewed(store: Store, name: str) -> str:
    """The id of the run that is meant: where ``name`` holds the calls of an explanation, the one that it explains."""
    row = store.find_run(name)
    return row.manifest.explains or row.id


def _review(facts: Facts) -> _Review:
    """The newest review on record, or what can be said without one."""
    test_doubts = suspicious_test_rows(facts.verdict, facts.rows) if facts.verdict else ()
    if facts.explanation is not None:
        return _Review(
            explained=True,
            doubts=facts.explanation.doubts,
            test_doubts=test_doubts,
            notes=facts.explanation.row_notes or facts.explanation.notes,
        )
    made = review_rows(facts.examples, (), facts.manifest.labels)
    note = (
        "No explanation of this run is on record, so dev rows could not be judged by their answers: "
        f"run `promptdescent explain {facts.record['id']}` first for that."
    )
    return _Review(explained=False, doubts=made.doubts, test_doubts=test_doubts, notes=(note,))


def _to_leave_out(facts: Facts, found: _Review) -> tuple[list[RowDoubt], str]:
    """Those that a file leaves out unless somebody corrects it, and words for that: where many prompts agree, where
    answers can tell a wrong label from a hard row, which they cannot with two labels, and where no more rows look
    mislabelled than labels are usually wrong.
    """
    suspected = [doubt for doubt in found.doubts if doubt.kind == "looks mislabelled"]
    if not suspected:
        return [], "none of them left out"
    if len(facts.manifest.labels) == 2:
        return [], "none of them left out, since with two labels a row that is too hard looks mislabelled"
    if too_many(len(suspected), facts.explanation.rows if facts.explanation else 0):
        return [], "none of them left out, since more look mislabelled than labels are usually wrong"
    return suspected, f"{len(suspected)} of them left out, since they look mislabelled"


def _robust(facts: Facts, found: _Review) -> tuple[Verdict, Verdict, int]:
    """The recorded verdict, the one without suspicious rows, and how many these are. Raises :class:`ConfigError`."""
    if facts.verdict is None:
        raise ConfigError("--robust: this run has no verdict; only a search that has ended has one")
    left_out = doubtful_test_rows(found.every, facts.rows)
    without = verdict_without(facts.verdict, left_out, facts.manifest, facts.rows)
    return facts.verdict, without, len(paired_outcomes(facts.verdict)) - without.rows


def _say(facts: Facts, verdict: Verdict) -> str:
    same = facts.record["best"]["prompt"] == facts.manifest.prompt
    return sentence(verdict, same_prompt=same, earlier_runs=0)


# --- as text ---------------------------------------------------------------------------------------------------------


def _show(
    facts: Facts,
    found: _Review,
    needed: NeededRows,
    verdicts: tuple[Verdict, Verdict, int] | None,
) -> None:
    counts = {kind: sum(doubt.kind == kind for doubt in found.doubts) for kind in _KINDS}
    told = _KINDS if found.explained else ("near-duplicate",)
    said = ", ".join(f"{counts[kind]} {_KINDS[kind]}" for kind in told)
    headline = f"Run {facts.record['id']}: {said}."
    if found.test_doubts:
        headline += f" On {len(found.test_doubts)} test rows both prompts of the verdict give the same wrong answer."
    headline += "".join(f"\n{note}" for note in found.notes)
    if not needed.by_gain and needed.said:
        headline += f"\n{needed.said}"
    show_tables(headline, _tables(facts, found, needed))
    if verdicts is not None:
        recorded, without, count = verdicts
        both = f"As recorded: {_say(facts, recorded)}\nWithout {count} suspicious test rows: {_say(facts, without)}"
        output.result(printable(f"\n{both}\n{_WEAK}"))


_KINDS = {
    "looks mislabelled": "rows look mislabelled",
    "near-duplicate": "rows nearly repeat another one",
    "decides nothing": "rows decide nothing",
}
_WEAK = (
    "Suspicious test rows are those on which both prompts give the same wrong answer, which is weak evidence, and near "
    "copies with another target. Leaving out rows that both prompts fail on raises both scores, and says little about "
    "which of the two is better."
)


def _tables(facts: Facts, found: _Review, needed: NeededRows) -> list[Table]:
    tables = []
    for title, doubts in (
        ("Rows that look mislabelled", [one for one in found.doubts if one.kind == "looks mislabelled"]),
        ("Test rows on which both prompts give the same wrong answer", found.test_doubts),
        ("Rows that nearly repeat another one", [one for one in found.doubts if one.kind == "near-duplicate"]),
    ):
        if doubts:
            tables.append(_doubt_table(title, doubts, facts))
    if needed.by_gain:
        tables.append(_needed_table(needed))
    return tables


def _doubt_table(title: str, doubts: Sequence[RowDoubt], facts: Facts) -> Table:
    rows = facts.rows
    header = ("row", "split", "target", "suggested", "prompts that say so", "other row")
    cells = [
        (
            _excerpt(rows[one.example].question),
            one.split,
            _excerpt(rows[one.example].target),
            _excerpt(one.suggested),
            "" if one.share is None else f"{one.share:.0%}",
            _excerpt(rows[one.other].question) if one.other in rows else "",
        )
        for one in doubts[:SHOWN]
    ]
    kept = [place for place in range(len(header)) if any(row[place] for row in cells)]
    more = (f"{len(doubts) - SHOWN} more: --output or --json has all.",) if len(doubts) > SHOWN else ()
    return Table(
        title=title,
        header=tuple(header[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in cells),
        notes=more,
    )


def _needed_table(needed: NeededRows) -> Table:
    return Table(
        title="Test rows that show a gain, 4 times out of 5",
        header=("gain in points", "test rows"),
        rows=tuple((f"{points:g}", f"{count:,}") for points, count in needed.by_gain),
        notes=(needed.said,),
    )


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"


# --- as files --------------------------------------------------------------------------------------------------------


def _as_json(
    facts: Facts,
    found: _Review,
    needed: NeededRows,
    verdicts: tuple[Verdict, Verdict, int] | None,
) -> str:
    data: dict[str, Any] = {
        "run": facts.record["id"],
        "explained": found.explained,
        "doubts": [asdict(doubt) for doubt in found.doubts],
        "test_doubts": [asdict(doubt) for doubt in found.test_doubts],
        "notes": list(found.notes),
        "rows_needed": [{"points": points, "rows": count} for points, count in needed.by_gain] or None,
        "rows_needed_note": needed.said,
    }
    if verdicts is not None:
        recorded, without, count = verdicts
        data["robust"] = {"left_out": count, "recorded": _numbers(recorded), "without": _numbers(without)}
    return json.dumps(data, indent=2, ensure_ascii=True)


def _numbers(verdict: Verdict) -> dict[str, Any]:
    """A verdict without its outcomes."""
    return {name: value for name, value in asdict(verdict).items() if not name.endswith("_outcomes")}
