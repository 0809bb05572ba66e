"""Command lines that start in a moment and can be killed: each is forked off a process that has loaded everything.

    client = nursery().start(["optimize", "rows.csv", ...], log=Path("log"))
    client.kill()                  # SIGKILL
    assert client.wait() == -9

Starting an interpreter and loading the program takes a second, hundreds of times of which no test can afford. What runs
is the program's own ``main``, in a process of its own. All clients have the nursery's seed of hashes, which is another
one than that of the tests' own process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FIRST_WAIT = 0.01
LONGEST_WAIT = 0.05
"""Seconds between attempts where a client is ``hasty``, in place of the program's half a second and more."""

_COMMANDS = ("evaluate", "optimize", "rerun", "resume", "show")
_HEAVY = ("aiohttp", "alembic.command", "sqlalchemy.dialects.sqlite", "sqlalchemy.orm", "pydantic", "rich")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A running command line."""

    pid: int
    nursery: Nursery
    log: Path
    """What it prints, to stdout, and to stderr unless that has a file of its own."""

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

    def close(self) -> None:
        """End it, and the clients that are left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def start(
        self,
        arguments: Sequence[object],
        *,
        log: Path,
        errors: Path | None = None,
        environment: Mapping[str, str] | None = None,
        hasty: bool = False,
    ) -> Client:
        """Start ``promptdescent`` with these arguments in this process's folder, with its variables and these."""
        pid = self.ask(
            start=[str(one) for one in arguments],
            log=str(log),
            errors=str(errors or log),
            environment={**os.environ, **(environment or {})},
            folder=str(Path.cwd()),
            hasty=hasty,
        )
        assert pid is not None
        return Client(pid=pid, nursery=self, log=log)

    def ask(self, **question: Any) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the nursery has ended; what it said is above") from None
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer


@cache
def nursery() -> Nursery:
    """The one nursery of this process; it ends with it."""
    made = Nursery()
    atexit.register(made.close)
    return made


# --- in the nursery's process ----------------------------------------------------------------------------------------


def _load() -> None:
    """Import what clients need, so that they need not."""
    for name in (*(f"promptdescent.cli.{command}" for command in _COMMANDS), *_HEAVY):
        with contextlib.suppress(ImportError):  # the client that needs it says so
            importlib.import_module(name)


def _run(question: Mapping[str, Any]) -> None:
    """Be a client. Never returns."""
    from promptdescent.cli.main import main
    from promptdescent.llm.limits import RetryPolicy

    code = 70
    try:
        for stream, descriptor in (os.devnull, 0), (question["log"], 1), (question["errors"], 2):
            os.dup2(os.open(stream, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(question["environment"])
        os.chdir(question["folder"])
        if question["hasty"]:
            RetryPolicy.__init__.__kwdefaults__.update(first_wait=FIRST_WAIT, longest_wait=LONGEST_WAIT)
        sys.argv = ["promptdescent", *question["start"]]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # as the interpreter does
            traceback.print_exc()
            code = 1
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
