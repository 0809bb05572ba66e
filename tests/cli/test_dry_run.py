"""``optimize --dry-run``: the forecast, and nothing else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from cli_samples import PROMPT, Invoke

ARGUMENTS = ("optimize", "rows.csv", "--input", "text", "--target", "label", "--prompt", PROMPT, "--dry-run")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may look up a name or open a connection."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a dry run went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_forecast_by_role_with_prices(invoke: Invoke, rows: Path) -> None:
    before = sorted(rows.parent.iterdir())
    done = invoke(*ARGUMENTS, "--task-model", "gpt-4o-mini", "--optimizer-model", "mine", "--optimizer-price", "1/2")
    assert done.returncode == 0
    table = [line.split() for line in done.stdout.splitlines()]
    assert table[0] == ["low", "likely", "high"]
    kinds = [line[:2] for line in table[1:10]]
    assert kinds[0] == ["task", "model"]
    assert kinds[3] == ["optimizer", "model"]
    assert kinds[6] == ["in", "all"]
    assert [line[-4] for line in table[1:10]] == ["calls", "tokens", "dollars"] * 3
    assert "task model gpt-4o-mini: 0.15 US dollars per million tokens read, 0.6 written (price list of" in done.stdout
    assert "optimizer model mine: 1 US dollars per million tokens read, 2 written (as given)" in done.stdout
    assert "20 train, 20 dev and 60 test rows" in done.stderr
    assert "Up to 9 steps of 8 candidates" in done.stderr
    assert "nothing was sent and nothing was recorded" in done.stderr
    assert sorted(rows.parent.iterdir()) == before, "no store is made"


def test_a_price_that_is_not_known_is_said(invoke: Invoke) -> None:
    done = invoke(*ARGUMENTS, "--task-model", "mine", "--task-base-url", "http://127.0.0.1:9/v1")
    assert done.returncode == 0
    assert "task model mine: not known; give it with --task-price IN/OUT" in done.stdout
    money = [line.split() for line in done.stdout.splitlines() if line.startswith("     ") and "US dollars" in line]
    assert money == [["US", "dollars", *["not", "known"] * 3]] * 3


def test_a_model_of_this_machine_is_not_opened(invoke: Invoke) -> None:
    done = invoke(*ARGUMENTS, "--task-model", "local:no/such/file.gguf", "--optimizer-model", "simulated:clear")
    assert done.returncode == 0
    assert "task model local:no/such/file.gguf: none, it runs on this machine" in done.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--max-calls", "100"], "--max-calls 100 is too small: one step and the verdict need"),
        (["--max-money", "0.0001"], "--max-money 0.0001 is too small: one step and the verdict need"),
        (["--max-money", "1", "--optimizer-model", "mine"], "--optimizer-price"),
        (["--task-price", "cheap"], "--task-price 'cheap' is no price"),
        (["--target-score", "90"], "the task's highest is 1"),
        (["--recipe", "gqo"], "gpo"),
    ],
    ids=["calls", "money", "money at no price", "price", "target", "recipe"],
)
def test_what_a_run_would_refuse_is_refused(invoke: Invoke, more: list[str], said: str) -> None:
    done = invoke(*ARGUMENTS, "--task-model", "gpt-4o-mini", *more)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_caps_shorten_the_planned_search(invoke: Invoke) -> None:
    done = invoke(*ARGUMENTS, "--task-model", "gpt-4o-mini", "--max-money", "0.02")
    assert done.returncode == 0
    assert "the cap leaves no room for all 9" in done.stderr
