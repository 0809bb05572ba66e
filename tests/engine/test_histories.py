"""Any history of faults, kills and caps ends where an undisturbed run on the same replies ends, and costs what it may.

The fast lane goes through the same 5 histories each time, the slow lane (``-m slow``) through 500 new ones, or as many
as ``PROMPTDESCENT_HISTORIES`` says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fault_server import CONTENT, TRANSPORT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from worlds import Account, Worlds, account_of, canonical_of, count_runs

from clients import Client
from whole_runs import count_in_flight, count_replies

FEW = 5
MANY = int(os.environ.get("PROMPTDESCENT_HISTORIES", "500"))

ATTEMPTS = 60
"""Per call, so that none fails for good: there is no reply then that an undisturbed run could be compared on."""

MOST_SILENT = 0.02
"""Silence takes a client's whole patience, and tests have not much of it."""

PRICE_IN, PRICE_OUT = 0.001, 0.004
"""US dollars per token."""

MOST_PER_ROW = 600
"""Tokens that are set aside for a call on a row, at most."""

EXIT_FAILED = 3
KILLED = -9
PATIENCE = 60.0
"""Seconds in which a run makes some progress."""

_names = count()


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The caps of a run that would use 126 calls."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None


CAPS = (
    Caps(),
    Caps(calls=95),
    Caps(calls=128),
    Caps(calls=150),
    Caps(tokens=6000),
    Caps(tokens=8000),
    Caps(tokens=20000),
    Caps(calls=140, tokens=9000),
    Caps(money=10.5),
    Caps(money=14.0),
)


@dataclass(frozen=True, kw_only=True)
class History:
    """What happens to one run."""

    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    """Faults of transport."""
    worthless: float = 0.0
    """Share of the replies that are empty, and of those that are cut off."""
    latency: float = 0.0
    concurrency: int | None = 8
    """None = it finds its own level."""
    kills: tuple[int, ...] = ()
    """Replies that are committed since the last start when the client is killed."""
    caps: Caps = Caps()


def rates_of(total: int, weights: Mapping[str, int]) -> dict[str, float]:
    """Rates of faults that add up to about ``total`` percent."""
    rates = {kind: total / 100 * weight / sum(weights.values()) for kind, weight in weights.items()}
    return {kind: min(rate, MOST_SILENT) if kind == "silence" else rate for kind, rate in rates.items()}


histories = st.builds(
    History,
    seed=st.integers(0, 2**16),
    rates=st.builds(
        rates_of, st.integers(1, 50), st.dictionaries(st.sampled_from(TRANSPORT), st.integers(1, 5), max_size=6)
    ),
    worthless=st.sampled_from((0.0, 0.0, 0.04)),
    latency=st.sampled_from((0.0, 0.0, 0.002, 0.01)),
    concurrency=st.sampled_from((1, 8, 32, None)),
    kills=st.lists(st.integers(0, 70), max_size=3).map(tuple),
    caps=st.sampled_from(CAPS),
)


