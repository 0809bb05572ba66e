"""The list of runs as text and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from promptdescent.report.columns import columns
from promptdescent.report.listing import listing, listing_json
from promptdescent.store.listing import ListedRun, ListedScore, ListedVerdict
from promptdescent.store.store import RunStatus

RUN = ListedRun(
    id="0123456789ab",
    created_at=1_000_000_000.0,
    status=RunStatus(state="finished"),
    version="0.1.0",
    recipe="gpo",
    seed=7,
    models={"task": "small", "optimizer": "large", "judge": "small"},
    best_score=0.875,
    verdict=ListedVerdict(difference=0.25, interval=(0.1, 0.4), gain_shown=True),
    evaluation=None,
    calls=12_345,
)
NEW = replace(
    RUN, id="a" * 12, status=RunStatus(state="running"), models={}, best_score=None, verdict=None, calls=0, seed=None
)


def test_a_line_per_run_that_lines_up() -> None:
    head, one, other = listing([RUN, NEW], terminal=False).splitlines()
    assert one.startswith("0123456789ab  2001-09-09 01:46  finished  gpo ")
    for name, said, missing in [
        ("seed", "7", "-"),
        ("models", "small / large", "-"),
        ("dev score", "87.5 %", "-"),
        ("result", "gain +25.0 points (+10.0 to +40.0)", "-"),
        ("calls sent", "12,345", "0"),
    ]:
        start = head.index(name)
        assert one[start:].startswith(said)
        assert other[start:].startswith(missing)


def test_a_gain_that_was_not_shown_says_so() -> None:
    verdict = ListedVerdict(difference=-0.0125, interval=(-0.1, 0.075), gain_shown=False)
    assert "no gain shown: -1.2 points (-10.0 to +7.5)" in listing([replace(RUN, verdict=verdict)], terminal=False)


def test_scores_that_are_no_shares_stay_as_they_are() -> None:
    verdict = ListedVerdict(difference=2.5, interval=(0.5, 4.0), gain_shown=True)
    run = replace(RUN, best_score=7.25, verdict=verdict)
    assert " 7.25 " in listing([run], terminal=False)
    assert "gain +2.5 (+0.5 to +4)" in listing([run], terminal=False)


def test_an_evaluation_says_its_score() -> None:
    scored = ListedScore(on="dev", score=0.5, interval=(0.4, 0.625))
    assert "50.0 % (40.0 to 62.5) on dev rows" in listing([replace(NEW, evaluation=scored)], terminal=False)


def test_tags_have_a_column_where_some_run_has_any() -> None:
    assert "tags" not in listing([RUN], terminal=False)
    head, one, other = listing([replace(RUN, tags=("keep", "v2")), NEW], terminal=False).splitlines()
    start = head.index("tags")
    assert (one[start:], other[start:]) == ("keep v2", "-")


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_in_it_acts_on_a_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bad = "\x1b[31mred\x07\nline [bold]x[/bold]"
    shown = listing([replace(RUN, recipe=bad, models={"task": bad})], terminal=terminal)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\\x1b[31mred\\x07 line" in shown
    assert "[bold]x[/bold]" in shown
    assert len(shown.splitlines()) == 2


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120])
def test_no_word_is_broken_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    models = {"task": "simulated:plain", "optimizer": "local:a-rather-long-name"}
    stopped = replace(
        RUN, status=RunStatus(state="interrupted"), models=models, recipe="gpo-paper", tags=("keep", "v2")
    )
    lines = listing([stopped, NEW], terminal=True).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 6
    (line,) = (line for line in lines if line.startswith(RUN.id))
    assert re.match(r"0123456789ab  (2001-)?09-09 01:46  interrupted  ", line)
    assert "+25.0" in " ".join(lines)


def test_what_a_narrow_terminal_has_no_room_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = {}
    for width in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        heads[width] = listing([RUN], terminal=True).splitlines()[0]
    assert [name in heads[60] for name in ("seed", "models", "calls sent", "result")] == [False, False, False, True]
    assert [name in heads[80] for name in ("seed", "models", "dev score", "result")] == [False, False, True, True]
    assert all(name in heads[200] for name in ("seed", "models", "dev score", "result", "calls sent"))


def test_json_holds_all_of_it_in_ascii() -> None:
    text = listing_json([replace(RUN, recipe="\x1bé")])
    assert text.isascii()
    (said,) = json.loads(text)
    assert said == {
        "id": "0123456789ab",
        "created_at": "2001-09-09T01:46:40+00:00",
        "status": {"state": "finished", "reason": ""},
        "version": "0.1.0",
        "recipe": "\x1bé",
        "seed": 7,
        "models": {"task": "small", "optimizer": "large", "judge": "small"},
        "best_score": 0.875,
        "verdict": {"difference": 0.25, "interval": [0.1, 0.4], "gain_shown": True},
        "evaluation": None,
        "calls": 12345,
        "prompt": "",
        "tags": [],
        "explains": "",
    }
    assert listing_json([]) == "[]"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_table_writes_out_what_would_act_on_a_terminal(terminal: bool) -> None:
    assert columns(["a\x07"], [["b\x1b[2J"]], terminal=terminal).split() == ["a\\x07", "b\\x1b[2J"]
