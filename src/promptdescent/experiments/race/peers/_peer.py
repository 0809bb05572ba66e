"""What the scripts of the peers share: the job, the race's proxy, the file of what was found, and the end.

A peer may use up its tokens anywhere in its code, in a thread of its own, and below code that takes every exception
for a wrong answer. So the process ends where the proxy says so: what was found by then is in the file.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

Message = dict[str, str]
"""Role and content."""

ROW = "{input}"
"""Where a row's text goes in a layout."""

STAND_IN = "<<<the text of the row goes here>>>"
"""For a row's text while a peer lays its messages out; no peer takes it for a placeholder of its own."""

USED_UP = 402
"""The proxy's status for a call that does not fit into what is left of the tokens."""

TRIES = 4
"""Times that a call is sent when the model fails for a moment."""

REFUSED = 400
"""The proxy's status for a request that a model does not take, such as one that is too long for it."""

MOST_REFUSED = 100
"""Requests in a row that a model may refuse. They cost nothing, so a peer could go on with them for ever."""

LONGEST_CALL = 600.0
"""Seconds; a local model may have a queue."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the task."""

    input: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the race asks for; the fields are those of the file."""

    peer: str
    seed: int
    folder: str
    base_url: str
    api_key: str
    task_model: str
    optimizer_model: str
    task_max_tokens: int
    optimizer_max_tokens: int
    optimizer_temperature: float
    concurrency: int
    start: str
    about: str
    labels: tuple[str, ...]
    perfect_score: float
    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    task_tokens: int
    optimizer_tokens: int

    @classmethod
    def read(cls, path: str) -> Job:
        """The job in a file. Fields that are not known are passed over; a missing one raises :class:`KeyError`."""
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        values = {field.name: data[field.name] for field in fields(cls)}
        for name in ("train", "dev"):
            values[name] = tuple(Row(input=row["input"], target=row["target"]) for row in data[name])
        return cls(**{**values, "labels": tuple(values["labels"])})


class BudgetUsedUp(Exception):
    """The tokens of a role are used up."""


class Refused(Exception):
    """The proxy does not take a request."""


class Found:
    """The prompts that were scored on all dev rows, each written to the job's file as soon as it is known."""

    def __init__(self, job: Job) -> None:
        self._file = Path(job.folder) / "found.jsonl"
        self._perfect = job.perfect_score
        self._lock = Lock()
        self._none_yet = True
        self._start: dict[str, Any] | None = None

    def start(self, prompt: str, messages: Sequence[Message], pattern: str | None = None) -> None:
        """Keep the starting prompt, which is written without a score if the tokens do not last for scoring one."""
        self._start = _line(prompt, None, messages, pattern)

    def add(self, prompt: str, score: float, messages: Sequence[Message], pattern: str | None = None) -> None:
        """Write a prompt with its mean score on the dev rows. Ends the process after one that none can be better than.

        ``messages``: its layout, with :data:`STAND_IN` for the row. ``pattern``: finds the answer in a reply.
        """
        with self._lock:
            self._write(_line(prompt, score, messages, pattern))
        if score >= self._perfect - 1e-9:
            end("a prompt has the perfect score on the dev rows")

    def close(self) -> None:
        """To be called when the search is over."""
        with self._lock:
            if self._none_yet and self._start is not None:
                self._write(self._start)

    def _write(self, line: dict[str, Any]) -> None:
        self._none_yet = False
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


