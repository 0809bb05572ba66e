"""A whole race: every contestant on every task with every seed, as one resumable unit.

In its folder, ``rows/TASK`` are the rows, ``searches/TASK/CONTESTANT/seed-N`` is what a search wrote, with every call
that it made, ``results`` has one file per search, and ``store`` the replies on test rows. A search whose result is
there is not run again; one without a result is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from promptdescent.errors import ConfigError, PromptDescentError
from promptdescent.experiments.race.contestants import Contestant
from promptdescent.experiments.race.install import installed
from promptdescent.experiments.race.job import Layout
from promptdescent.experiments.race.plan import RACED, RacePlan, RaceTask
from promptdescent.experiments.race.scoring import our_score, own_score
from promptdescent.experiments.race.search import Search, find_prompt
from promptdescent.experiments.study import held
from promptdescent.llm.streams import ordered_map
from promptdescent.records import from_json, to_json
from promptdescent.report.files import write_whole
from promptdescent.report.race.files import save
from promptdescent.report.race.record import RaceRecord, RaceRun
from promptdescent.store.store import Store
from promptdescent.tasks.splits import SPLITS
from promptdescent.tasks.task import Task
from promptdescent.text import fingerprint
from promptdescent.version import __version__


class RaceObserver(Protocol):
    """Is told how a race goes."""

    def on_message(self, text: str) -> None:
        """A line for the user."""

    def on_run(self, run: RaceRun, *, done: int, total: int) -> None:
        """A search has its result; so many of the race's searches do."""


async def run_race(plan: RacePlan, folder: Path, *, workers: int, observer: RaceObserver) -> RaceRecord:
    """Carry a race out, or go on with it, and write its files. ``workers``: searches at once.

    Searches without a result are part of it. Raises the :class:`InputError` family before the first call.
    """
    with held(folder, "race"):
        plan.claim_folder(folder)
        store = Store.open(folder / "store")
        try:
            record = await _Race(plan, folder, store, observer).carried_out(workers)
        finally:
            store.close()
        save(record, folder)
        return record


_Place = tuple[RaceTask, Contestant, int]


class _Race:
    def __init__(self, plan: RacePlan, folder: Path, store: Store, observer: RaceObserver) -> None:
        self._plan = plan
        self._folder = folder
        self._store = store
        self._observer = observer
        self._loaded: Mapping[str, Task] = {task.name: task.load(folder) for task in plan.tasks}

    async def carried_out(self, workers: int) -> RaceRecord:
        """All searches, those with a result as they are."""
        plan = self._plan
        places: list[_Place] = [
            (task, contestant, seed) for seed in plan.seeds for task in plan.tasks for contestant in plan.contestants
        ]
        runs: dict[tuple[str, int, str], RaceRun] = {}

        async def each() -> AsyncGenerator[_Place, None]:
            for place in places:
                yield place

        async with aclosing(ordered_map(self._result, each(), window=workers)) as results:
            async for run in results:
                runs[run.task, run.seed, run.contestant] = run
                self._observer.on_run(run, done=len(runs), total=len(places))
        return RaceRecord(
            suite=plan.suite,
            version=__version__,
            reference=plan.reference,
            contestants=tuple(contestant.as_record(plan.peers) for contestant in plan.contestants),
            tasks=tuple(task.name for task in plan.tasks),
            seeds=plan.seeds,
            models=plan.model_names,
            caps={role: plan.caps[role] for role in RACED},
            minutes=plan.minutes,
            rows={
                name: {split: len(task.verdict_rows if split == "test" else getattr(task, split)) for split in SPLITS}
                for name, task in self._loaded.items()
            },
            runs=tuple(
                runs[task.name, seed, contestant.label]
                for task in plan.tasks
                for seed in plan.seeds
                for contestant in plan.contestants
            ),
        )

    async def _result(self, place: _Place) -> RaceRun:
        """The result of a search: the one on file, or a new one."""
        task, contestant, seed = place
        inside = Path(task.name) / contestant.folder / f"seed-{seed}"
        search = Search(
            plan=self._plan,
            task=task,
            loaded=self._loaded[task.name],
            contestant=contestant,
            seed=seed,
            folder=self._folder / "searches" / inside,
        )
        file = self._folder / "results" / f"{inside}.json"
        key = _key(search, self._plan.peers)
        known = _read(file, key)
        if known is not None and known.status == "finished":
            return known
        found = known if known is not None and known.prompt_found else search.empty
        try:
            if not found.prompt_found:
                found = await find_prompt(search)
                _kept(found, file, key)  # so that a search is not lost if its scoring is cut off
            return _kept(await self._scored(search, found) if found.prompt_found else found, file, key)
        except PromptDescentError as error:
            return _kept(replace(found, reason=" ".join(str(error).split())), file, key)

    async def _scored(self, search: Search, found: RaceRun) -> RaceRun:
        """A search with the scores of its prompt on the test rows."""
        spec = search.task.located(self._folder)
        ours = own = await our_score(spec, self._store, prompt=found.prompt)
        if found.messages:
            layout = Layout(messages=found.messages, answer_pattern=found.answer_pattern)
            own = await own_score(spec, self._store, task=search.loaded, layout=layout)
        return replace(found, status="finished", reason="", test_score=ours, own_score=own)


def _key(search: Search, peers: Path) -> str:
    """What a result is about beside its place: a script or version that has changed since makes it another search."""
    script = search.contestant.script
    # The scripts of other systems share helpers, whose names begin with an underscore.
    sources = [] if script is None else [script, *sorted(script.parent.glob("_*.py"))]
    texts = [source.read_text(encoding="utf-8") for source in sources if source.exists()]
    family = search.contestant.family
    versions = [__version__, *(installed(peers, family) if family else ())]
    return fingerprint([search.contestant.recipe, search.contestant.prompt, texts, versions])


def _read(file: Path, key: str) -> RaceRun | None:
    """The result on file; None if there is none, or if it is about something else."""
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return from_json(RaceRun, json.dumps(content["run"])) if content["key"] == key else None
    except (ValueError, KeyError, TypeError) as error:  # pydantic's are ValueErrors
        raise ConfigError(
            f"{file} was written by another version or is damaged: remove it, and its search is made anew"
        ) from error


def _kept(run: RaceRun, file: Path, key: str) -> RaceRun:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps({"key": key, "run": json.loads(to_json(run))}, indent=1) + "\n")
    return run
