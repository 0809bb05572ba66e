"""A run over HTTP is replayed where there is no server, no key and no file of rows; a fork shares its past."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest

import promptdescent
from promptdescent.report.record import canonical, run_record
from promptdescent.store.store import Store
from whole_runs import kill_after, optimize_arguments, record, run, write_rows

KEY = "PROMPTDESCENT_TEST_KEY"


@dataclass(kw_only=True)
class Server:
    """Answers whether a number is even, more often right when told to think; or writes such a prompt."""

    most_samples: int = 8
    refuses: str = ""
    """A parameter that it answers with 400."""
    broken: tuple[int, ...] = ()
    """Numbers that it fails on, every time."""
    seconds: float = 0.0
    thinking: int = 0
    """Words before its answer."""
    timed: bool = False
    """The run's clock goes by its calls, a second for each, in place of by the real time."""
    base_url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    def clock(self) -> float:
        return len(self.calls)

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and content."""
        self.calls.append(body)
        text = body["messages"][-1]["content"]
        time.sleep(self.seconds * (crc32(text.encode()) % 4))  # so that calls overtake each other
        if self.refuses in body:
            error = {"message": f"Unsupported parameter: '{self.refuses}'", "param": self.refuses}
            return 400, {"error": {**error, "code": "unsupported_parameter"}}
        if text.startswith("Is "):
            number = int(text.split()[1])
            if number in self.broken:
                return 500, {"error": {"message": "it broke"}}
            right = crc32(text.encode()) % 10 < (7 if "Think" in text else 5)
            texts = ["Hm. " * self.thinking + ("yes" if right == (number % 2 == 0) else "no")]
        else:
            count = min(body.get("n", 1), self.most_samples)
            texts = [f"<prompt>Think of {word(body['seed'] + i)}: yes or no?</prompt>" for i in range(count)]
        choices = [
            {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": one}}
            for i, one in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(text.split()), "completion_tokens": sum(len(one.split()) for one in texts)}
        return 200, {"choices": choices, "usage": usage}


def word(seed: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(seed))


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server at a port of this machine, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": "fake", "owned_by": "tests"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Authorization"] != "Bearer hunter22":
                self.reply(401, {"error": {"message": "no such key"}})
            else:
                self.reply(*server.answer(body))

        def reply(self, status: int, content: dict[str, Any]) -> None:
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client whose time is up hangs up."""

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.base_url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def rows_file(folder: Path) -> Path:
    file = folder / "rows.csv"
    rows = [f"Is {number} an even number?,{'no' if number % 2 else 'yes'}" for number in range(100)]
    file.write_text("\n".join(["q,a", *rows]) + "\n")
    return file


def optimize(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> promptdescent.RunResult:
    """A run that needs its server, a key and a file."""
    if server.timed:
        clock = SimpleNamespace(monotonic=server.clock, process_time=time.process_time)
        monkeypatch.setattr("promptdescent.engine.time", clock)
        monkeypatch.setattr("promptdescent.llm.profile.time", clock)
    monkeypatch.setenv(KEY, "hunter22")
    wanted = {"steps": 3, "candidates": 3, "seed": 4, "attempts": 2, "concurrency": 8, **settings}
    result = promptdescent.optimize(
        rows_file(folder),
        input="q",
        target="a",
        prompt="Yes or no?",
        task_model="fake",
        base_url=server.base_url,
        task_api_key_env=KEY,
        store=folder / "store",
        **wanted,
    )
    monkeypatch.delenv(KEY)
    return result


def moved(folder: Path) -> Path:
    """The store alone, as on another machine."""
    shutil.copytree(folder / "store", folder / "elsewhere")
    shutil.rmtree(folder / "store")
    (folder / "rows.csv").unlink()
    return folder / "elsewhere"


def shown(store: Path, name: str) -> dict[str, Any]:
    """The record of a run."""
    opened = Store.open(store)
    try:
        return run_record(opened, name)
    finally:
        opened.close()


def paid(record: dict[str, Any]) -> int:
    return sum(role["paid"]["calls"] for role in record["usage"].values())


def test_a_replay_says_that_it_is_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Server()) as server:
        first = optimize(server, tmp_path, monkeypatch, steps=1)
    replayed = run("rerun", first.run[:6], "--replay-only", "--quiet", "--store", moved(tmp_path))
    assert replayed.stderr == ""
    assert f"Run {first.run} once more" in replayed.stdout
    assert f"Replayed without a call: the canonical record equals that of run {first.run}." in replayed.stdout


WORLDS = {
    "plain": (Server(), {}),
    "refuses a temperature": (Server(refuses="temperature"), {}),
    "one sample a call": (Server(most_samples=1), {}),
    "two samples a call": (Server(most_samples=2), {}),
    "lost rows": (Server(broken=(3, 44, 61)), {"dev_rows": 40, "train_rows": 20, "test_rows": 40}),
    "no cache": (Server(), {"cache": "off"}),
    "a cap on calls": (Server(), {"max_calls": 280, "whole_steps": True, "steps": 9}),
    "a cap on tokens": (Server(thinking=400), {"max_total_tokens": 80_000, "steps": 9, "task_max_tokens": 500}),
    "a cap on time": (Server(timed=True), {"max_minutes": 10, "steps": 60, "patience": 0, "task_max_tokens": 16}),
}


