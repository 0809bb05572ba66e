"""A process that carries out runs of a study, one after the other: a job per line on stdin, its result on stdout.

    python -m promptdescent.experiments.worker

It ends with its input, so none is left behind when the study is killed: the run at work is recorded as interrupted
and goes on when the study does.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent import runner
from promptdescent.assembly import NO_EXTRAS, load_task
from promptdescent.config import RunSpec
from promptdescent.errors import PromptDescentError
from promptdescent.experiments.known_runs import known_runs
from promptdescent.experiments.results import study_run
from promptdescent.records import to_json
from promptdescent.report.study.record import StudyRun
from promptdescent.store.store import RunRow, Store

LONGEST_LINE = 1 << 26
"""Bytes; a result holds the prompt that was found and one point per step."""

LET_GO_WITHIN = 60.0
"""Seconds until a run is free whose worker was killed: a server keeps its lock until it sees that the connection is
gone.
"""
_BETWEEN_LOOKS = 0.2
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a study."""

    cell: str
    task: str
    seed: int
    store: str
    """Folder or address of the store that it belongs to."""
    spec: dict[str, Any]
    """RunSpec as data."""

    @classmethod
    def of(cls, cell: str, task: str, seed: int, *, store: str | Path, spec: RunSpec) -> Job:
        """The job of a run."""
        return cls(cell=cell, task=task, seed=seed, store=str(store), spec=spec.as_data())

    def to_line(self) -> str:
        """As one line."""
        return json.dumps(asdict(self)) + "\n"


async def carry_out(job: Job) -> StudyRun:
    """Start the job's run, go on with it, or only read it if it is finished."""
    spec = RunSpec().with_settings(job.spec)
    empty = StudyRun(cell=job.cell, task=job.task, seed=job.seed, status="failed")
    task = ""
    try:
        store = Store.open(job.store)
    except PromptDescentError as error:
        return replace(empty, reason=str(error))
    try:
        runs = known_runs(job.store)
        try:
            task = load_task(spec, NO_EXTRAS).fingerprint
            known = runs.find(store, spec, task=task)
            if known is None:
                await runner.start(spec, store=store, confirm=lambda _: True)
            elif known.status.state != "finished":
                await _let_go(store, known)
                await runner.resume(known.id, store=store)
        except PromptDescentError as error:
            empty = replace(empty, reason=str(error))
        known = runs.find(store, spec, task=task) if task else None
        return empty if known is None else study_run(store, known, empty)
    finally:
        store.close()


async def _let_go(store: Store, run: RunRow) -> None:
    """Wait until nobody holds the run any more, for so long as a worker that was killed may seem to."""
    deadline = time.monotonic() + LET_GO_WITHIN
    while store.database.held([run.id]) and time.monotonic() < deadline:
        await asyncio.sleep(_BETWEEN_LOOKS)


async def serve() -> None:
    """Work until the input ends."""
    loop = asyncio.get_running_loop()
    jobs = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(jobs), sys.stdin)
    line = await jobs.readline()
    while line:
        work = loop.create_task(carry_out(Job(**json.loads(line))))
        # The next job comes after the result: what ends this wait before is the end of the input.
        following = loop.create_task(jobs.readline())
        loop.add_signal_handler(signal.SIGTERM, work.cancel)
        await asyncio.wait({work, following}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        try:
            result = await work
        except asyncio.CancelledError:
            following.cancel()
            return
        print(to_json(result), flush=True)
        line = await following


if __name__ == "__main__":
    asyncio.run(serve())
