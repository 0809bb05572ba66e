"""What a page says of a run: the numbers of its record, in words that the record bears out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_samples import (
    START,
    long_run,
    manifest,
    open_store,
    outcomes,
    rows,
    score_event,
    start_event,
    status,
    steps,
    verdict,
    whole_run,
    write,
)

from promptdescent.errors import StoreError
from promptdescent.records import ModelSettings, to_json
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.report.page.diff import diff_of
from promptdescent.report.page.explanation import MOST_TURNED
from promptdescent.report.page.failure_groups import MOST_EXAMPLES
from promptdescent.report.page.flips import MOST_FLIPS
from promptdescent.report.page.lineage import MOST_LINKS
from promptdescent.report.page.notices import failed_attempts
from promptdescent.report.page.proposals import LONGEST_PROPOSAL, MOST_PROPOSALS
from promptdescent.report.page.settings import command_line
from promptdescent.report.page.shortened import LONGEST_REPLY, shortened
from promptdescent.report.record import run_record
from promptdescent.stats import wilson_interval
from promptdescent.stats.power import rows_needed_binary
from promptdescent.store.store import Store

RELEASED = Path(__file__).parents[1] / "store" / "released"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def words(page: RunPage) -> str:
    return " ".join([page.verdict.headline, page.verdict.sentence, *(notice.text for notice in page.notices)])


def test_numbers_are_those_of_the_record(store: Store) -> None:
    run = whole_run(store)
    page, record = read_page(store, run), run_record(store, run)
    assert page.verdict.headline == "The found prompt is better: +37.5 points (95 % interval +10.0 to +40.0)."
    assert page.verdict.sentence == record["verdict"]["sentence"]
    assert (page.start, page.best) == (record["start"]["prompt"], record["best"]["prompt"])
    assert page.search is not None
    for step, recorded in zip(page.search.step_records, record["steps"], strict=True):
        assert [(one.id, one.score, one.fate, one.distance) for one in step.proposals] == [
            (one["id"], one["score"], one["fate"], one["distance"]) for one in recorded["candidates"]
        ]
        assert (step.word_budget, step.current) == (recorded["word_budget"], recorded["survivors"][0])
    assert page.search.steps[-1].best == record["best"]["id"]
    assert [step.best_score for step in page.search.steps] == [0.5, 0.6, 0.6, 0.9]
    assert [step.current_score for step in page.search.steps] == [0.5, 0.6, 0.5, 0.9]
    assert [step.tokens for step in page.search.steps] == [100, 1_100, 2_200, 3_300]
    interval = wilson_interval(6, 10)
    assert page.search.steps[1].interval == (interval.low, interval.high)


def test_lineage_tells_why_each_prompt_was_kept(store: Store) -> None:
    lineage = read_page(store, whole_run(store)).lineage
    assert lineage is not None
    assert [link.id for link in lineage.links] == ["0.0", "1.2", "2.1", "3.1"]
    assert [link.reason for link in lineage.links] == [
        "The prompt that the run was given.",
        "Best of 2 scored proposals: 0.600, current prompt 0.500.",
        "The only scored proposal: 0.500, current prompt 0.600. Kept although it scored less: greedy selection takes "
        "the best new one.",
        "Best of 2 scored proposals: 0.900, current prompt 0.500. No prompt of the run has a higher dev score.",
    ]
    last = lineage.links[-1]
    assert last.diff is not None
    assert (last.diff.before, last.diff.after) == ("Three.", "Say yes or no: is it good?")
    assert last.meta_prompt == "Improve it."
    assert [(one.purpose, one.text) for one in last.reflections] == [("reflection", "It is vague.")]


def test_flips_both_ways_and_groups_of_failures(store: Store) -> None:
    page = read_page(store, whole_run(store))
    assert page.flips is not None
    assert page.failures is not None
    # The start is right on rows 0 to 14, the found prompt on rows 10 to 39.
    assert (page.flips.all_gained, page.flips.all_lost, page.flips.unchanged) == (25, 10, 5)
    assert page.flips.gained[0].row == "test15"
    assert page.flips.gained[0].before.reply == "no, it is not"
    assert page.flips.lost[0].after.kind == "unreadable"
    assert [(group.count, group.before) for group in page.failures.unusable] == [(10, 0)]
    assert len(page.failures.unusable[0].examples) == MOST_EXAMPLES
    assert page.failures.wrong == ()


def test_wrong_answers_are_grouped_by_what_they_should_have_been(store: Store) -> None:
    test = rows("test", 8)
    end = ("verdict", to_json(verdict(test, 2, 2, best_outcomes=outcomes(test, 5))))
    page = read_page(
        store, write(store, [start_event(test, 2), *steps([[("Better.", 0.5)]], dev=8), end], dev=test, test=test)
    )
    assert page.failures is not None
    assert [(group.name, group.count, group.before) for group in page.failures.wrong] == [("yes → no", 3, 6)]


def test_a_long_run_is_cut_and_says_so(store: Store) -> None:
    page = read_page(store, long_run(store, count=130, candidates=9, dev_rows=120))
    assert page.search is not None
    assert page.lineage is not None
    assert page.flips is not None
    assert (len(page.lineage.links), page.lineage.left_out) == (MOST_LINKS, 131 - MOST_LINKS)
    assert page.proposals.count == 130 * 9
    assert page.proposals.shown <= MOST_PROPOSALS
    assert all(step.left_out for step in page.proposals.steps)
    assert all(any(one.kept for one in step.proposals) for step in page.proposals.steps)
    assert max(len(one.prompt) for step in page.proposals.steps for one in step.proposals) < LONGEST_PROPOSAL + 60
    assert (len(page.flips.gained), page.flips.all_gained) == (min(MOST_FLIPS, page.flips.all_gained), 60)
    assert len(page.flips.gained) == MOST_FLIPS


def test_long_texts_are_cut_with_their_length() -> None:
    assert shortened("x" * LONGEST_REPLY) == "x" * LONGEST_REPLY
    assert shortened("x" * (LONGEST_REPLY + 1_234)).endswith("x … (1,234 more characters)")


def test_diff_keeps_white_space_and_both_texts() -> None:
    diff = diff_of("Say yes\nor no.", "Say  no\nor yes.\n\nDo it.")
    assert "".join(part.text for part in diff.parts if part.kind != "delete").split() == diff.after.split()
    assert "".join(part.text for part in diff.parts if part.kind != "insert").split() == diff.before.split()
    assert "\n" in "".join(part.text for part in diff.parts)
    assert diff.distance == 4
    assert diff_of("a b", "a  b").same


# --- runs that are not whole -----------------------------------------------------------------------------------------


def test_empty_run(store: Store) -> None:
    page = read_page(store, write(store, [status("running")]))
    assert page.verdict.kind == "none"
    assert "not scored" in page.verdict.headline
    assert page.search is not None
    assert page.search.steps == ()
    assert (page.diff, page.lineage, page.flips, page.failures, page.proposals.steps) == (None, None, None, None, ())


def test_failed_run_says_why_and_how_to_go_on(store: Store) -> None:
    dev = rows("dev", 10)
    events = [start_event(dev, 5), *steps([[("Two.", 0.6)]], dev=10), status("failed", "the endpoint went away")]
    run = write(store, events, dev=dev)
    page = read_page(store, run)
    assert "nothing is known about a gain" in page.verdict.headline
    assert page.notices[0].kind == "failure"
    assert "the endpoint went away" in words(page)
    assert f"promptdescent resume {run}" in words(page)
    assert [notice.kind for notice in page.notices if "promptdescent resume" in notice.text] == ["advice"]
    assert page.settings.commands[0].line == f"promptdescent resume {run}"
    assert page.failures is not None
    assert page.failures.of == "the starting prompt on the dev rows"


@pytest.mark.parametrize(("paid", "kind"), [(100, "warning"), (101, "note")], ids=["one-per-cent", "fewer"])
def test_few_failures_are_a_note(paid: int, kind: str) -> None:
    record = {
        "failures": {"task": {"attempts": {"timeout": 1}, "replies": {}}},
        "usage": {"task": {"used": {"calls": 1}, "paid": {"calls": paid}}},
    }
    assert [one.kind for one in failed_attempts(record)] == [kind]


def test_the_words_below_the_headline_do_not_repeat_it(store: Store) -> None:
    found = read_page(store, whole_run(store)).verdict
    assert found.brief == (
        "Exact McNemar test on 40 test rows, Tango score interval. Always answering the commonest label would score "
        "60.0 %."
    )
    assert found.sentence.endswith(found.brief.split(". ", 1)[1])


def test_unfinished_run_reads_as_interrupted(store: Store) -> None:
    dev = rows("dev", 10)
    page = read_page(store, write(store, [status("running"), start_event(dev, 5)], dev=dev))
    assert page.status == "interrupted"
    assert page.lineage is not None
    assert [link.id for link in page.lineage.links] == ["0.0"]


def test_evaluation_has_a_score_and_no_search(store: Store) -> None:
    test = rows("test", 10)
    of = manifest(spec={"evaluate_on": "test", "prompt": START, "data": "rows.csv", "steps": 0})
    page = read_page(store, write(store, [score_event(test, 4), status("finished")], of=of, test=test))
    assert page.verdict.headline == "The prompt scores 40.0 % (95 % interval 20.0 % to 60.0 %)."
    assert (page.search, page.diff, page.lineage, page.flips) == (None, None, None, None)
    assert page.failures is not None
    assert page.failures.wrong[0].count == 6
    assert page.settings.commands[-1].line == "promptdescent evaluate 'Is it good?' rows.csv --on test"


def test_a_found_prompt_that_is_no_better_or_worse(store: Store) -> None:
    dev, test = rows("dev", 10), rows("test", 40)
    search = [start_event(dev, 5), *steps([[("Two.", 0.6)]], dev=10)]
    for gap, kind, said in [
        ({"interval": (-0.1, 0.2)}, "no gain", "No gain was shown: +2.5 points (95 % interval -10.0 to +20.0)."),
        ({"interval": (-0.3, -0.1)}, "worse", "The found prompt is worse: +2.5 points"),
    ]:
        end = ("verdict", to_json(verdict(test, 15, 16, gain_shown=False, **gap)))
        page = read_page(store, write(store, [*search, end], dev=dev, test=test))
        assert page.verdict.kind == kind
        assert page.verdict.headline.startswith(said)


def test_search_that_ends_where_it_began(store: Store) -> None:
    dev, test = rows("dev", 10), rows("test", 40)
    end = ("verdict", to_json(verdict(test, 15, 15, gain_shown=False, interval=(0.0, 0.0), difference=0.0)))
    page = read_page(store, write(store, [start_event(dev, 5), end, status("finished")], dev=dev, test=test))
    assert (page.verdict.kind, page.verdict.interval) == ("same prompt", None)
    assert page.flips is None


def test_scores_that_are_no_shares_of_right_answers_have_no_intervals(store: Store) -> None:
    dev = rows("dev", 10)
    of = manifest(length_cost=0.001)
    page = read_page(store, write(store, [start_event(dev, 5), *steps([[("Two.", 0.594)]], dev=10)], of=of, dev=dev))
    assert page.search is not None
    assert [step.interval for step in page.search.steps] == [None, None]
    assert page.search.interval_note.startswith("No intervals")


def test_fork_and_measurement_name_the_runs_they_belong_to(store: Store) -> None:
    fork = read_page(store, write(store, [], of=manifest(origin="abc", forked_at=2, spec={"later_seeds": [[2, 9]]})))
    assert ("Repeats", "run abc, a fork from step 2 on") in fork.settings.facts
    assert ("Seed", "7, 9 from step 2 on") in fork.settings.facts
    assert fork.settings.commands[-1].line == "promptdescent rerun abc --from-step 2 --seed 9"
    measured = read_page(store, write(store, [], of=manifest(explains="def")))
    assert "run def" in measured.verdict.headline


def test_explanation_stands_with_pieces_pairs_and_rows(store: Store) -> None:
    page = read_page(store, whole_run(store))
    assert page.explanation is not None
    assert page.rows is not None
    assert page.explanation.current
    assert [piece.effect for piece in page.explanation.pieces] == [
        "+20.0 points (+10.0 to +30.0)",
        "+1.0 points (-5.0 to +7.0)",
    ]
    assert page.explanation.pieces[0].origin == "It stood in the starting prompt."
    assert page.explanation.shorter == "Say"
    first, second = page.explanation.pieces
    assert [(row.row, row.question, row.target) for row in first.gained_rows] == [
        (f"dev{number}", f"row  {number}", "yes") for number in range(MOST_TURNED)
    ]
    assert (first.gained, first.lost, [row.row for row in first.lost_rows]) == (MOST_TURNED + 2, 1, ["dev9"])
    assert (second.gained, second.gained_rows) == (0, ())
    assert [piece.number for piece in page.explanation.by_effect] == [1, 2]
    assert [(doubt.row, doubt.question) for doubt in page.rows.doubts] == [("dev0", "row  0")]


def test_rows_needed_go_by_how_the_two_prompts_of_the_verdict_differ(store: Store) -> None:
    page = read_page(store, whole_run(store))
    assert page.rows is not None
    disagreement = (25 + 10) / 40
    assert page.rows.needed == tuple(
        (points, rows_needed_binary(points / 100, disagreement)) for points in (1, 2, 5, 10)
    )
    assert "40 rows as here show a gain of" in page.rows.needed_note


@pytest.mark.parametrize("run", ["finished", "interrupted", "resumed"])
def test_runs_of_an_earlier_version(tmp_path: Path, run: str) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.executescript((RELEASED / "0001.sql").read_text())
    printed: dict[str, Any] = json.loads((RELEASED / f"0001.{run}.json").read_text())
    store = open_store(tmp_path)
    page = read_page(store, store.runs()[0 if run == "interrupted" else -1].id)
    assert page.start == printed["start"]["prompt"]
    if run == "finished":
        assert page.verdict.sentence.startswith(printed["verdict"]["sentence"])
        assert "The record holds no forecast." in page.settings.missing
    store.close()


def test_run_of_a_newer_version_is_refused(store: Store) -> None:
    run = write(store, [], of=manifest(version="99.0"))
    with pytest.raises(StoreError, match=r"written by promptdescent 99\.0"):
        read_page(store, run)


# --- commands --------------------------------------------------------------------------------------------------------


def test_command_line_says_the_settings() -> None:
    settings = {
        "data": "my rows.csv",
        "input": ["a", "b"],
        "prompt": "What's this?",
        "whole_steps": True,
        "length_cost": 0.001,
        "recipe": {"base": "gpo"},
        "later_seeds": [[2, 9]],
    }
    assert command_line(settings).split(" \\\n    ") == [
        "promptdescent optimize 'my rows.csv'",
        "--input a",
        "--input b",
        "--prompt 'What'\"'\"'s this?'",
        "--whole-steps",
        "--length-cost 0.001",
        "--recipe @recipe.yaml",
    ]
    assert command_line({"data": "rows.csv", "steps": 3}) == "promptdescent optimize rows.csv --steps 3"


def test_costs_stand_against_caps(store: Store) -> None:
    of = manifest(spec={"max_calls": 100, "max_money": 2.5, "max_minutes": 90, "max_total_tokens": 5_000})
    page = read_page(
        store, write(store, [], of=replace(of, task_model=ModelSettings(name="x", temperature=0, max_tokens=1)))
    )
    caps = {row.name: row.cap for row in page.cost.totals}
    assert caps == {"Calls": "100", "Tokens": "5,000", "US dollars": "2.50", "Time at work": "1:30:00"}