@pytest.mark.parametrize("world", WORLDS)
def test_a_run_is_replayed_without_its_server(world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, settings = WORLDS[world]
    with serving(server):
        first = optimize(server, tmp_path, monkeypatch, **settings)
    asked = len(server.calls)
    store = moved(tmp_path)
    second = promptdescent.rerun(replay_only=True, store=store)
    before, after = shown(store, first.run), shown(store, second.run)
    assert canonical(before) == canonical(after)
    assert after["id"] != first.run
    assert after["origin"] == {"run": first.run, "forked_at": None}
    assert paid(before) > 0 == paid(after)
    assert len(server.calls) == asked
    if world.startswith("a cap"):
        assert "--max-" in after["search"]["ended_because"]
    if world == "a cap on tokens":
        assert any(one["fate"] == "failed" for one in after["steps"][-1]["candidates"])
    if world == "lost rows":
        assert any("missing" in kinds for kinds in after["replies"].values())
    if world == "refuses a temperature":
        assert sum("temperature" in body for body in server.calls) < asked / 2


def test_a_replay_fails_at_the_first_request_that_was_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Server()) as server:
        first = optimize(server, tmp_path, monkeypatch)
    store = moved(tmp_path)
    connection = sqlite3.connect(store / "store.db")
    connection.execute("delete from replies where text like '%Think of%' and attempt > 100")
    connection.commit()
    connection.close()
    replayed = run("rerun", "latest", "--replay-only", "--store", store, check=3)
    found: dict[str, Any] = record(store)
    assert f"the replay of run {first.run} came to a request of the optimizer model" in replayed.stderr
    step = re.search(r"\(step (\d), proposal/0\)", replayed.stderr)
    assert step is not None
    assert f"promptdescent rerun {first.run}" in replayed.stderr
    assert (found["status"], found["search"]["steps_done"], paid(found)) == ("failed", int(step[1]) - 1, 0)


def test_a_replay_that_never_gets_a_reply_fails_by_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Server()) as server:
        optimize(server, tmp_path, monkeypatch, steps=1)
    store = moved(tmp_path)
    connection = sqlite3.connect(store / "store.db")
    connection.execute("delete from replies")
    connection.commit()
    connection.close()
    replayed = run("rerun", "latest", "--replay-only", "--store", store, check=3)
    assert "a request of the task model" in replayed.stderr


def test_a_fork_shares_the_past_and_goes_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(broken=(3, 44, 61))
    settings = {"steps": 4, "dev_rows": 40, "train_rows": 20, "test_rows": 40}
    with serving(server):
        first = optimize(server, tmp_path, monkeypatch, **settings)
        before: dict[str, Any] = record(tmp_path / "store")
        server.broken = ()  # what had failed for good fails again in the common past, although it would be answered now
        asked = len(server.calls)
        monkeypatch.setenv(KEY, "hunter22")
        promptdescent.rerun(first.run, from_step=3, seed=9, store=tmp_path / "store")
        monkeypatch.delenv(KEY)
    after: dict[str, Any] = record(tmp_path / "store")
    assert [step["step"] for step in after["steps"]] == [1, 2, 3, 4]
    assert after["steps"][:2] == before["steps"][:2]
    for step in (2, 3):
        old, new = (one["steps"][step]["candidates"] for one in (before, after))
        assert {one["prompt"] for one in old}.isdisjoint(one["prompt"] for one in new)
    assert after["start"] == before["start"]
    assert (after["origin"], after["later_seeds"]) == ({"run": first.run, "forked_at": 3}, [[3, 9]])
    of_the_past = {candidate["prompt"] for step in before["steps"][:2] for candidate in step["candidates"]}
    sent = [body["messages"][-1]["content"] for body in server.calls[asked:]]
    assert sent
    best = after["best"]["prompt"]
    assert not [text for text in sent if any(text.endswith(prompt) for prompt in of_the_past - {best})]
    assert f"Forked from {first.run} at step 3 with seed 9" in run("show", "--store", tmp_path / "store").stdout
    replayed = promptdescent.rerun(replay_only=True, store=moved(tmp_path))
    assert shown(tmp_path / "elsewhere", replayed.run)["origin"] == {"run": after["id"], "forked_at": None}


@pytest.mark.slow
def test_a_run_that_was_killed_and_resumed_is_replayed(tmp_path: Path) -> None:
    arguments = optimize_arguments(write_rows(tmp_path / "rows.csv"), tmp_path / "store", steps=2, concurrency=8)
    assert kill_after(
        90, tmp_path / "store", *(str(one).replace("simulated:plain", "simulated:slow") for one in arguments)
    )
    run("resume", "latest", "--store", tmp_path / "store")
    done = promptdescent.rerun(replay_only=True, store=moved(tmp_path))
    assert paid(shown(tmp_path / "elsewhere", done.run)) == 0
