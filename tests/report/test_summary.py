"""What a terminal shows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_samples import BEST, START, manifest, open_store, write_run

from promptdescent.report.failures import failure_text
from promptdescent.report.numbers import dollars
from promptdescent.report.record import Record, run_record
from promptdescent.report.text import duration, one_line, printable, score_text, summary
from promptdescent.store.store import Store


def _figures(low: float, high: float) -> dict[str, float]:
    return {"low": low, "likely": high, "high": high}


FORECAST: Record = {
    "roles": {
        "task": {"calls": _figures(2, 8), "used": {"calls": 3}},
        "optimizer": {"calls": _figures(1, 1), "used": {"calls": 1}},
    },
    "total": {
        "calls": _figures(3, 9),
        "tokens": _figures(30, 900),
        "money": _figures(0, 1.5),
        "used": {"calls": 4, "tokens": 55, "money": 0.25},
    },
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def record_of(store: Store, **changes: Any) -> Record:
    return run_record(store, write_run(store, **changes))


def test_the_best_prompt_stands_in_full(store: Store) -> None:
    long = "\n".join(f"Line {number}: " + "word " * 60 for number in range(30))
    text = summary(record_of(store, best=long))
    for line in long.splitlines():
        assert line.rstrip() in text


def test_all_that_matters_is_there(store: Store) -> None:
    record = record_of(store, failures=1)
    text = summary(record)
    for part in (
        f"Run {record['id']} (gpo, seed 7): finished",
        "1 of 4 steps; the search ended: perfect dev score",
        f"Best prompt (dev score 1.000 on 2 rows):\n  {BEST}",
        f"Starting prompt (dev score 0.500 on 2 rows):\n  {START}",
        record["verdict"]["sentence"],
        "Money: none, both models run on this machine.",
        f"promptdescent show {record['id']} --json",
    ):
        assert part in text
    table = [line.split() for line in text.splitlines() if "sent and paid" in line or " used " in line]
    assert table == [
        ["task", "model", "used", "1", "10", "3"],
        ["sent", "and", "paid", "2", "10", "3"],
        ["optimizer", "model", "used", "1", "10", "3"],
        ["sent", "and", "paid", "1", "10", "3"],
    ]
    assert "resume" not in text


def test_a_finished_run_names_the_commands_that_say_more(store: Store) -> None:
    record = record_of(store)
    run = record["id"]
    assert f"More: promptdescent report {run}, explain {run}, serve\n" in summary(record)
    failed = record_of(store, verdict=None)
    assert f"More: promptdescent report {failed['id']}, serve\n" in summary(failed)
    measured = record_of(store, run_manifest=replace(manifest(), explains=run))
    assert "More: promptdescent report" not in summary(measured)


def test_failures_are_counted_in_good_grammar(store: Store) -> None:
    counts = {"empty reply": 2, "server error": 1, "timeout": 3}
    said = failure_text({"task": {"attempts": counts, "replies": {"cut off": 2}}})
    assert said == (
        "Failures of the task model: attempts that failed: 2 empty replies, 1 server error, 3 timeouts; "
        "replies without an answer: 2 cut off."
    )


def test_a_search_that_found_nothing(store: Store) -> None:
    text = summary(record_of(store, best=START))
    assert "Best prompt: the starting prompt" in text
    assert "Starting prompt (" not in text


def test_a_failed_run_says_why_and_how_to_go_on(store: Store) -> None:
    record = record_of(store, verdict=None)
    text = summary(record)
    assert "failed, the endpoint went away\\x1b[31m" in text
    assert "No verdict" in text
    assert f"promptdescent resume {record['id']}" in text


def test_money_where_the_price_is_known(store: Store) -> None:
    identity = '{"base_url": "https://api.openai.com/v1"}'
    text = summary(record_of(store, run_manifest=manifest(task_model="gpt-4o-mini", identity=identity)))
    assert "US dollars paid" in text
    assert "US dollars\n" in text  # the column's title


def test_a_price_that_is_not_known(store: Store) -> None:
    text = summary(record_of(store, run_manifest=manifest(task_model="my-model")))
    assert "Money: the price of the task model is not known. A run can be told it with --task-price." in text
    assert "US dollars" not in text


def test_a_price_of_which_one_is_not_known(store: Store) -> None:
    """The part that is known is said, and that it is a part."""
    given = manifest(task_model="my-model", spec={"optimizer_price": "1000/1000", "optimizer_model": "another"})
    text = summary(record_of(store, run_manifest=given))
    assert "Money: 0.0130 US dollars paid for the optimizer model, by the prices as given; the price" in text
    assert "of the task model is not known. A run can be told it with --task-price." in text
    rows = [line for line in text.splitlines() if line.startswith("task model ")]
    assert all(line.endswith("not known") for line in rows)
    assert rows


def test_what_lost_attempts_may_have_cost_is_said(store: Store) -> None:
    given = manifest(task_model="my-model", spec={"task_price": "1000/1000"})
    record = record_of(store, run_manifest=given)
    assert "more for attempts" not in summary(record)
    lost = {**record["money"], "task": {**record["money"]["task"], "lost": 0.5}}
    assert "prices as given; at most 0.5000 more for attempts whose answers" in summary({**record, "money": lost})


def test_the_forecast_stands_beside_the_use(store: Store) -> None:
    run = write_run(store)
    record = {**run_record(store, run), "forecast": FORECAST}
    text = summary(record)
    assert "Forecast: 3 to 9 calls, used 4; 30 to 900 tokens, used 55; 0.00 to 1.50 US dollars, used 0.2500." in text
    assert "Forecast of calls by role: task model 2 to 8, used 3; optimizer model 1, used 1." in text
    unknown = {**FORECAST, "total": {**FORECAST["total"], "money": None}}
    assert "900 tokens, used 55.\n" in summary({**record, "forecast": unknown})
    assert "Forecast" not in summary({**record, "forecast": None}), "a run of an older version has none"


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b[31mred",
        "\x9b31m",
        "a\rb",
        "\x07bell",
        "\u202eevil",
        "\ud83d",
        "\x1b]0;title\x07",
        "a\x00b\x7f",
        "\u2028",
    ],
)
def test_a_prompt_cannot_act_on_the_terminal(store: Store, hostile: str) -> None:
    record = record_of(store)
    record["best"]["prompt"] = f"Say {hostile} so."
    record["start"]["prompt"] = record["verdict"]["sentence"] = record["search"]["ended_because"] = hostile
    text = summary(record)
    assert all(char == "\n" or char.isprintable() for char in text)
    text.encode()


def test_markup_stays_as_it_is(store: Store) -> None:
    assert "[bold red]x[/bold red] :boom:" in summary(record_of(store, best="[bold red]x[/bold red] :boom:"))


def test_printable() -> None:
    assert printable("a\x1b[0m\r\nb\tc é 漢 👋") == "a\\x1b[0m\nb\tc é 漢 👋"
    assert printable("\u202e") == "\\u202e"
    assert one_line("a\n\n b\x1b") == "a b\\x1b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (43.4, "43 s"), (65, "1:05"), (605, "10:05"), (3753, "1:02:33"), (36000, "10:00:00")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_numbers() -> None:
    assert (dollars(None), dollars(0.0), dollars(0.0123), dollars(12.345)) == ("not known", "0.00", "0.0123", "12.35")
    assert (score_text(None), score_text(0.8)) == ("-", "0.800")


def test_a_search_that_a_cap_made_shorter_says_so(store: Store) -> None:
    record = record_of(store)
    steps = record["search"]["total_steps"]
    assert "planned under the caps" not in summary({**record, "forecast": {**FORECAST, "wanted_steps": steps}})
    cut = summary({**record, "forecast": {**FORECAST, "wanted_steps": steps + 5}})
    assert f"(planned under the caps; {steps + 5} without them, and --whole-steps" in cut


def test_failures_and_lost_answers_are_told_by_role(store: Store) -> None:
    record = record_of(store, failures=2)
    text = summary(record)
    assert "Failures of the task model: attempts that failed: 2 server error" in text
    assert "replies without an answer: " in text
    assert "Answers that never came" not in text
    record["usage"]["task"]["lost"] = {"calls": 3, "tokens_in": 1000, "tokens_out": 200}
    assert "Answers that never came: 3 of the calls sent; they may have cost up to 1,200 tokens more" in summary(record)


def test_what_goes_on_with_an_unfinished_run_is_named(store: Store) -> None:
    record = {**record_of(store), "status": "interrupted"}
    assert f"Go on: promptdescent resume {record['id']}\n" in summary(record)
    assert "Go on: promptdescent explain 464e4eccc6a8\n" in summary({**record, "explains": "464e4eccc6a8"})