class Stage:
    """Where histories are played."""

    def __init__(self, worlds: Worlds, folder: Path) -> None:
        self._worlds = worlds
        self._folder = folder
        self._clean: dict[tuple[Caps, float], dict[str, Any]] = {}

    def clean(self, history: History) -> dict[str, Any]:
        """The canonical record of the undisturbed run."""
        key = history.caps, history.worthless
        if key not in self._clean:
            undisturbed = History(worthless=history.worthless, caps=history.caps)
            self._clean[key] = canonical_of(self.play(undisturbed))
        return self._clean[key]

    def play(self, history: History) -> Path:
        """Let it happen; return the store. What must hold at any time is checked on the way."""
        name = f"history-{next(_names)}"
        store = self._folder / name
        self._worlds.make(
            name,
            seed=history.seed,
            rates=dict(history.rates),
            lasting=dict.fromkeys(CONTENT, history.worthless),
            latency=history.latency,
            late=0.01,
        )
        for kill in (*history.kills, None):
            client = self._start(name, store, history)
            if kill is not None and not self._reached(kill, client, store):
                kill = None
            if kill is None:
                assert client.wait() in ((0, EXIT_FAILED) if history.caps != Caps() else (0,)), client.log.read_text()
            else:
                client.kill()
                assert client.wait() in (KILLED, 0)
            self._check(name, store, history)
            if kill is None:
                break
        return store

    def _start(self, name: str, store: Path, history: History) -> Client:
        if count_runs(store):
            return self._worlds.resume(name, store)
        return self._worlds.begin(
            name,
            store,
            concurrency=history.concurrency,
            attempts=ATTEMPTS,
            max_calls=history.caps.calls,
            max_total_tokens=history.caps.tokens,
            max_money=history.caps.money,
            **{f"{role}_price": f"{PRICE_IN * 1e6:g}/{PRICE_OUT * 1e6:g}" for role in ("task", "optimizer")},
        )

    def _reached(self, replies: int, client: Client, store: Path) -> bool:
        """Wait until so many more replies are committed; whether the client still runs then."""
        goal = count_replies(store) + replies
        deadline = time.monotonic() + PATIENCE
        while client.poll() is None:
            if count_replies(store) >= goal:
                return True
            assert time.monotonic() < deadline, client.log.read_text()
            time.sleep(0.004)
        return False

    def _check(self, name: str, store: Path, history: History) -> None:
        """The books of both sides, at a moment when no client runs."""
        if not count_runs(store):
            return
        account, seen = account_of(store), self._worlds.seen(name)
        assert account.finished <= seen.proper
        assert account.finished <= seen.requests <= account.attempts
        assert account.asked_again == 0
        assert account.tokens <= seen.tokens <= account.tokens_at_most
        if history.caps.calls is not None:
            assert account.attempts <= history.caps.calls
        if history.caps.tokens is not None:
            assert account.tokens_at_most <= history.caps.tokens
        if history.caps.money is not None:
            assert seen.tokens_in * PRICE_IN + seen.tokens_out * PRICE_OUT <= history.caps.money


def check(history: History, stage: Stage) -> None:
    """The whole claim."""
    expected = stage.clean(history)
    store = stage.play(history)
    found = canonical_of(store)
    if found == expected:
        return
    # Only extra attempts that met a cap first may have cut it short.
    assert history.caps != Caps()
    account = account_of(store)
    assert account.attempts > account.finished
    check_prefix(found, expected)
    if found["verdict"] is None or found["verdict"]["missing"] > expected["verdict"]["missing"]:
        assert nearly_spent(history.caps, account)
    else:
        assert "cap of" in found["search"]["ended_because"]


def nearly_spent(caps: Caps, account: Account) -> bool:
    """Whether a cap leaves no room for another call on a row."""
    return (
        caps.money is not None
        or (caps.calls is not None and account.attempts == caps.calls)
        or (caps.tokens is not None and account.tokens_at_most > caps.tokens - MOST_PER_ROW)
    )


def check_prefix(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """The search record is the beginning of the expected one; a cap may have cut its last step."""
    assert found["start"] == expected["start"] or not found["start"]["rows"]
    *whole, last = found["steps"] or [None]
    assert whole == expected["steps"][: len(whole)]
    if last is None:
        return
    full = expected["steps"][len(whole)]
    assert last["requests"] == full["requests"][: len(last["requests"])]
    for one, other in zip(last["candidates"], full["candidates"], strict=False):
        assert one == other or (one["prompt"] == other["prompt"] and "cap of" in one["reason"])
    assert len(last["candidates"]) <= len(full["candidates"])


@pytest.fixture(scope="module")
def stage(worlds: Worlds, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(worlds, tmp_path_factory.mktemp("histories"))


@pytest.mark.timeout(300)
@settings(
    max_examples=FEW,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # to make a failing history simple takes minutes: the slow lane does that
    suppress_health_check=list(HealthCheck),
)
@given(history=histories)
def test_a_few_histories(history: History, stage: Stage) -> None:
    check(history, stage)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(max_examples=MANY, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories)
def test_many_histories(history: History, stage: Stage) -> None:
    check(history, stage)


@pytest.mark.parametrize(
    "concurrency", [pytest.param(1, marks=pytest.mark.slow), 8, pytest.param(32, marks=pytest.mark.slow)]
)
def test_kills_with_replies_in_flight(concurrency: int, stage: Stage) -> None:
    """A kill loses what was in flight and nothing else."""
    kills = (20, 30, 40)
    history = History(latency=0.01 if concurrency == 1 else 0.1, concurrency=concurrency, kills=kills)
    store = stage.play(history)
    assert canonical_of(store) == stage.clean(history)
    assert concurrency / 4 <= count_in_flight(store) <= len(kills) * concurrency
