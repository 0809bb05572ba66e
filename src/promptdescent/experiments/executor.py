"""Executors, which carry out the runs of a study: where they do so is all that they decide. Worker processes here, and
a Ray cluster in :mod:`promptdescent.experiments.ray_executor`.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Protocol

from promptdescent.experiments.worker import Job
from promptdescent.records import from_json
from promptdescent.report.study.record import StudyRun

LAST_WORDS = 20.0
"""Seconds that a worker has to record that its run was interrupted."""


class Executor(Protocol):
    """Carries out the runs of a study. A context manager: at its end, none of them is at work any more."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None: ...

    def results(self, jobs: Sequence[Job]) -> Iterator[StudyRun]:
        """The results of all jobs, in the order in which they end. A job whose worker died for good is an interrupted
        run. Raises :class:`~promptdescent.errors.InputError` before the first of them begins if none could be done.
        """


class Worker:
    """A process that is given one job at a time."""

    def __init__(self) -> None:
        # In a session of its own: Ctrl-C is for the study, which then ends its workers in good order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "promptdescent.experiments.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def result(self, job: Job) -> StudyRun | None:
        """What the job came to; None if the process died."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("a worker is spoken to through pipes")
        try:
            stdin.write(job.to_line())
            stdin.flush()
        except (BrokenPipeError, ValueError):  # it died; or it was told to stop, and its input is closed
            return None
        answer = stdout.readline()
        return from_json(StudyRun, answer) if answer else None

    def stop(self) -> None:
        """End its input, at which it ends; whatever it works on is recorded as interrupted."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def end(self) -> int:
        """Wait until it is gone, at most for a while, and return its exit status."""
        self.stop()
        try:
            self._process.wait(timeout=LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode


@dataclass(frozen=True, kw_only=True)
class _Round:
    """Jobs that are worked on together."""

    waiting: queue.SimpleQueue[Job] = field(default_factory=queue.SimpleQueue)
    done: queue.SimpleQueue[StudyRun | Exception] = field(default_factory=queue.SimpleQueue)


class Processes:
    """At most so many processes of this machine. A context manager: at its end all of them are gone."""

    def __init__(self, workers: int) -> None:
        self._most = workers
        self._at_work: set[Worker] = set()
        self._idle: list[Worker] = []
        self._threads: list[Thread] = []
        self._stopped = False

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for worker in tuple(self._at_work):
            worker.stop()
        for thread in self._threads:
            thread.join()
        for worker in self._idle:
            worker.end()

    def results(self, jobs: Sequence[Job]) -> Iterator[StudyRun]:
        """The results of all jobs, in the order in which they end. A job whose worker died is an interrupted run."""
        this = _Round()
        for job in jobs:
            this.waiting.put(job)
        for _ in range(min(self._most, len(jobs))):
            thread = Thread(target=self._work, args=(this,), name="study-worker", daemon=True)
            self._threads.append(thread)
            thread.start()
        for _ in jobs:
            result = this.done.get()
            if isinstance(result, Exception):
                raise result
            yield result

    def _work(self, this: _Round) -> None:
        """Hand jobs to a worker until there are no more, and to another one if it dies."""
        try:
            while not self._stopped and not this.waiting.empty():
                self._with_one_worker(this)
        # Not swallowed: whoever waits for results gets it. If the thread died instead, they would wait for ever.
        except Exception as error:
            this.done.put(error)

    def _with_one_worker(self, this: _Round) -> None:
        worker = self._idle.pop() if self._idle else Worker()
        self._at_work.add(worker)
        while not self._stopped:
            try:
                job = this.waiting.get_nowait()
            except queue.Empty:
                break
            result = worker.result(job)
            if result is None:
                self._at_work.discard(worker)
                reason = f"its process ended unexpectedly (exit status {worker.end()})"
                run = StudyRun(cell=job.cell, task=job.task, seed=job.seed, status="interrupted", reason=reason)
                this.done.put(run)
                return
            this.done.put(result)
        self._at_work.discard(worker)
        self._idle.append(worker)
