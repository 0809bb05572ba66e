"""The commands ``race`` and ``install-peers``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from promptdescent.cli.race import install_peers, race
from promptdescent.errors import ConfigError

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


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["install-peers", "dspi", "--into", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "did you mean 'dspy'" in str(done.exception)
