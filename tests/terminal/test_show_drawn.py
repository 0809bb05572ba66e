"""``promptdescent show`` at a terminal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from terminal_samples import HOSTILE, Terminal, write

from promptdescent.cli.drawing import sparkline
from promptdescent.cli.show import show
from promptdescent.records import Effect, Explanation, PieceEffect, PrunedPrompt, to_json
from promptdescent.report.record import run_record
from promptdescent.report.text import summary
from promptdescent.store.store import Store
from promptdescent.store.tags import change_tags
from report.report_samples import BEST, START, write_run


def test_the_verdict_comes_first_and_all_of_the_rest_after_it(store: Store, folder: Path, tty: Terminal) -> None:
    run = write_run(store, failures=2)
    asyncio.run(change_tags(store, run, add=["keep"]))
    show(run, store=str(folder))
    words = tty.words
    places = [
        words.index(part)
        for part in (
            f"Run {run} · gpo, seed 7 · finished",
            "tags: keep",
            "The found prompt is better: it scores 75.0 %, the starting prompt 50.0 %: a difference of +25.0 points "
            "(95 % interval +10.0 to +40.0 points",
            "Failures of the task model: attempts that failed: 2 server errors",
            "Dev score by step ▁█ 50.0 % to 100.0 %, 1 of 4 steps; the search ended: perfect dev score",
            "best prompt",
            BEST,
            "from the starting prompt",
            "5 words apart; 3 words before, 7 after",
            "cost used sent and paid forecast cap",
            f"More: promptdescent report {run}, explain {run}, serve, show {run} --json",
        )
    ]
    assert places == sorted(places)
    assert "\x1b[1;32mThe found prompt is better" in tty.getvalue()


def test_a_narrow_terminal_cuts_nothing(
    store: Store, folder: Path, tty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    write_run(store)
    show("latest", store=str(folder))
    assert "5 words apart; 3 words before, 7 after" in tty.words
    assert "…" not in tty.words


def test_a_pipe_gets_the_plain_text(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(store)
    show(run, store=str(folder))
    assert capsys.readouterr().out == summary(run_record(store, run)) + "\n"


def test_json_is_json_at_a_terminal_too(
    store: Store, folder: Path, tty: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(store)
    show(run, as_json=True, store=str(folder))
    assert json.loads(capsys.readouterr().out)["id"] == run
    assert tty.getvalue() == ""


def test_nothing_in_a_record_acts_on_the_terminal(store: Store, folder: Path, tty: Terminal) -> None:
    write(store, best=HOSTILE, recipe_name="[blink]gpo[/blink]\x1b[2J")
    show("latest", store=str(folder))
    assert r"[blink]gpo[/blink]\x1b[2J" in tty.words
    assert r"Say \x1b[31mred\x07 [bold]yes[/bold] :smile: <script>" in tty.words
    for acting in ("\x07", "\x1b[2J", "\x1b[31mred"):
        assert acting not in tty.getvalue()


def test_a_run_that_failed_says_so_and_how_to_go_on(store: Store, folder: Path, tty: Terminal) -> None:
    run = write_run(store, verdict=None)
    show(run, store=str(folder))
    assert r"the endpoint went away\x1b[31m" in tty.words
    assert f"promptdescent resume {run}" in tty.words
    assert "No verdict" in tty.words


def test_a_search_that_found_nothing_shows_one_prompt(store: Store, folder: Path, tty: Terminal) -> None:
    write(store, best=START)
    show("latest", store=str(folder))
    assert "best prompt: the starting prompt" in tty.words
    assert "word by word" not in tty.words


def test_what_matters_is_said_in_a_line_each_with_the_command_for_more(
    store: Store, folder: Path, tty: Terminal
) -> None:
    run = write_run(store)
    effect = Effect(difference=0.07, interval=(0.02, 0.12), rows=40)
    cut = BEST.index("is it")

    def piece(start: int, end: int, *, matters: bool) -> PieceEffect:
        return PieceEffect(
            start=start, end=end, average=effect, removed=None, p_value=0.01, matters=matters, brought_by="1.1"
        )

    measured = Explanation(
        run="a" * 12,
        version="0.7.0",
        prompt=BEST,
        score=1.0,
        rows=40,
        prompts=16,
        most_calls=1_000,
        calls=640,
        pieces=(piece(0, cut, matters=True), piece(cut, len(BEST), matters=False)),
        pairs=(),
        pruned=PrunedPrompt(prompt=BEST[:cut], left_out=(1,), effect=effect),
        doubts=(),
    )
    store.claim(run)
    asyncio.run(store.append(run, "explanation", to_json(measured)))
    store.release(run)
    show(run, store=str(folder))
    words = tty.words
    assert "+7.0 points (+2.0 to +12.0) Say yes or no:" in words
    assert ") is it good?" not in words
    assert "A shorter prompt that loses nothing measurable is on record" in words
    assert f"All pieces and rows: promptdescent report {run}" in words


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], ""), ([0.5], "▅"), ([0.5, 0.5], "▅▅"), ([0.0, None, 1.0], "▁·█"), ([0.0, 0.5, 1.0], "▁▅█"), ([None], "")],
    ids=["none", "one", "level", "gap", "rise", "unknown"],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(values: list[float | None], drawn: str) -> None:
    assert sparkline(values) == drawn
