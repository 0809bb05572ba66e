"""What runs on the machines of a Ray cluster: a run of a study, and the question whether a machine can do any."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.config import ModelSpec, RunSpec
from promptdescent.errors import PromptDescentError
from promptdescent.experiments.parcels import Parcel
from promptdescent.experiments.worker import Job, carry_out
from promptdescent.llm.choose import open_model
from promptdescent.records import from_json, to_json
from promptdescent.store.store import Store
from promptdescent.tasks.metrics import FunctionMetric
from promptdescent.tasks.metrics.choose import split_name
from promptdescent.version import __version__


def carry_out_parcel(line: str, *contents: bytes) -> str:
    """The run of a parcel, as JSON. ``contents``: its files in the order of their digests."""
    parcel = Parcel.from_line(line)
    with tempfile.TemporaryDirectory(prefix="promptdescent-") as folder:
        return to_json(asyncio.run(carry_out(parcel.unpacked(contents, Path(folder)))))


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a machine needs for some jobs."""

    version: str = __version__
    """Of promptdescent."""
    stores: tuple[str, ...]
    models: tuple[ModelSpec, ...]
    metrics: Mapping[str, str]
    """Digests of the source of metrics that are functions, by name."""

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Needs:
        """All that the jobs need. Raises :class:`~promptdescent.errors.InputError` for what is missing here already."""
        specs = [RunSpec().with_settings(job.spec) for job in jobs]
        models = {to_json(model): model for spec in specs for model in (spec.model(role) for role in spec.roles)}
        functions = {spec.metric for spec in specs if spec.metric and not split_name(spec.metric)[0]}
        return cls(
            stores=tuple(sorted({job.store for job in jobs})),
            models=tuple(models.values()),
            metrics={name: FunctionMetric(name).source for name in sorted(functions)},
        )


def missing(needs: str) -> str:
    """What this machine lacks of ``needs``, in words, as a list in JSON. Nothing is sent to a model."""
    return json.dumps(list(_missing(from_json(Needs, needs))))


def _missing(needs: Needs) -> Iterator[str]:
    if needs.version != __version__:
        yield f"it has promptdescent {__version__}, not {needs.version}"
        return
    for place in needs.stores:
        try:
            Store.open(place).close()
        except PromptDescentError as error:
            yield str(error)
    for model in needs.models:
        try:
            open_model(
                model.settings.name,
                role=model.role,
                base_url=model.base_url,
                api_key_env=model.api_key_env,
                timeout=RunSpec().timeout,
                rows=(),
                labels=(),
            )
        except PromptDescentError as error:
            yield str(error)
    for name, source in needs.metrics.items():
        try:
            if FunctionMetric(name).source != source:
                yield f"its metric {name} has another source than here"
        except PromptDescentError as error:
            yield str(error)
