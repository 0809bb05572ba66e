"""A contestant's process: started with a job, ended in good time, with everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POLL = 0.25
"""Seconds between two looks at a process."""

AFTER_THE_CAP = 120.0
"""Seconds that a contestant has to end once a call was refused for want of tokens."""

LAST_WORDS = 2.0
"""Seconds between the request to end and the end."""

LONGEST_LINE = 300
"""Characters of what a process said last."""

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables that a contestant gets of ours: no key is among them, and no proxy."""

STDOUT, STDERR = "stdout.txt", "stderr.txt"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended."""

    status: int
    """Exit status; negative: the signal."""
    killed: Literal["", "time", "cap"] = ""
    """Why it had to be ended; empty if it ended by itself."""
    last_line: str = ""
    """Of what it wrote to stderr."""


async def carry_out(
    command: Sequence[str],
    folder: Path,
    *,
    seconds: float,
    cut: asyncio.Event,
    more: Mapping[str, str],
    patience: float = AFTER_THE_CAP,
) -> Ended:
    """Run a command in ``folder`` for at most so many seconds, and ``patience`` after ``cut``, and end all that is left
    of it. ``more``: variables on top of the few that it gets. A cancelled wait ends it too.
    """
    with (folder / STDOUT).open("wb") as out, (folder / STDERR).open("wb") as errors:
        # In a session of its own, so that all that it starts can be ended with it.
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=_environment(folder, more),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        killed: Literal["", "time", "cap"] = ""
        try:
            killed = await _wait(process, seconds, cut, patience)
        finally:
            await _end(process)
    return Ended(status=process.returncode or 0, killed=killed, last_line=_last_line(folder / STDERR))


async def _wait(
    process: asyncio.subprocess.Process, seconds: float, cut: asyncio.Event, patience: float
) -> Literal["", "time", "cap"]:
    """Why the process has to be ended; empty if it ended before."""
    end, after_cut = time.monotonic() + seconds, None
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await process.wait()
                return ""
        now = time.monotonic()
        if cut.is_set() and after_cut is None:
            after_cut = now + patience
        if now >= end:
            return "time"
        if after_cut is not None and now >= after_cut:
            return "cap"


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and whatever it started, by the id of its group."""
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **own,
        "HOME": str(folder),  # caches and settings of earlier runs are no part of a race
        "TMPDIR": str(folder),
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else the import asks the network
        **more,
    }


def python_path() -> dict[str, str]:
    """What a process of this Python needs to find our package, wherever it was found by this one."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return said[:LONGEST_LINE]
