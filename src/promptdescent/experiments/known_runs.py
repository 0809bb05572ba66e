"""The runs of a store by what decides their result, so that a study finds its own again among very many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from promptdescent.config import RunSpec
from promptdescent.experiments.plan import NOT_PART_OF_A_RUN, run_key
from promptdescent.input_files import read_text, read_turn
from promptdescent.store.schema import tables
from promptdescent.store.store import RunRow, Store
from promptdescent.tasks.judge import RIGHTNESS
from promptdescent.text import fingerprint

_IDS_AT_ONCE = 500
"""Manifests in one query; databases bound the number of parameters."""


class KnownRuns:
    """The runs of one store. A process reads each manifest once, however many runs it asks for."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._newest: dict[str, tuple[int, str]] = {}
        """By key: number and id of the newest run."""

    def find(self, store: Store, spec: RunSpec, *, task: str) -> RunRow | None:
        """The newest run in the store that has the spec, as far as it decides the result, on the task with the
        fingerprint ``task``: a spec names files, and those of two tasks may differ in nothing else.
        """
        self._read_on(store)
        found = self._newest.get(_key(_wanted(spec), task))
        return None if found is None else store.find_run(found[1])

    def _read_on(self, store: Store) -> None:
        """Read the manifests of runs that were not there before.

        Those are told by their ids: of two runs made at once, the lower number may come to be seen after the higher.
        """
        from sqlalchemy import select

        runs = tables().runs
        there = {row.id for row in store.database.read(select(runs.c.id))}
        if self._seen - there:  # another store lies at the same place by now
            self._seen.clear()
            self._newest.clear()
        new = sorted(there - self._seen)
        for start in range(0, len(new), _IDS_AT_ONCE):
            some = new[start : start + _IDS_AT_ONCE]
            for row in store.database.read(select(runs).where(runs.c.id.in_(some))):
                manifest = json.loads(row.manifest)
                key = _key(_recorded(manifest["spec"]), manifest["task_fingerprint"])
                self._newest[key] = max(self._newest.get(key, (0, "")), (row.number, row.id))
        self._seen |= there


@lru_cache(maxsize=64)
def known_runs(place: str) -> KnownRuns:
    """What this process knows of the store at ``place``."""
    return KnownRuns()


def _key(decisive: Mapping[str, Any], task: str) -> str:
    return fingerprint({"spec": decisive, "task": task})


def _recorded(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result, of a recorded spec."""
    return {name: value for name, value in spec.items() if name not in NOT_PART_OF_A_RUN}


def _wanted(spec: RunSpec) -> dict[str, Any]:
    """The same of a spec that is to be run. A record holds all that decides a judge's grades; rubric and second round
    as text.
    """
    key = run_key(spec)
    if spec.second_round:
        key["second_round"] = read_turn(spec.second_round, flag="--second-round")
    if spec.judged:
        given = spec.judge_rubric
        key |= {
            "judge_rubric": RIGHTNESS if given is None else read_text(given, flag="--judge-rubric").strip(),
            "judge_scale": spec.judge_scale,
            "judge_repeats": spec.judge_repeats,
        }
    return key
