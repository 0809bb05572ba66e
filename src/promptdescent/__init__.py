"""promptdescent improves the prompts people give to language models, and proves that it did.

An LLM prompt optimizer is a gradient optimizer, part by part (GPO, arXiv 2402.17564): the parts are in
``promptdescent.parts``, the optimizers that fill them in ``promptdescent.recipes``, and the one loop in
``promptdescent.optimizer``.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptdescent.version import __version__ as __version__

if TYPE_CHECKING:
    from promptdescent.api import evaluate as evaluate
    from promptdescent.api import explain_run as explain_run
    from promptdescent.api import optimize as optimize
    from promptdescent.api import rerun as rerun
    from promptdescent.api import resume as resume
    from promptdescent.config import RunSpec as RunSpec
    from promptdescent.errors import BudgetExhausted as BudgetExhausted
    from promptdescent.errors import ConfigError as ConfigError
    from promptdescent.errors import DataError as DataError
    from promptdescent.errors import InputError as InputError
    from promptdescent.errors import ModelError as ModelError
    from promptdescent.errors import PromptDescentError as PromptDescentError
    from promptdescent.errors import RunFailed as RunFailed
    from promptdescent.errors import StoreError as StoreError
    from promptdescent.llm.base import LLM as LLM
    from promptdescent.llm.function import FunctionLLM as FunctionLLM
    from promptdescent.llm.local import LocalLLM as LocalLLM
    from promptdescent.llm.openai_compatible import OpenAICompatible as OpenAICompatible
    from promptdescent.parts.recipe import Recipe as Recipe
    from promptdescent.phases import EvaluationResult as EvaluationResult
    from promptdescent.phases import RunResult as RunResult
    from promptdescent.recipes import recipe_named as recipe_named
    from promptdescent.records import Candidate as Candidate
    from promptdescent.records import Progress as Progress
    from promptdescent.records import RunObserver as RunObserver
    from promptdescent.records import StepRecord as StepRecord
    from promptdescent.records import Verdict as Verdict
    from promptdescent.store.store import Store as Store
    from promptdescent.tasks.metrics import Metric as Metric


_HOMES = {
    "BudgetExhausted": "errors",
    "Candidate": "records",
    "ConfigError": "errors",
    "DataError": "errors",
    "EvaluationResult": "phases",
    "FunctionLLM": "llm.function",
    "InputError": "errors",
    "LLM": "llm.base",
    "LocalLLM": "llm.local",
    "Metric": "tasks.metrics",
    "ModelError": "errors",
    "OpenAICompatible": "llm.openai_compatible",
    "Progress": "records",
    "PromptDescentError": "errors",
    "Recipe": "parts.recipe",
    "RunFailed": "errors",
    "RunObserver": "records",
    "RunResult": "phases",
    "RunSpec": "config",
    "StepRecord": "records",
    "Store": "store.store",
    "StoreError": "errors",
    "Verdict": "records",
    "evaluate": "api",
    "explain_run": "api",
    "optimize": "api",
    "recipe_named": "recipes",
    "rerun": "api",
    "resume": "api",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
