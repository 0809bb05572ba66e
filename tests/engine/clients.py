"""Command lines that start in a moment and can be killed: each is forked off a process that has loaded everything.

    with Nursery() as nursery:
        client = nursery.start(["optimize", "rows.csv", ...], log=Path("log"))
        client.kill()                  # SIGKILL
        assert client.wait() == -9

Starting an interpreter and loading the program takes a second, a hundred times of which no test can afford. What runs
is the program's own ``main``, in a process of its own; only the waits between its retries are shortened.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST_WAIT = 0.01
LONGEST_WAIT = 0.05
"""Seconds between attempts, in place of the program's half a second and more."""

_HEAVY = ("aiohttp", "alembic.command", "sqlalchemy.dialects.sqlite", "sqlalchemy.orm", "pydantic", "rich")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A running command line."""

    pid: int
    nursery: Nursery
    log: Path
    """What it prints, to either stream."""

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self.nursery.ask(poll=self.pid)

    def wait(self) -> int:
        """The same, once it has ended."""
        code = self.nursery.ask(wait=self.pid)
        assert code is not None
        return code

    def kill(self) -> None:
        """End it by SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """The process that clients are forked off."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and the clients that are left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def start(self, arguments: Sequence[object], *, log: Path, environment: Mapping[str, str] | None = None) -> Client:
        """Start ``promptdescent`` with these arguments, and these variables besides those of this process."""
        pid = self.ask(start=[str(one) for one in arguments], log=str(log), environment=dict(environment or {}))
        assert pid is not None
        return Client(pid=pid, nursery=self, log=log)

    def ask(self, **question: Any) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer


# --- in the nursery's process ----------------------------------------------------------------------------------------


def _load() -> None:
    """Import whatever a client may need, so that it need not."""
    package = importlib.import_module("promptdescent")
    for module in pkgutil.walk_packages(package.__path__, "promptdescent."):
        if "migrations" not in module.name:
            importlib.import_module(module.name)
    for name in _HEAVY:
        importlib.import_module(name)


def _run(question: Mapping[str, Any]) -> None:
    """Be a client. Never returns."""
    from promptdescent.cli.main import main
    from promptdescent.llm.limits import RetryPolicy

    code = 70
    try:
        for stream, descriptor in (os.devnull, 0), (question["log"], 1), (question["log"], 2):
            os.dup2(os.open(stream, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.environ.update(question["environment"])
        RetryPolicy.__init__.__kwdefaults__.update(first_wait=FIRST_WAIT, longest_wait=LONGEST_WAIT)
        sys.argv = ["promptdescent", *question["start"]]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _tend() -> None:
    """Answer questions until there are no more; then end the clients that are left."""
    _load()
    gc.freeze()
    codes: dict[int, int | None] = {}
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line), codes)), flush=True)
    for pid, code in codes.items():
        if code is None:
            os.kill(pid, signal.SIGKILL)


def _answer(question: Mapping[str, Any], codes: dict[int, int | None]) -> int | None:
    if "start" in question:
        pid = os.fork()
        if not pid:
            _run(question)
        codes[pid] = None
        return pid
    pid, options = (question["poll"], os.WNOHANG) if "poll" in question else (question["wait"], 0)
    if codes[pid] is None:
        ended, status = os.waitpid(pid, options)
        codes[pid] = os.waitstatus_to_exitcode(status) if ended else None
    return codes[pid]


if __name__ == "__main__":
    _tend()
