"""Every recipe in small numbers, and small runs of it on the simulated models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import promptdescent
from promptdescent.errors import EndpointFailed
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated import accuracy, optimum, preset_named
from promptdescent.parts.recipe import Recipe
from promptdescent.recipes import RECIPES, mixture
from promptdescent.records import RunObserver, StepRecord, from_json
from promptdescent.report.record import Record, as_text, canonical, run_record
from promptdescent.store.store import Store

START = "What kind of message is this?"
LABELS = ("complaint", "praise", "question")

MIXTURES: Mapping[str, Mapping[str, Any]] = {
    "gpo with racing": {"base": "gpo", "estimation": "Racing"},
    "opro with minibatch": {"base": "opro", "estimation": {"part": "Minibatch", "rows": 10}},
}
"""Mixtures that are run beside the recipes."""

NAMES = (*RECIPES, *MIXTURES)

MOST: Mapping[str, int] = {
    "candidates": 4,
    "minibatch": 8,
    "prompts": 4,
    "prompts_each": 3,
    "reasons": 2,
    "rows": 8,
    "subsamples": 4,
    "width": 2,
}
"""The largest values of fields that say how much is asked for; what kinds of parts a recipe has stays as it is."""


def mixed(name: str) -> Recipe:
    """A recipe or mixture of the table."""
    return mixture(MIXTURES.get(name, {"base": name}))


def small_data(name: str, **most: int) -> dict[str, Any]:
    """A base and what is to be different, so that a run is small; ``most`` raises some of the limits."""
    data: dict[str, Any] = {"base": name, **MIXTURES.get(name, {})}
    full = mixed(name).as_data()
    capped = _capped(full, {**MOST, **most})
    return {**data, **{slot: value for slot, value in capped.items() if value != full[slot]}}


def small(name: str, **most: int) -> Recipe:
    """A recipe or mixture of the table in smaller numbers, called by the name that it has there."""
    return mixture({**small_data(name, **most), "name": name})


def _capped(data: Any, most: Mapping[str, int]) -> Any:
    if isinstance(data, Mapping):
        return {key: min(value, most[key]) if key in most else _capped(value, most) for key, value in data.items()}
    return [_capped(one, most) for one in data] if isinstance(data, list) else data


def settings(**changes: Any) -> dict[str, Any]:
    """The settings of a small run."""
    return {
        "input": "text",
        "target": "label",
        "prompt": START,
        "task_model": "simulated:plain",
        "optimizer_model": "simulated:plain",
        "train_rows": 16,
        "dev_rows": 24,
        "test_rows": 24,
        "steps": 3,
        "seed": 5,
        "concurrency": 32,
        **changes,
    }


def optimize(rows: Path, folder: Path, *, recipe: Any, observers: Sequence[RunObserver] = (), **changes: Any) -> Record:
    """The record of a small run with a store in ``folder``."""
    result = promptdescent.optimize(rows, store=folder, recipe=recipe, observers=observers, **settings(**changes))
    return record(folder, result.run)


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The store in a folder."""
    store = Store.open(folder)
    try:
        yield store
    finally:
        store.close()


def record(folder: Path, run: str = "latest") -> Record:
    """All that a store knows of a run."""
    with opened(folder) as store:
        return run_record(store, run)


def steps(folder: Path) -> list[StepRecord]:
    """The steps of the latest run in a store."""
    with opened(folder) as store:
        events = store.events(store.find_run("latest").id, "step")
    return [from_json(StepRecord, event.payload) for event in events]


def comparable(shown: Record, model: str = "simulated:plain") -> str:
    """The canonical record as text, with ``model``, which replies as ``simulated:plain`` does, under that name."""
    return as_text(canonical(shown)).replace(model, "simulated:plain")


def calls(shown: Record, kind: str) -> int:
    """Calls of all roles, used or paid."""
    return sum(usage[kind]["calls"] for usage in shown["usage"].values())


def tokens(shown: Record, kind: str) -> int:
    """Tokens of all roles, in and out, used or paid."""
    return sum(usage[kind]["tokens_in"] + usage[kind]["tokens_out"] for usage in shown["usage"].values())


def gained(prompt: str, model: str) -> float:
    """What a prompt gains of all that there is to gain over the start, in true accuracy under a simulated model."""
    known = preset_named(model).task
    begin = accuracy(START, LABELS, known)
    return (accuracy(prompt, LABELS, known) - begin) / (optimum(LABELS, known).accuracy - begin)


def says(text: str) -> Callable[[list[dict[str, str]]], str]:
    """A model that always replies the same."""
    return lambda messages: text


class Unreachable:
    """An optimizer model of which every call fails for good."""

    identity = "unreachable"
    context_tokens = None
    refuses_temperature = False

    def __init__(self, error: Exception | None = None, *, serves_n: bool = True) -> None:
        self.error = error or EndpointFailed("the server is on fire")
        self.serves_n = serves_n

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        raise self.error
