"""The runs of a study as tasks of a Ray cluster.

::

    study ── parcel: settings, files by digest ─▶ task on some machine ── calls, replies, events ─▶ PostgreSQL
       ▲                                              │ (killed: Ray starts it again, it goes on from the record)
       └───────────────── StudyRun ───────────────────┘

A run is the same wherever it is carried out: its seed, its keys of replies and its cap are in its spec, and what it
used and paid is counted in its record.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from promptdescent.cluster import HERE, Cluster, check_address, check_installed, connect
from promptdescent.errors import ConfigError
from promptdescent.experiments.executor import LAST_WORDS
from promptdescent.experiments.parcels import Parcel
from promptdescent.experiments.ray_worker import Needs, carry_out_parcel, missing
from promptdescent.experiments.worker import Job
from promptdescent.records import from_json, to_json
from promptdescent.report.study.record import StudyRun

RETRIES = 3
"""How often a run is begun again whose worker died."""

PER_PROCESSOR = 2
"""Tasks handed to Ray at once, per processor of the cluster: the one at work and the next."""

LOOK_WITHIN = 120.0
"""Seconds in which a machine is to say whether it has all that is needed."""

_WAIT = 1.0
"""Seconds after which Ctrl-C is heard, at the latest."""


class RayExecutor:
    """The processors of a Ray cluster, one per run. A context manager: at its end no run is at work any more.

    ``address``: ``local`` for a cluster of this machine's own, ``auto`` for the one that this machine is part of, or
    ``HOST:PORT``. ``workers``: runs at once at most; by default as many as there are processors, also those of machines
    that join later. Raises :class:`ConfigError` if Ray is missing. Connected to with the first jobs.
    """

    def __init__(self, address: str = HERE, *, workers: int | None = None, retries: int = RETRIES) -> None:
        check_address(address)
        check_installed()
        self._address = address
        self._workers = workers
        self._retries = retries
        self._cluster: Cluster | None = None
        self._contents: dict[str, Any] = {}
        """Files in Ray's object store, by digest; kept, since a task may be started again."""
        self._at_work: dict[Any, Job] = {}

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is at work; it is recorded as interrupted."""
        if self._cluster is None:
            return
        import ray

        for task in self._at_work:
            ray.cancel(task)
        if self._at_work:
            ray.wait(list(self._at_work), num_returns=len(self._at_work), timeout=LAST_WORDS)
        self._at_work.clear()
        self._contents.clear()
        self._cluster.close()
        self._cluster = None

    def results(self, jobs: Sequence[Job]) -> Iterator[StudyRun]:
        """The results of all jobs, in the order in which they end. A job whose worker died again and again is an
        interrupted run.

        Raises :class:`~promptdescent.errors.InputError` before the first of them begins: files that cannot be read,
        stores that other machines could not reach, no cluster, machines that lack what is needed.
        """
        if not jobs:
            return
        self._check_stores(jobs)
        waiting = deque(Parcel.of(job) for job in jobs)
        if self._cluster is None:
            self._cluster = connect(self._address, processors=self._workers if self._address == HERE else None)
        import ray

        self._check_machines([parcel.job for parcel in waiting])
        task = ray.remote(num_cpus=1, max_retries=self._retries)(carry_out_parcel)
        while waiting or self._at_work:
            most = self._workers or PER_PROCESSOR * self._cluster.processors
            while waiting and len(self._at_work) < most:
                parcel = waiting.popleft()
                contents = [self._content(parcel, digest) for digest in parcel.digests]
                self._at_work[task.remote(parcel.to_line(), *contents)] = parcel.job
            done, _ = ray.wait(list(self._at_work), num_returns=1, timeout=_WAIT)
            for one in done:
                yield _result(one, self._at_work.pop(one))

    def _check_stores(self, jobs: Sequence[Job]) -> None:
        folders = sorted({job.store for job in jobs if "://" not in job.store})
        if folders and self._address != HERE:
            raise ConfigError(
                f"--ray {self._address}: other machines cannot reach the store {folders[0]}; on a cluster runs are "
                "kept in PostgreSQL: name it with --runs-in postgresql://USER@HOST/DATABASE"
            )

    def _check_machines(self, jobs: Sequence[Job]) -> None:
        """Ask each machine whether it has what the jobs need."""
        import ray
        from ray.exceptions import GetTimeoutError, RayError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        needs = to_json(Needs.of(jobs))
        look = ray.remote(num_cpus=0)(missing)
        asked = {
            node["NodeManagerHostname"]: look.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(needs)
            for node in nodes
            if node["Alive"]
        }
        for machine, answer in asked.items():
            try:
                found = json.loads(ray.get(answer, timeout=LOOK_WITHIN))
            except GetTimeoutError:
                found = [f"it does not answer within {LOOK_WITHIN:.0f} s"]
            except RayError as error:  # such as one without promptdescent
                found = [_said(error)]
            if found:
                raise ConfigError(f"the machine {machine} of the cluster cannot take part: {'; '.join(found)}")

    def _content(self, parcel: Parcel, digest: str) -> Any:
        """A file of the parcel in Ray's object store, where it is put once."""
        import ray

        if digest not in self._contents:
            self._contents[digest] = ray.put(parcel.read(digest))
        return self._contents[digest]


def _result(task: Any, job: Job) -> StudyRun:
    """What a task that ended came to."""
    import ray
    from ray.exceptions import RayError

    try:
        return from_json(StudyRun, ray.get(task))
    except RayError as error:
        reason = f"its worker ended unexpectedly ({_said(error)})"
        return StudyRun(cell=job.cell, task=job.task, seed=job.seed, status="interrupted", reason=reason)


def _said(error: Exception) -> str:
    """The last line of a Ray error, which says what went wrong; the ones above say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:300]}" if lines else type(error).__name__
