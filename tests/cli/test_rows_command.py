"""``promptdescent rows``: the review of a run's rows, the file to correct, and the switch that reads it."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cli_samples import Invoke, optimize_arguments

from promptdescent.records import to_json
from promptdescent.records.explanation import Effect, Explanation, PieceEffect, RowDoubt
from promptdescent.stats import rows_needed_binary
from promptdescent.store.store import Store


def explain(folder: Path, doubts: tuple[RowDoubt, ...]) -> str:
    """Put an explanation with these doubts, of 20 rows, on record; the id of a run that holds its calls."""
    effect = Effect(difference=0.0, interval=(0.0, 0.0), rows=20)
    piece = PieceEffect(start=0, end=1, average=effect, removed=None, p_value=1.0, matters=False, brought_by=None)
    made = Explanation(
        run="x",
        version="0",
        prompt="p",
        score=0.5,
        rows=20,
        prompts=48,
        most_calls=1,
        calls=1,
        pieces=(piece,),
        pairs=(),
        pruned=None,
        doubts=doubts,
        notes=("Of pieces.",),
        row_notes=("Look at \x1b[31meach.",),
    )
    with closing(Store.open(folder)) as store:
        run = store.find_run("latest")
        run = store.find_run(run.manifest.explains or run.id)
        store.claim(run.id)
        asyncio.run(store.append(run.id, "explanation", to_json(made)))
        store.release(run.id)
        calls = store.create_run(replace(run.manifest, explains=run.id), store.examples(run.id))
        store.release(calls)
        return calls


def dev_rows(folder: Path) -> list[str]:
    with closing(Store.open(folder)) as store:
        return [row.id for row in store.examples(store.find_run("latest").id)["dev"]]


def suspicions(rows: Sequence[str]) -> tuple[RowDoubt, ...]:
    return tuple(
        RowDoubt(example=row, split="dev", kind="looks mislabelled", suggested="=evil()", share=0.9) for row in rows
    )


def test_from_the_review_to_a_run_without_the_rows(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet")).returncode == 0
    first = invoke("rows")
    assert first.returncode == 0
    assert "run `promptdescent explain " in first.stdout
    assert "Test rows that show a gain" in first.stdout

    store = rows.parent / ".promptdescent"
    wrong, idle = dev_rows(store)[:2]
    explain(
        store,
        (
            RowDoubt(
                example=wrong, split="dev", kind="looks mislabelled", suggested="=evil()", share=0.9, reason="So."
            ),
            RowDoubt(example=idle, split="dev", kind="decides nothing", reason="Right under all."),
        ),
    )
    shown = invoke("rows", "-o", "review.csv")
    assert "1 rows look mislabelled" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "each." in shown.stdout
    assert "Of pieces." not in shown.stdout
    assert "2 rows are in review.csv, none of them left out, since with two labels" in shown.stderr
    assert "\nRows that look mislabelled\n" in shown.stdout
    lines = list(csv.DictReader((rows.parent / "review.csv").read_text(encoding="utf-8").splitlines()))
    assert lines[0]["id"] == wrong
    assert lines[0]["suggested"] == "'=evil()"
    assert {line["leave_out"] for line in lines} == {"no"}  # with two labels a hard row looks the same
    again = invoke("rows", "-o", "review.csv")
    assert again.returncode == 2
    assert "--output review.csv: the file exists" in again.stderr

    corrected = (rows.parent / "review.csv").read_text(encoding="utf-8").replace(",no\n", ",yes\n", 1)
    (rows.parent / "review.csv").write_text(corrected, encoding="utf-8")
    without = invoke(*optimize_arguments(rows, "--leave-out", "review.csv"))
    assert without.returncode == 0
    assert "1 dev rows are left out, as review.csv says." in without.stderr
    assert wrong not in dev_rows(store)
    (rows.parent / "review.csv").unlink()
    assert invoke("rerun", "latest", "--replay-only", "--quiet").returncode == 0
    scored = invoke("evaluate", "Which one?", *EVALUATE, "--leave-out", "review.csv")
    assert scored.returncode == 2
    assert "--leave-out review.csv: there is no such file" in scored.stderr


EVALUATE = ("rows.csv", "--input", "text", "--target", "label", "--task-model", "simulated:clear")


def test_the_run_of_an_explanation_stands_for_the_run_that_it_explains(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet", "--steps", "0")).returncode == 0
    store = rows.parent / ".promptdescent"
    calls = explain(store, suspicions(dev_rows(store)[:1]))
    for name in ("latest", calls):
        found = json.loads(invoke("rows", name, "--json").stdout)
        assert found["run"] != calls
        assert found["explained"]
        assert len(found["doubts"]) == 1


@pytest.mark.parametrize(("count", "left_out"), [(2, 2), (3, 0)], ids=["a tenth", "more than a tenth"])
def test_nothing_is_left_out_beforehand_where_too_many_look_mislabelled(
    invoke: Invoke, rows: Path, count: int, left_out: int
) -> None:
    lines = [("text", "label"), *((f"thing {number} of {7 * number}", "abc"[number % 3]) for number in range(120))]
    with rows.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(lines)
    assert invoke(*optimize_arguments(rows, "--quiet", "--steps", "0")).returncode == 0
    store = rows.parent / ".promptdescent"
    explain(store, suspicions(dev_rows(store)[:count]))
    said = invoke("rows", "-o", "review.csv").stderr
    written = list(csv.DictReader((rows.parent / "review.csv").read_text(encoding="utf-8").splitlines()))
    assert sum(line["leave_out"] == "yes" for line in written) == left_out
    if left_out:
        assert "2 of them left out, since they look mislabelled" in said
    else:
        assert "none of them left out, since more look mislabelled than labels are usually wrong" in said


def test_a_search_that_found_nothing_does_not_tell_how_many_rows_show_a_gain(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet", "--steps", "0")).returncode == 0
    shown = invoke("rows", "--gain", "30").stdout
    assert "Test rows that show a gain" not in shown
    assert "The search found no other prompt" in shown
    assert "disagreed on 20 % of the rows, or on as many as a larger gain takes" in shown
    found = json.loads(invoke("rows", "--gain", "2", "--json").stdout)
    assert found["rows_needed"] is None
    assert f"2 points, {rows_needed_binary(0.02, 0.2):,} test rows." in found["rows_needed_note"]


def test_as_json_with_the_robust_verdict_and_a_gain(invoke: Invoke, rows: Path) -> None:
    assert invoke("rows", "--gain", "0").returncode == 2
    assert invoke(*optimize_arguments(rows, "--quiet")).returncode == 0
    ended = invoke("rows", "--json", "--robust", "--gain", "5")
    found = json.loads(ended.stdout)
    (needed,) = found["rows_needed"]
    assert needed["points"] == 5
    assert needed["rows"] > 60
    recorded, without = found["robust"]["recorded"], found["robust"]["without"]
    assert found["robust"]["left_out"] == len(found["test_doubts"]) > 0
    assert without["rows"] == recorded["rows"] - found["robust"]["left_out"]
    # What both prompts fail on leaves no trace in the test, which goes by the rows on which they differ.
    assert without["p_value"] == recorded["p_value"]
    assert without["best_score"] > recorded["best_score"]
    shown = invoke("rows", "--robust")
    assert f"Without {found['robust']['left_out']} suspicious test rows: " in shown.stdout


def test_a_run_without_a_verdict(invoke: Invoke, rows: Path) -> None:
    assert invoke("evaluate", "Which one?", *EVALUATE, "--quiet").returncode == 0
    assert "Test rows that show a gain" not in invoke("rows").stdout
    ended = invoke("rows", "--robust")
    assert ended.returncode == 2
    assert "--robust: this run has no verdict" in ended.stderr
