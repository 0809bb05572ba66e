"""Runs that a test writes step by step, and the dashboard on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.dashboard.server import DashboardServer, bound
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
    RunManifest,
    SentRequest,
    StepRecord,
    Usage,
    Verdict,
    to_json,
)
from promptdescent.report.study.files import save
from promptdescent.report.study.record import CurvePoint, StudyCell, StudyRecord, StudyRun
from promptdescent.store.ledger import RunLedger
from promptdescent.store.store import Store

START = "Is it good?"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script></hx-partial><b id=planted>bold</b> &lt;kept&gt;"
"""What a model may write."""

_ROWS = {
    "dev": tuple(Example(id=f"d{number}", inputs=(("text", f"row {number}"),), target="yes") for number in range(4)),
    "test": tuple(Example(id=f"t{number}", inputs=(("text", f"test {number}"),), target="yes") for number in range(6)),
}


def manifest(**changes: Any) -> RunManifest:
    """A search of four steps on the simulated models."""
    settings: dict[str, Any] = {
        "version": "0.1.0",
        "seed": 7,
        "recipe_name": "gpo",
        "recipe": {"search": {"candidates": 2}},
        "task_model": ModelSettings(name="simulated:clear", temperature=0.0, max_tokens=16),
        "optimizer_model": ModelSettings(name="simulated:clear", temperature=1.0, max_tokens=64),
        "task_identity": "one",
        "optimizer_identity": "two",
        "prompt": START,
        "placement": "after",
        "metric": "choice",
        "labels": ("yes", "no"),
        "task_fingerprint": "f" * 64,
        "split_sizes": {"dev": 4, "test": 6},
        "similarity": "lexical",
        "total_steps": 4,
        "max_calls": 100,
        "max_total_tokens": None,
        "cache": "store",
        "spec": {"max_calls": 100},
    }
    return RunManifest(**{**settings, **changes})


def _outcomes(rows: str, right: int) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(example=row.id, kind="answered", score=float(place < right), answer="yes", reply="yes")
        for place, row in enumerate(_ROWS[rows])
    )


class WrittenRun:
    """A run that goes on when the test says so."""

    def __init__(self, store: Store, **changes: Any) -> None:
        self.store = store
        self.id = store.create_run(manifest(**changes), _ROWS)  # type: ignore[arg-type]
        self._ledger = RunLedger(store, self.id)
        self._calls = 0
        self._best = Candidate(id="0.0", prompt=Prompt.of(START), parent=None, fate="scored", score=0.25, rows=4)

    def begin(self) -> None:
        """Start it and score the starting prompt."""
        state = OptimizerState(
            step=0,
            total_steps=4,
            survivors=(self._best,),
            past=(self._best,),
            best=self._best,
            row_scores={"0.0": (1.0, 0.0, 0.0, 0.0)},
            row_history=(),
            tried=(START,),
        )
        evaluation = Evaluation(outcomes=_outcomes("dev", 1), score=0.25)
        content = {"evaluation": json.loads(to_json(evaluation)), "state": json.loads(to_json(state)), "used": 13}

        async def write() -> None:
            await self.store.set_status(self.id, "running")
            await self._call()
            await self.store.append(self.id, "start", json.dumps(content))

        in_a_thread(write())

    def step(self, number: int, prompt: str, *, score: float = 0.5, reason: str = "tried before") -> None:
        """Commit a step: one proposal is kept, another is rejected."""
        parent = self._best.id
        kept = Candidate(
            id=f"{number}.1",
            prompt=Prompt.of(prompt),
            parent=parent,
            fate="scored",
            score=score,
            rows=4,
            request=0,
            distance=3,
        )
        rejected = Candidate(id=f"{number}.2", prompt=Prompt.of(START), parent=parent, fate="rejected", reason=reason)
        sent = SentRequest(
            purpose="proposal", message=Message(role="user", content=(f"Improve: {START}",)), parent=parent, n=2
        )
        self._best = kept
        self._calls += 1
        record = StepRecord(
            step=number,
            word_budget=40,
            requests=(sent,),
            candidates=(kept, rejected),
            survivors=(kept.id,),
            best=kept,
            total_steps=4,
            used=Usage(calls=self._calls, tokens_in=100 * self._calls, tokens_out=20),
            replies={"task": {"answered": 3, "empty": 1}},
        )

        async def write() -> None:
            await self._call()
            await self.store.append(self.id, "step", to_json(record))

        in_a_thread(write())

    def rejected_step(self, number: int) -> None:
        """Commit a step that limits no words and of which nothing was scored."""
        rejected = Candidate(
            id=f"{number}.1", prompt=Prompt.of(START), parent=self._best.id, fate="rejected", reason="tried before"
        )
        record = StepRecord(
            step=number,
            word_budget=None,
            requests=(),
            candidates=(rejected,),
            survivors=(self._best.id,),
            best=self._best,
            total_steps=4,
            used=Usage(calls=self._calls, tokens_in=100, tokens_out=20),
            replies={},
        )
        in_a_thread(self.store.append(self.id, "step", to_json(record)))

    def end(self) -> None:
        """Give the verdict and finish."""
        verdict = Verdict(
            start_score=0.5,
            best_score=0.75,
            difference=0.25,
            interval=(0.1, 0.4),
            p_value=0.004,
            rows=6,
            missing=0,
            leaked=0,
            test="exact McNemar",
            interval_method="Tango score",
            gain_shown=True,
            commonest_answer_score=0.6,
            start_outcomes=_outcomes("test", 3),
            best_outcomes=_outcomes("test", 5),
        )

        async def write() -> None:
            await self.store.append(self.id, "search ended", json.dumps({"reason": "all steps done"}))
            await self.store.append(self.id, "verdict", to_json(verdict))
            await self.store.set_status(self.id, "finished")

        in_a_thread(write())
        self.store.release(self.id)

    async def _call(self) -> None:
        usage = Usage(calls=1, tokens_in=10, tokens_out=3)
        self._calls += 1
        key = f"{self.id}/{self._calls}"
        reply = StoredReply(key=key, call=key, reply=Reply(text="yes"), usage=usage, created_at=self.store.clock())
        await self._ledger.succeed(await self._ledger.begin(key, "task", bound=usage), [reply], first_use=True)


def finished_run(store: Store, prompt: str = "Say yes or no: is it good?", **changes: Any) -> WrittenRun:
    """A whole run of two steps."""
    run = WrittenRun(store, **changes)
    run.begin()
    run.step(1, prompt)
    run.step(2, f"{prompt} Think first.", score=0.75)
    run.end()
    return run


def in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    """Do it in a loop of its own: a browser that is driven from this thread has one here already."""
    with ThreadPoolExecutor(1) as one:
        one.submit(asyncio.run, work).result(30)


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str


class Served:
    """The dashboard on a port of this machine, in a thread."""

    def __init__(self, folder: Path | str, *, token: str | None = None, port: int = 0) -> None:
        self.folder = str(folder)
        self._token = token
        self._port = port
        self._listeners: list[Listener] = []
        self.start()

    def start(self) -> None:
        """Begin, on the port that it had before if it had one."""
        listening = bound("127.0.0.1", self._port)
        self._port = listening.getsockname()[1]
        ready = threading.Event()
        self.server = DashboardServer(self.folder, token=self._token, ready=ready.set)
        self._thread = threading.Thread(target=self.server.run, args=(listening,), daemon=True)
        self._thread.start()
        assert ready.wait(20), "the server did not start"

    @property
    def address(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> float:
        """End it; returns the seconds that it took."""
        began = time.monotonic()
        self.server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server did not end"
        return time.monotonic() - began

    def hang_up(self) -> None:
        """Close all that listened."""
        for listener in self._listeners:
            listener.close()

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """What it answers; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, headers=named, method=method)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def listen(self, run: str, *, after: int = 0, last: str = "") -> Listener:
        """The stream of a run's events."""
        self._listeners.append(Listener(self._port, f"/runs/{run}/events?after={after}", last=last))
        return self._listeners[-1]


