"""Small values for the tests of the store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from promptdescent.llm.base import StoredReply
from promptdescent.records import Example, ModelSettings, Reply, Role, RunManifest, Usage
from promptdescent.store.ledger import RunLedger
from promptdescent.store.replies import CacheMode, RunReplies
from promptdescent.store.store import Store

OpenStore = Callable[[], Store]

ODD = "Grüße 👋 \x00 \ud83d \u2028 'quoted' \\ %s :name"
"""Characters that databases, drivers and encodings trip over; among them NUL and a lone surrogate."""

USAGE = Usage(calls=1, tokens_in=10, tokens_out=3)

BOUND = Usage(calls=1, tokens_in=40, tokens_out=16)
"""The most that an attempt here can have."""


def manifest(*, seed: int = 0) -> RunManifest:
    """Of a run on nothing in particular."""
    model = ModelSettings(name="some-model", temperature=0.0, max_tokens=16)
    return RunManifest(
        version="0.1.0",
        seed=seed,
        recipe_name="gpo",
        recipe={"search": {"steps": 3}},
        task_model=model,
        optimizer_model=model,
        task_identity="task",
        optimizer_identity="optimizer",
        similarity="lexical",
        prompt="Is it good?",
        placement="after",
        metric="choice",
        labels=("yes", "no"),
        task_fingerprint="f" * 64,
        split_sizes={"train": 1, "test": 2},
        total_steps=3,
        max_calls=None,
        max_total_tokens=None,
        cache="store",
    )


def example(name: str) -> Example:
    return Example(id=name, inputs=(("text", f"text of {name}"), ("lang", "de")), target="yes")


def stored(key: str, *, call: str = "", text: str = "yes", at: float = 500.0, usage: Usage = USAGE) -> StoredReply:
    return StoredReply(key=key, call=call or key, reply=Reply(text=text), usage=usage, created_at=at)


async def pay(ledger: RunLedger, replies: Sequence[StoredReply], *, first_use: bool = False) -> None:
    """One call of the task model that brings ``replies``."""
    await ledger.succeed(await begin(ledger, replies[0].call), replies, first_use=first_use)


async def begin(ledger: RunLedger, call: str, role: Role = "task") -> int:
    """An attempt that has at most the tokens of ``BOUND``."""
    return await ledger.begin(call, role, bound=BOUND)


async def fail(ledger: RunLedger, call: str, role: Role = "task", *, said: str = "no", lost: bool = False) -> None:
    """An attempt that times out."""
    await ledger.fail(await begin(ledger, call, role), said, counter="timeout", lost=lost)


async def replies_to(
    store: Store, run_id: str, keys: Sequence[str], *, mode: CacheMode = "store"
) -> Mapping[str, StoredReply]:
    """What the run may reuse of the keys."""
    return (await RunReplies(store, run_id, mode).find("", keys)).replies


async def write_until_killed(where: str) -> None:
    """In a child process: pay and report what is committed, one line each, eight side by side."""
    store = Store.open(where)
    run_id = store.create_run(manifest(), {"test": [example("a")]})
    ledger = RunLedger(store, run_id)
    os.write(1, f"run {run_id}\n".encode())

    async def work(worker: int) -> None:
        for turn in range(100_000):
            key = f"{worker}.{turn}"
            await pay(ledger, [stored(key, text=key)])
            os.write(1, f"reply {key}\n".encode())
            if turn % 5 == 0:
                await store.append(run_id, "note", f'"{key}"')
                os.write(1, f"note {key}\n".encode())

    await asyncio.gather(*[work(worker) for worker in range(8)])
