"""The list of runs as text and as JSON."""

from __future__ import annotations

import json
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
        ("dev score", "0.875", "-"),
        ("result", "gain +0.250 (+0.100 to +0.400)", "-"),
        ("calls sent", "12,345", "0"),
    ]:
        start = head.index(name)
        assert one[start:].startswith(said)
        assert other[start:].startswith(missing)


def test_a_gain_that_was_not_shown_says_so() -> None:
    verdict = ListedVerdict(difference=-0.0125, interval=(-0.1, 0.075), gain_shown=False)
    assert "no gain shown: -0.013 (-0.100 to +0.075)" in listing([replace(RUN, verdict=verdict)], terminal=False)


def test_an_evaluation_says_its_score() -> None:
    scored = ListedScore(on="dev", score=0.5, interval=(0.4, 0.625))
    assert "0.500 (0.400 to 0.625) on dev rows" in listing([replace(NEW, evaluation=scored)], terminal=False)


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


def test_a_narrow_terminal_wraps_cells_and_keeps_ids_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = listing([RUN], terminal=True).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert any(line.startswith(RUN.id) for line in lines)


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