class Listener:
    """A client of a stream of events."""

    def __init__(self, port: int, path: str, *, last: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        said = f"Last-Event-ID: {last}\r\n" if last else ""
        self._socket.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{said}\r\n".encode())
        self.text = ""

    def until(self, words: str, *, seconds: float = 10.0) -> str:
        """All that came, once the words have come."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            came = self._socket.recv(65536)
            assert came, f"the stream ended before {words!r} came: {self.text[-500:]}"
            self.text += came.decode()
        return self.text

    def to_the_end(self) -> str:
        """All that comes until the server ends the stream."""
        self._socket.settimeout(10)
        while came := self._socket.recv(65536):
            self.text += came.decode()
        return self.text

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def served(folder: Path | str, **options: Any) -> Iterator[Served]:
    """The dashboard for as long as the block lasts."""
    server = Served(folder, **options)
    try:
        yield server
    finally:
        server.stop()
        server.hang_up()


def wait_until(true: Callable[[], bool], *, seconds: float = 5.0) -> float:
    """Wait until something is true; returns the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - began


def write_study(folder: Path) -> list[str]:
    """A study of two recipes over three seeds, with a store for each seed. Returns the ids of its runs."""
    runs = []
    for seed in (1, 2, 3):
        store = Store.open(folder / "runs" / "mail" / f"seed-{seed}")
        for cell in ("gpo", "opro"):
            made = finished_run(store, f"{cell} {seed}?", seed=seed, recipe_name=cell)
            score = 0.5 + 0.1 * seed + (0.05 if cell == "gpo" else 0.0)
            runs.append(
                StudyRun(
                    cell=cell,
                    task="mail",
                    seed=seed,
                    status="finished",
                    run=made.id,
                    prompt=f"{cell} {seed}?",
                    dev_score=score,
                    test_score=score,
                    start_test_score=0.5,
                    steps=2,
                    used={"task": Usage(calls=3, tokens_in=30, tokens_out=9)},
                    curve=(CurvePoint(tokens=13, dev_score=0.25), CurvePoint(tokens=39, dev_score=score)),
                )
            )
        store.close()
    save(
        StudyRecord(
            grid="two recipes",
            version="0.1.0",
            equal="steps",
            reference="gpo",
            cells=tuple(StudyCell(label=cell, recipe={"search": {}}) for cell in ("gpo", "opro")),
            tasks=("mail",),
            seeds=(1, 2, 3),
            models={"task": "simulated:clear"},
            same_steps={"mail": 2},
            runs=tuple(runs),
        ),
        folder,
    )
    return [run.run for run in runs]
