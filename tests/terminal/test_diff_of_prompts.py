"""``promptdescent diff``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from terminal_samples import HOSTILE, Terminal, write

from promptdescent.cli.diff import diff
from promptdescent.cli.drawing import marked
from promptdescent.errors import ConfigError, StoreError
from promptdescent.records import PromptScore, ScoredRows, to_json
from promptdescent.report.comparing_prompts import compare_prompts
from promptdescent.store.store import Store
from promptdescent.text import word_diff
from report.report_samples import manifest


def test_one_run_is_its_way_from_the_starting_to_the_best_prompt(
    store: Store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(store)
    diff("latest", store=str(folder))
    assert capsys.readouterr().out == (
        f"- starting prompt of {run}: dev score 50.0 % on 2 rows, test score 50.0 % on 20 rows\n"
        f"+ best prompt of {run}: dev score 100.0 % on 2 rows, test score 100.0 % on 20 rows\n"
        "5 words apart; 3 words before, 7 after\n"
        "\n"
        "[-Is-] {+Say yes or no: is+} it good?\n"
    )


def test_one_word_is_one_word(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(store, prompt="Good?", best="Bad?")
    diff("latest", store=str(folder))
    assert "1 word apart; 1 word before, 1 after\n" in capsys.readouterr().out


@pytest.mark.parametrize(("on", "said"), [("dev", "dev score"), ("test", "test score"), ("all", "score on all rows")])
def test_the_prompt_of_an_evaluation_has_its_score(
    store: Store, folder: Path, on: ScoredRows, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = PromptScore(
        on=on,
        score=0.75,
        interval=(0.3, 0.95),
        interval_method="Wilson score",
        rows=4,
        missing=0,
        leaked=0,
        commonest_answer_score=None,
        outcomes=(),
    )
    run = store.create_run(replace(manifest(), spec={"evaluate_on": on}), {})
    asyncio.run(store.append(run, "evaluation", to_json(scored)))
    store.release(run)
    diff(run, store=str(folder))
    assert f"best prompt of {run}: {said} 75.0 % on 4 rows\n" in capsys.readouterr().out


def test_two_runs_are_their_best_prompts(store: Store) -> None:
    first, second = write(store, best="Is it very good?"), write(store, best="Is it not good?")
    compared = compare_prompts(store, first, second)
    assert (compared.before.text, compared.after.text) == ("Is it very good?", "Is it not good?")
    assert compared.diff.distance == 1


@pytest.mark.parametrize(
    ("name", "text", "dev", "test"),
    [
        ("latest:start", "Is it good?", 0.5, 0.5),
        ("latest:0.0", "Is it good?", 0.5, 0.5),
        ("latest:best", "Say yes or no: is it good?", 1.0, 1.0),
        ("latest:1.1", "Say yes or no: is it good?", 1.0, 1.0),
        ("latest:1.2", "Is it good?", None, None),
    ],
)
def test_a_prompt_is_named_by_its_run_and_what_it_is_there(
    store: Store, name: str, text: str, dev: float | None, test: float | None
) -> None:
    write(store)
    found = compare_prompts(store, name).after
    assert (found.text, found.dev_score, found.test_score) == (text, dev, test)


def test_why_a_candidate_was_left_is_said(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(store)
    diff(f"{run}:1.2", store=str(folder))
    assert f"+ candidate 1.2 of {run}: rejected: tried before\nthe same words\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("latest:worst", ConfigError, "names no prompt"),
        ("latest:", ConfigError, "names no prompt"),
        (":best", ConfigError, "names no prompt"),
        ("latest:7.1", StoreError, "no candidate 7.1; the last step is 1"),
        ("nothing:best", StoreError, "no run 'nothing'"),
    ],
)
def test_what_names_no_prompt_is_an_error(store: Store, name: str, error: type[Exception], said: str) -> None:
    write(store)
    with pytest.raises(error, match=said):
        compare_prompts(store, name)


def test_json_can_be_put_together_again(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(store)
    diff("latest", as_json=True, store=str(folder))
    said = json.loads(capsys.readouterr().out)
    assert (said["distance"], said["before"]["which"], said["after"]["which"]) == (5, "start", "best")
    kept = "".join(part["text"] for part in said["parts"] if part["kind"] != "delete")
    assert kept.split() == said["after"]["text"].split()


def test_a_terminal_shows_colours_with_lines_under_and_through(store: Store, folder: Path, tty: Terminal) -> None:
    write(store)
    diff("latest", store=str(folder))
    assert "\x1b[9;31mIs\x1b[0m" in tty.getvalue()
    assert "\x1b[4;32mSay yes or no: is\x1b[0m" in tty.getvalue()
    assert "{+" not in tty.words


def test_without_colours_a_terminal_shows_marks(
    store: Store, folder: Path, tty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    write(store)
    diff("latest", store=str(folder))
    assert "[-Is-] {+Say yes or no: is+} it good?" in tty.words
    assert "\x1b[4;32m" not in tty.getvalue()


def test_a_prompt_cannot_act_on_the_terminal(store: Store, folder: Path, tty: Terminal) -> None:
    write(store, best=HOSTILE)
    diff("latest", store=str(folder))
    assert r"Say \x1b[31mred\x07 [bold]yes[/bold] :smile: <script>" in tty.words
    assert "\x07" not in tty.getvalue()
    assert "\x1b[31mred" not in tty.getvalue()


def test_marks_stand_close_around_words_and_never_around_the_space_after_them() -> None:
    assert marked(word_diff("a b\n\nc", "a x\n\nc d")) == "a [-b-]\n\n{+x+}\n\nc {+d+} "