class Proxy:
    """The race's proxy: both models and the metric."""

    def __init__(self, job: Job) -> None:
        self._job = job
        url = urlsplit(job.base_url)
        self._host, self._port, self._path = url.hostname or "", url.port, url.path.rstrip("/")
        self._refused = 0

    def chat(self, role: Literal["task", "optimizer"], messages: Sequence[Mapping[str, str]]) -> str:
        """The model's reply; empty if it does not take the messages. Raises :class:`BudgetUsedUp`."""
        job = self._job
        of_task = role == "task"
        body = {
            "model": job.task_model if of_task else job.optimizer_model,
            "messages": [dict(message) for message in messages],
            "max_tokens": job.task_max_tokens if of_task else job.optimizer_max_tokens,
            "temperature": 0.0 if of_task else job.optimizer_temperature,
        }
        try:
            answer = self._post(f"{self._path}/chat/completions", body)
        except Refused as error:
            self.refused(str(error))
            return ""
        self.replied()
        return str(answer["choices"][0]["message"]["content"] or "")

    def replied(self) -> None:
        """A model has replied."""
        self._refused = 0

    def refused(self, why: str) -> None:
        """A model has refused a request. Ends the process when it refuses everything."""
        self._refused += 1
        if self._refused > MOST_REFUSED:
            end(f"a model refuses every request: {' '.join(why.split())[:300]}", status=1)

    def chats(
        self, role: Literal["task", "optimizer"], conversations: Sequence[Sequence[Mapping[str, str]]]
    ) -> list[str]:
        """The reply to each, as many at a time as the job allows. The process ends when the tokens are used up.

        Equal conversations are held one after the other: the proxy tells the replies to them apart by their order.
        """
        equal: dict[str, list[int]] = {}
        for index, messages in enumerate(conversations):
            equal.setdefault(json.dumps(messages), []).append(index)

        def converse(indices: Sequence[int]) -> list[str]:
            return [or_end(partial(self.chat, role, conversations[index])) for index in indices]

        replies = [""] * len(conversations)
        with ThreadPoolExecutor(self._job.concurrency) as pool:
            for indices, texts in zip(equal.values(), pool.map(converse, equal.values()), strict=True):
                for index, text in zip(indices, texts, strict=True):
                    replies[index] = text
        return replies

    def score(self, reply: str | None, row: Row) -> float:
        """The race's metric for an answer to the row; 0 where a peer could read none in a reply."""
        if reply is None:
            return 0.0
        return float(self._post("/score", {"reply": reply, "input": row.input, "target": row.target})["score"])

    def _post(self, path: str, body: Mapping[str, object]) -> Any:
        for tried in range(1, TRIES + 1):
            try:
                status, text = self._send(path, body)
            except (OSError, HTTPException) as error:
                status, text = 503, repr(error)
            if status == 200:
                return json.loads(text)
            if status == USED_UP:
                raise BudgetUsedUp(text)
            if status == REFUSED:
                raise Refused(text)
            if tried == TRIES or (status != 429 and status < 500):
                raise RuntimeError(f"the race's proxy answers {path} with {status}: {text[:300]}")
            time.sleep(0.5 * 2**tried)
        raise AssertionError("the last try returns or raises")

    def _send(self, path: str, body: Mapping[str, object]) -> tuple[int, str]:
        connection = HTTPConnection(self._host, self._port, timeout=LONGEST_CALL)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._job.api_key}"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()


def or_end(call: Callable[[], T]) -> T:
    """What the call returns; the process ends if it finds the tokens used up."""
    try:
        return call()
    except BudgetUsedUp:
        end("the tokens are used up")


def answer_in(reply: str, pattern: str) -> str | None:
    """The answer that the pattern finds in a reply."""
    match = re.search(pattern, reply)
    return match.group(1) if match else None


def feedback(score: float, row: Row, perfect: float) -> str:
    """What a peer that learns from words is told of an answer."""
    if score >= perfect:
        return "Right."
    if score <= 0:
        return f"Wrong: the right answer is {row.target}"
    return f"Partly right ({score:.2f} of {perfect:g}): the right answer is {row.target}"


def mean(scores: Sequence[float]) -> float:
    """Mean of one score or more."""
    return math.fsum(scores) / len(scores)


def settle(folder: str) -> None:
    """Have the peer and what it imports write below ``folder`` alone, and ask for nothing outside the machine."""
    home = Path(folder) / "home"
    home.mkdir(parents=True, exist_ok=True)
    # Compiled modules would go into the peer's environment.
    sys.dont_write_bytecode = True
    os.environ.update(
        {name: str(home) for name in ("HOME", "TMPDIR", "DSPY_CACHEDIR", "HF_HOME", "MPLCONFIGDIR")}
        | {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
        | dict.fromkeys(("LITELLM_LOCAL_MODEL_COST_MAP", "HF_HUB_OFFLINE", "DO_NOT_TRACK"), "True")
        | {"NO_PROXY": "*", "no_proxy": "*", "WANDB_MODE": "disabled", "LITELLM_TELEMETRY": "False"}
    )


_found: list[Found] = []


def run(search: Callable[[Job, Proxy, Found], None]) -> NoReturn:
    """Carry out the job that the command line names: the whole of a script."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} JOB.json")
    job = Job.read(sys.argv[1])
    settle(job.folder)
    found = Found(job)
    _found.append(found)
    try:
        search(job, Proxy(job), found)
    except BudgetUsedUp:
        end("the tokens are used up")
    except BaseException as error:
        traceback.print_exc()
        # The race shows the last line, and a message may have several.
        end(f"{type(error).__name__}: {' '.join(str(error).split())[:500]}", status=1)
    end("the search is over")


def end(why: str, *, status: int = 0) -> NoReturn:
    """End the process, with threads that a peer has left behind."""
    for found in _found:
        found.close()
    sys.stdout.flush()
    print(f"\n{why}", file=sys.stderr, flush=True)  # a progress bar may have left its line open
    os._exit(status)


def _line(prompt: str, score: float | None, messages: Sequence[Message], pattern: str | None) -> dict[str, Any]:
    return {"prompt": prompt, "dev_score": score, "messages": _layout(messages), "answer_pattern": pattern}


def _layout(messages: Sequence[Message]) -> list[Message]:
    """The messages with :data:`ROW` where the row goes, and only there."""
    return [
        {
            "role": message["role"],
            "content": message["content"].replace(ROW, "{ input }").replace(STAND_IN, ROW),
        }
        for message in messages
    ]
