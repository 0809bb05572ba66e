"""What a run gets in a bad world: the right result, or a clear end with everything that was paid for kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_server import TRANSPORT
from worlds import Worlds, account_of, canonical_of, record_of

EXIT_FAILED = 3

KEY_REFUSED = "answered 401"
LOST = "task calls in a row failed for good (counter 'lost')"


@pytest.fixture(scope="module")
def clean(worlds: Worlds, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The canonical record of the run in a world without faults."""
    store = tmp_path_factory.mktemp("clean") / "store"
    worlds.make("clean")
    assert worlds.begin("clean", store, concurrency=8).wait() == 0
    return canonical_of(store)


def check_books(worlds: Worlds, world: str, store: Path) -> None:
    """What both sides have on record fits together."""
    account, seen = account_of(store), worlds.seen(world)
    assert account.finished <= seen.requests <= account.attempts
    assert account.finished <= seen.proper
    assert account.tokens <= seen.tokens <= account.tokens_at_most
    assert account.asked_again == 0


@pytest.mark.parametrize("fault", TRANSPORT)
def test_a_fault_of_transport_changes_no_result(
    fault: str, worlds: Worlds, clean: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    worlds.make(fault, seed=1, rates={fault: 0.1})
    client = worlds.begin(fault, store, concurrency=8)
    assert client.wait() == 0, client.log.read_text()
    assert worlds.seen(fault).faults[fault] >= 3
    check_books(worlds, fault, store)
    assert canonical_of(store) == clean


@pytest.mark.parametrize(("total", "attempts"), [(0.01, 6), (0.1, 6), (0.5, 40)])
def test_a_mix_of_faults_changes_no_result(
    total: float, attempts: int, worlds: Worlds, clean: dict[str, Any], tmp_path: Path
) -> None:
    world, store = f"mix-{total}", tmp_path / "store"
    worlds.make(world, seed=2, rates=dict.fromkeys(TRANSPORT, total / len(TRANSPORT)))
    client = worlds.begin(world, store, concurrency=8, attempts=attempts)
    assert client.wait() == 0, client.log.read_text()
    check_books(worlds, world, store)
    assert canonical_of(store)["best"]["prompt"] == clean["best"]["prompt"]
    assert canonical_of(store) == clean


@pytest.mark.parametrize(
    ("status", "said", "in_flight"),
    [
        pytest.param(401, KEY_REFUSED, False, id="key"),
        pytest.param(401, KEY_REFUSED, True, id="key, others in flight"),
        pytest.param(503, LOST, False, id="overload"),
        pytest.param(503, LOST, True, id="overload, others in flight"),
    ],
)
def test_a_server_that_serves_no_more(
    status: int, said: str, in_flight: bool, worlds: Worlds, clean: dict[str, Any], tmp_path: Path
) -> None:
    world, store = f"end-{status}-{in_flight}", tmp_path / "store"
    # Calls that are tried again meet the end while later ones are served.
    more = {"latency": 0.05, "rates": {"429": 0.3}} if in_flight else {}
    worlds.make(world, ends_after=40, ends_with=status, **more)
    client = worlds.begin(world, store, concurrency=8, attempts=6 if in_flight else 2)
    assert client.wait() == EXIT_FAILED
    assert said in client.log.read_text()
    check_books(worlds, world, store)
    assert account_of(store).tokens == worlds.seen(world).tokens  # all that was paid for is kept

    worlds.change(world, ends_after=None)
    assert worlds.resume(world, store).wait() == 0
    check_books(worlds, world, store)
    assert canonical_of(store) == clean


def test_an_empty_reply_is_asked_for_once_more(worlds: Worlds, clean: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    worlds.make("empty-once", seed=4, rates={"empty": 0.1})
    assert worlds.begin("empty-once", store, concurrency=8).wait() == 0
    assert worlds.seen("empty-once").faults["empty"] >= 5
    assert canonical_of(store) == clean


@pytest.mark.parametrize("fault", ["empty", "cut off"])
def test_replies_worth_nothing_are_counted_as_such(
    fault: str, worlds: Worlds, clean: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    worlds.make("worthless", seed=3, lasting={fault: 0.25})
    assert worlds.begin("worthless", store, concurrency=8).wait() == 0
    replies, before = record_of(store)["replies"], clean["replies"]
    for rows in ("start_on_dev", "start_on_test", "best_on_test"):
        assert replies[rows].get(fault, 0) > before[rows].get(fault, 0)
        assert sum(replies[rows].values()) == sum(before[rows].values())
