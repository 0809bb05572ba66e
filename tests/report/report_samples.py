"""Runs written by hand, for the tests of reports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from promptdescent.llm.base import StoredReply
from promptdescent.records import (
    Candidate,
    Evaluation,
    Example,
    Message,
    ModelSettings,
    OptimizerState,
    Outcome,
    Prompt,
    Reply,
    Role,
    RunManifest,
    SentRequest,
    StepRecord,
    Usage,
    Verdict,
    to_json,
)
from promptdescent.store.ledger import RunLedger
from promptdescent.store.store import Store

START, BEST = "Is it good?", "Say yes or no: is it good?"

VERDICT = Verdict(
    start_score=0.5,
    best_score=0.75,
    difference=0.25,
    interval=(0.1, 0.4),
    p_value=0.004,
    rows=40,
    missing=0,
    leaked=0,
    test="exact McNemar",
    interval_method="Tango score",
    gain_shown=True,
    commonest_answer_score=0.6,
    start_outcomes=(
        Outcome(example="t1", kind="answered", score=1.0, answer="yes", reply="yes"),
        Outcome(example="t2", kind="empty", score=0.0),
    ),
    best_outcomes=(
        Outcome(example="t1", kind="answered", score=1.0, answer="yes", reply="yes"),
        Outcome(example="t2", kind="cut off", score=0.0, reply="well"),
    ),
)

TEST_ROWS = tuple(Example(id=f"t{number}", inputs=(("text", "x"),), target="yes") for number in (1, 2, 3))


class Ticking:
    """A clock that goes on by one second each time it is read."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def manifest(
    *, task_model: str = "simulated:clear", identity: str = "one", cache: str = "store", **changes: Any
) -> RunManifest:
    return RunManifest(
        version="0.1.0",
        seed=7,
        recipe_name="gpo",
        recipe={"search": {"candidates": 2}},
        task_model=ModelSettings(name=task_model, temperature=0.0, max_tokens=16),
        optimizer_model=ModelSettings(name="simulated:clear", temperature=1.0, max_tokens=64),
        task_identity=identity,
        optimizer_identity="two",
        prompt=START,
        placement="after",
        metric="choice",
        labels=("yes", "no"),
        task_fingerprint="f" * 64,
        split_sizes={"train": 1, "dev": 2, "test": 3},
        leaked=("t3",),
        similarity="lexical",
        total_steps=4,
        max_calls=None,
        max_total_tokens=None,
        cache=cache,  # type: ignore[arg-type]
        **changes,
    )


def first_state() -> OptimizerState:
    start = Candidate(id="0.0", prompt=Prompt.of(START), parent=None, fate="scored", score=0.5, rows=2)
    return OptimizerState(
        step=0,
        total_steps=4,
        survivors=(start,),
        past=(start,),
        best=start,
        row_scores={"0.0": (1.0, 0.0)},
        row_history=(),
        tried=(START,),
    )


def step(best: str = BEST) -> StepRecord:
    """The first step: one proposal is scored and selected, one is rejected."""
    found = Candidate(id="1.1", prompt=Prompt.of(best), parent="0.0", fate="scored", score=1.0, rows=2, distance=4)
    rejected = Candidate(id="1.2", prompt=Prompt.of(START), parent="0.0", fate="rejected", reason="tried before")
    sent = SentRequest(
        purpose="proposal", message=Message(role="user", content=("Improve ", "this.")), parent="0.0", n=3, failed=1
    )
    return StepRecord(
        step=1,
        word_budget=48,
        requests=(sent,),
        candidates=(found, rejected),
        survivors=("1.1",),
        stop="perfect dev score",
        best=found,
        total_steps=4,
    )


async def call(store: Store, ledger: RunLedger, key: str, role: Role, *, failures: int = 0) -> None:
    """One call that the run uses, after so many attempts that failed."""
    usage = Usage(calls=1, tokens_in=10, tokens_out=3)
    for _ in range(failures):
        number = await ledger.begin(key, role, bound=usage)
        await ledger.fail(number, "it fell over", counter="server error", lost=False)
    reply = StoredReply(key=key, call=key, reply=Reply(text="yes"), usage=usage, created_at=store.clock())
    await ledger.succeed(await ledger.begin(key, role, bound=usage), [reply], first_use=True)


def start_event() -> str:
    outcomes = (
        Outcome(example="d1", kind="answered", score=1.0, answer="yes", reply="yes"),
        Outcome(example="d2", kind="unreadable", score=0.0, reply="?"),
    )
    evaluation = Evaluation(outcomes=outcomes, score=0.5)
    return json.dumps(
        {"evaluation": json.loads(to_json(evaluation)), "state": json.loads(to_json(first_state())), "used": 13}
    )


async def _write(
    store: Store, run: str, *, best: str, verdict: Verdict | None, note: str, killed_once: bool, failures: int
) -> None:
    ledger = RunLedger(store, run)
    await store.append(run, "note", json.dumps({"text": note}))
    await store.set_status(run, "running")
    await call(store, ledger, f"{run}/1", "task", failures=failures)
    await store.append(run, "start", start_event())
    if killed_once:
        await store.set_status(run, "running")
    await call(store, ledger, f"{run}/2", "optimizer")
    await store.append(run, "step", to_json(step(best)))
    await store.append(run, "search ended", json.dumps({"reason": "perfect dev score"}))
    if verdict is None:
        await store.set_status(run, "failed", "the endpoint went away\x1b[31m")
    else:
        await store.append(run, "verdict", to_json(verdict))
        await store.set_status(run, "finished")


def write_run(
    store: Store,
    *,
    run_manifest: RunManifest | None = None,
    best: str = BEST,
    verdict: Verdict | None = VERDICT,
    note: str = "48 rows of /data/rows.csv",
    killed_once: bool = False,
    failures: int = 0,
) -> str:
    """A whole run of one step; without a verdict it failed. Returns its id."""
    rows = {"test": TEST_ROWS}
    run = store.create_run(run_manifest or manifest(), rows)  # type: ignore[arg-type]
    work = _write(store, run, best=best, verdict=verdict, note=note, killed_once=killed_once, failures=failures)
    asyncio.run(work)
    store.release(run)
    return run


def open_store(folder: Path) -> Store:
    return Store.open(folder, clock=Ticking())
