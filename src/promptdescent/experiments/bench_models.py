"""Whether the models of a bench can be asked, which is found out before anything is spent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from promptdescent.config import ModelSpec
from promptdescent.errors import ConfigError, ModelError, ModelNotFound
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.llm.base import LLM
from promptdescent.llm.choose import open_model
from promptdescent.prices import IN_PROCESS


def check_names(plan: BenchPlan) -> None:
    """Raise :class:`ConfigError` for a model that cannot be had under its name: an unknown simulated one, a GGUF file
    that is not there. A key that is missing is left for :func:`out_of_reach`. Nothing is loaded or sent.
    """
    for model in plan.models:
        for spec in plan.model_specs(model):
            with contextlib.suppress(ModelError):
                _opened(plan, spec)


async def out_of_reach(plan: BenchPlan, models: Iterable[str]) -> Mapping[str, ModelError]:
    """By task model: why no run with it would come about, as its endpoint, or the optimizer model's, says. Asks each
    endpoint once for its list of models, which is not charged for.

    Raises :class:`ConfigError` for a model that its endpoint does not have.
    """
    seen: dict[ModelSpec, ModelError | None] = {}
    found: dict[str, ModelError] = {}
    for model in models:
        for spec in plan.model_specs(model):
            if spec not in seen:
                seen[spec] = await _refusal(plan, spec)
            if (error := seen[spec]) is not None:
                found.setdefault(model, error)
    return found


async def _refusal(plan: BenchPlan, spec: ModelSpec) -> ModelError | None:
    if spec.settings.name.startswith(IN_PROCESS):
        return None  # its runs load it; opening has said what is to be said
    llm = None
    try:
        llm = _opened(plan, spec)
        await llm.prepare()
    except ModelNotFound as error:
        raise ConfigError(str(error)) from error
    except ModelError as error:
        return error
    finally:
        if llm is not None:
            await llm.close()
    return None


def _opened(plan: BenchPlan, spec: ModelSpec) -> LLM:
    return open_model(
        spec.settings.name,
        role=spec.role,
        base_url=spec.base_url,
        api_key_env=spec.api_key_env,
        timeout=plan.common.timeout,
        rows=(),
        labels=(),
    )
