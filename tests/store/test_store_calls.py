"""The reply cache and the ledger."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from promptdescent.llm.base import StoredReply, Totals
from promptdescent.records import Reply, Usage
from promptdescent.store.ledger import RunLedger, last_failure, totals_of
from promptdescent.store.replies import CacheMode, RunReplies
from promptdescent.store.store import Store
from promptdescent.store.totals import run_totals
from store.samples import BOUND, ODD, USAGE, OpenStore, begin, example, fail, manifest, pay, replies_to, stored

pytestmark = pytest.mark.anyio


def new_run(store: Store) -> str:
    return store.create_run(manifest(), {"test": [example("a")]})


@pytest.fixture
def run_id(store: Store) -> str:
    return new_run(store)


@pytest.fixture
def ledger(store: Store, run_id: str) -> RunLedger:
    return RunLedger(store, run_id)


# --- replies ---


async def test_replies_come_back_as_they_came(store: Store, run_id: str, ledger: RunLedger) -> None:
    several = [
        StoredReply(
            key=f"k{index}",
            call="c",
            reply=Reply(text=text, finish="length", thought_chars=index),
            usage=Usage(calls=1, tokens_in=7, tokens_out=99),
            created_at=1.25,
        )
        for index, text in enumerate(["", ODD, "a" * 100_000])
    ]
    await pay(ledger, several)
    found = await replies_to(store, run_id, ["k0", "k1", "k2", "k3"], mode="run")
    assert found == {reply.key: reply for reply in several}
    assert await replies_to(store, run_id, ["k1"], mode="run") == {"k1": several[1]}
    assert await replies_to(store, run_id, []) == {}


async def test_the_first_reply_of_a_key_stays(store: Store, run_id: str, ledger: RunLedger) -> None:
    await pay(ledger, [stored("a", text="first")])
    await pay(ledger, [stored("a", text="second"), stored("b", call="a", text="b")])
    found = await replies_to(store, run_id, ["a", "b"], mode="run")
    assert {key: reply.reply.text for key, reply in found.items()} == {"a": "first", "b": "b"}
    assert ledger.totals()["task"].paid.calls == 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("store", {"own": "own", "other": "oldest"}), ("run", {"own": "own"}), ("off", {})],
)
async def test_a_mode_says_whose_replies_may_be_reused(store: Store, mode: CacheMode, expected: dict[str, str]) -> None:
    for text, at in [("newer", 400.0), ("oldest", 300.0), ("newest", 500.0)]:
        earlier = RunLedger(store, new_run(store))
        await pay(earlier, [stored("own", text=text, at=at)])
        await pay(earlier, [stored("other", text=text, at=at)])
    run_id = new_run(store)
    await pay(RunLedger(store, run_id), [stored("own", text="own", at=900.0)])

    replies = RunReplies(store, run_id, mode)
    found = await replies.find("", ["own", "other", "none"])
    assert {key: reply.reply.text for key, reply in found.replies.items()} == expected
    alone = await asyncio.gather(*[replies.find("", [name]) for name in ("own", "other")])
    assert {key: reply.reply.text for one in alone for key, reply in one.replies.items()} == expected


async def test_thousands_of_keys_are_found_at_once(store: Store, run_id: str, ledger: RunLedger) -> None:
    keys = [f"{index:064x}" for index in range(1_201)]
    await pay(ledger, [stored(key, call="c") for key in keys])
    assert set(await replies_to(store, run_id, keys)) == set(keys)


# --- the ledger ---


async def test_both_counters_by_role(ledger: RunLedger) -> None:
    await pay(ledger, [stored("a"), stored("a1", call="a")], first_use=True)
    await pay(ledger, [stored("a2", call="a")])
    await fail(ledger, "b", "optimizer")
    await fail(ledger, "b", "optimizer", lost=True)
    await begin(ledger, "c", "optimizer")
    await ledger.use("x", "task", Usage(calls=1, tokens_in=100, tokens_out=50))
    await ledger.use("j", "judge", USAGE)
    assert ledger.totals() == {
        "task": Totals(used=Usage(calls=2, tokens_in=110, tokens_out=53), paid=USAGE + USAGE),
        "optimizer": Totals(paid=Usage(calls=3), lost=BOUND),
        "judge": Totals(used=USAGE),
    }


async def test_an_answer_that_is_of_no_use_costs_its_tokens(store: Store, run_id: str, ledger: RunLedger) -> None:
    await ledger.fail(await begin(ledger, "a"), "empty", counter="empty", lost=False, usage=USAGE)
    assert ledger.totals()["task"] == Totals(paid=USAGE) == totals_of(store, run_id)["task"]


async def test_failures_are_counted_by_role_and_kind(store: Store, run_id: str, ledger: RunLedger) -> None:
    for kind in ("refused", "timeout", "timeout"):
        await ledger.fail(await begin(ledger, "a"), ODD, counter=kind, lost=False)
    await fail(ledger, "b", "judge", said="the last")
    await pay(ledger, [stored("c")])
    assert run_totals(store, run_id).failures == {"judge": {"timeout": 1}, "task": {"refused": 1, "timeout": 2}}
    assert last_failure(store, run_id, "task") == ODD
    assert last_failure(store, run_id, "judge") == "the last"
    assert last_failure(store, run_id, "optimizer") == ""


async def test_totals_are_the_same_after_reopening(open_store: OpenStore) -> None:
    first = open_store()
    run_id, other = new_run(first), new_run(first)
    ledger = RunLedger(first, run_id)
    for index in range(5):
        await pay(ledger, [stored(f"k{index}")])
        await ledger.use(f"k{index}", "task", USAGE)
    await fail(ledger, "b", "optimizer", said=ODD, lost=True)
    await begin(ledger, "never ends", "optimizer")
    await pay(RunLedger(first, other), [stored("z")])
    before = dict(ledger.totals())
    # While its process lives, it is not known to be lost.
    before["optimizer"] = replace(before["optimizer"], lost=BOUND + BOUND)
    first.close()

    second = open_store()
    assert totals_of(second, run_id) == before
    second.claim(run_id)
    reopened = RunLedger(second, run_id)
    assert reopened.totals() == before
    assert before["task"].paid == Usage(calls=5, tokens_in=50, tokens_out=15)
    assert before["optimizer"].paid.calls == 2
    assert await begin(reopened, "b", "optimizer") == 8


async def test_the_first_use_of_a_call_is_known_from_then_on(open_store: OpenStore) -> None:
    store, earlier = open_store(), open_store()
    await pay(RunLedger(earlier, new_run(earlier)), [stored("a0", call="a"), stored("b")])
    run_id = new_run(store)
    ledger = RunLedger(store, run_id)
    replies = RunReplies(store, run_id, "store")
    assert (await replies.find("a", ["a0"])).used == frozenset()
    await ledger.use("a", "task", USAGE)
    known, other = await asyncio.gather(replies.find("a", ["a0"]), replies.find("b", ["b"]))
    assert ("a" in known.used, "b" in other.used) == (True, False)
    await pay(ledger, [stored("c")], first_use=True)
    assert "c" in (await RunReplies(store, run_id, "off").find("c", ["c"])).used


async def test_attempts_have_numbers_of_their_own_under_concurrency(ledger: RunLedger) -> None:
    numbers = await asyncio.gather(*[begin(ledger, f"c{index}") for index in range(200)])
    assert sorted(numbers) == list(range(1, 201))


async def test_an_attempt_counts_before_it_ends_and_its_tokens_after(open_store: OpenStore) -> None:
    store, looker = open_store(), open_store()
    run_id = new_run(store)
    ledger = RunLedger(store, run_id)
    attempt = await begin(ledger, "a")
    assert ledger.totals()["task"].paid == Usage(calls=1)
    assert await replies_to(looker, run_id, ["a"], mode="run") == {}
    await ledger.succeed(attempt, [stored("a")], first_use=False)
    assert ledger.totals()["task"].paid == USAGE
    assert set(await replies_to(looker, run_id, ["a"], mode="run")) == {"a"}  # committed when succeed returns


async def test_what_makes_no_sense_is_refused(ledger: RunLedger) -> None:
    attempt = await begin(ledger, "a")
    with pytest.raises(ValueError, match="at least one"):
        await ledger.succeed(attempt, [], first_use=False)
    with pytest.raises(ValueError, match="share the usage"):
        await ledger.succeed(attempt, [stored("a"), stored("b", usage=Usage(calls=1))], first_use=False)
    await ledger.succeed(attempt, [stored("a")], first_use=False)
    for again in (
        ledger.succeed(attempt, [stored("a")], first_use=False),
        ledger.fail(attempt, "no", counter="timeout", lost=False),
        ledger.fail(77, "no", counter="timeout", lost=False),
    ):
        with pytest.raises(ValueError, match="not begun here or has ended already"):
            await again
    assert ledger.totals()["task"].paid == USAGE


# --- nothing that was acknowledged is lost ---


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_was_acknowledged_survives_sigkill(
    place: str, open_store: OpenStore, child: Callable[..., subprocess.Popen[str]], seed: int
) -> None:
    source = "import asyncio, sys; from store import samples; asyncio.run(samples.write_until_killed(sys.argv[1]))"
    process = child(source, place)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(Random(seed).randint(2, 900))]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait(timeout=10)

    words = [line.split() for line in said if line.endswith("\n")]
    run_id = next(word[1] for word in words if word[0] == "run")
    keys = [word[1] for word in words if word[0] == "reply"]
    notes = {f'"{word[1]}"' for word in words if word[0] == "note"}
    store = open_store()
    assert store.status(run_id).state == "interrupted"
    store.claim(run_id)
    found = await replies_to(store, run_id, keys, mode="run")
    assert {key: reply.reply.text for key, reply in found.items()} == {key: key for key in keys}
    assert notes <= {event.payload for event in store.events(run_id)}
    paid = RunLedger(store, run_id).totals()["task"].paid
    in_flight = 8
    assert len(keys) <= paid.calls <= len(keys) + 2 * in_flight  # one more each may be committed and not yet said
