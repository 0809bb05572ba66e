"""The commands ``race`` and ``install-peers``."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from promptdescent.cli.race import install_peers, race
from promptdescent.errors import ConfigError, KeyRefused

app = typer.Typer()
app.command("race")(race)
app.command("install-peers")(install_peers)

CRASHES = str(Path(__file__).parents[1] / "experiments" / "race_scripts" / "crashes.py")
CAPS = ("--task-tokens", "9000", "--optimizer-tokens", "4000")
MODELS = ("--task-model", "simulated:", "--task-max-tokens", "30", "--optimizer-max-tokens", "90")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small tasks as the files of a suite, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "bbh").mkdir(parents=True)
    for name in ("navigate", "web_of_lies"):
        examples = [
            {"input": f"Ann goes {number} steps. Is she back?", "target": "No" if number % 2 else "Yes"}
            for number in range(60)
        ]
        text = json.dumps({"examples": examples})
        (tmp_path / "data" / "bbh" / f"{name}.json").write_text(text, encoding="utf-8")
    return tmp_path / "data"


def command(data: Path, *more: str, contestants: str = CRASHES, tasks: str = "navigate") -> list[str]:
    sizes = ("--train-rows", "6", "--dev-rows", "6", "--test-rows", "20", "--seeds", "1")
    named = ("--tasks", tasks, "--contestants", contestants, "--store", "race", "--data-dir", str(data))
    return ["race", "bbh", *CAPS, *MODELS, *sizes, *named, *more]


def test_a_race_is_printed_and_its_holes_are_an_exit_code(data: Path) -> None:
    done = CliRunner().invoke(app, command(data, tasks="navigate,web_of_lies"))
    assert done.exit_code == 3, done.output
    assert "Race on bbh: 1 contestant, 2 tasks (navigate, web_of_lies), 1 seed" in done.stdout
    assert "crashes on navigate, seed 0: no result, it crashed (exit status 1): RuntimeError" in done.stderr
    assert "Empty on web_of_lies, seed 0: " in done.stderr
    assert (data.parent / "race" / "race.md").exists()
    again = CliRunner().invoke(app, command(data, "--quiet", tasks="navigate,web_of_lies"))
    assert [line.partition(":")[0] for line in again.stderr.splitlines()] == [
        "crashes on navigate, seed 0",
        "crashes on web_of_lies, seed 0",
        "Written",
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--contestants", "gpoo"), "did you mean 'gpo'"),
        (("--tasks", "navigat"), "did you mean 'navigate'"),
        (("--tasks", "navigate,navigate"), "--tasks names 'navigate' twice"),
        (("--task-tokens", "50"), "--task-tokens 50 is too small for navigate"),
        (("--optimizer-tokens", "50"), "--optimizer-tokens 50 is too small"),
    ],
)
def test_what_makes_no_sense_is_refused(data: Path, more: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(app, command(data, *more))
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
    assert not (data.parent / "race" / "searches").exists()
    # A folder in which nothing began is free for another race.
    assert CliRunner().invoke(app, command(data)).exit_code == 3


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may look up a name or open a connection."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_says_what_would_be_used_and_leaves_nothing(data: Path) -> None:
    named = ("--dry-run", "--seeds", "3", "--task-model", "gpt-4o-mini", "--optimizer-model", "simulated:")
    done = CliRunner().invoke(
        app, command(data, *named, contestants=f"gpo,gepa,{CRASHES}", tasks="navigate,web_of_lies")
    )
    assert done.exit_code == 3, done.output  # gepa is not installed
    assert "Race on bbh: gpo, gepa, crashes, and without a search Start, Empty; 2 tasks, 3 seeds;" in done.stdout
    assert (
        "Searches: 18, each of at most 9,000 tokens of the task model and 4,000 tokens of the optimizer" in done.stdout
    )
    lines = {
        label.strip(): (int(calls.replace(",", "")), int(tokens.replace(",", "")))
        for label, calls, tokens in re.findall(r"^(\S.*?\S) {2,}([\d,]+) +([\d,]+)$", done.stdout, re.MULTILINE)
    }
    searches, optimizer = lines["searches, task model"], lines["searches, optimizer model"]
    assert (searches[1], optimizer[1]) == (18 * 9000, 18 * 4000)
    assert 0 < searches[0] <= 18 * 9000
    # 20 rows on each of 2 tasks: both prompts once, ours 3 times, the two others 3 times in two layouts each
    rows = lines["test rows, task model"]
    assert rows[0] == 2 * 20 * (2 + 3 + 2 * 3 * 2)
    assert rows[1] > rows[0] * 30  # a reply alone may have so many
    assert lines["in all"] == tuple(sum(parts) for parts in zip(searches, optimizer, rows, strict=True))
    assert "gepa cannot run: gepa is not installed in" in done.stdout
    assert "Calls outside this machine: those of the task model." in done.stdout
    assert re.search(r"^navigate +6 +6 +20$", done.stdout, re.MULTILINE)
    assert "This was a dry run: nothing was sent and nothing was recorded." in done.stderr
    assert [path.name for path in data.parent.iterdir()] == ["data"]


@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_finds_what_makes_no_sense(data: Path) -> None:
    done = CliRunner().invoke(app, command(data, "--dry-run", "--task-tokens", "50"))
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith("--task-tokens 50 is too small for navigate")
    done = CliRunner().invoke(app, command(data, "--dry-run", "--task-model", "simulated:claer"))
    assert isinstance(done.exception, ConfigError)
    assert "simulated:claer" in str(done.exception)


@pytest.mark.usefixtures("nowhere")
def test_test_rows_are_scored_outside_only_with_consent(data: Path) -> None:
    outside = ("--task-model", "gpt-4o-mini", "--optimizer-model", "simulated:")
    refused = CliRunner().invoke(app, command(data, *outside))
    assert isinstance(refused.exception, ConfigError)
    assert re.fullmatch(
        r"beside its searches, which have caps, this race would make up to 80 calls outside this machine, about [\d,]+ "
        r"tokens, to score test rows: agree with --yes, or give fewer --test-rows; --dry-run says more",
        str(refused.exception),
    )
    assert not (data.parent / "race").exists()
    agreed = CliRunner().invoke(app, command(data, *outside, "--yes"))
    assert isinstance(agreed.exception, KeyRefused)  # it goes on, and comes as far as it can without a key


@pytest.mark.usefixtures("nowhere")
def test_searches_outside_have_their_caps_and_need_no_consent(data: Path) -> None:
    outside = ("--task-model", "simulated:", "--optimizer-model", "gpt-4o-mini")
    assert isinstance(CliRunner().invoke(app, command(data, *outside)).exception, KeyRefused)


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["install-peers", "dspi", "--into", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "did you mean 'dspy'" in str(done.exception)
