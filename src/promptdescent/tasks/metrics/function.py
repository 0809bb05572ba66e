"""Functions of the user's as metrics."""

from __future__ import annotations

import importlib
import inspect
import math
import numbers
import sys
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

from promptdescent.errors import ConfigError, nearest
from promptdescent.records import Example
from promptdescent.tasks.metrics.base import Score
from promptdescent.tasks.metrics.source import source_digest

Argument = Literal["target", "inputs"]


@dataclass(frozen=True)
class FunctionMetric:
    """A function of the user's, named ``module:function``, looked for in the current directory too.

    It is called with the reply and the target, and with a dict of the row's inputs if it takes a third argument; a
    function of the reply alone, or of the reply and ``inputs``, needs no target. It returns a finite number, or such a
    number and a text of feedback. Raises :class:`ConfigError` if there is no such function, or if it fails.
    """

    name: str
    """``module:function``."""
    perfect_score: ClassVar[None] = None
    scoring: ClassVar[str] = "Answers are scored by a program; the higher the score, the better."
    _function: Callable[..., object] = field(init=False, repr=False, compare=False)
    _takes: tuple[Argument, ...] = field(init=False, repr=False, compare=False)
    """What it takes after the reply."""

    given: InitVar[Callable[..., object] | None] = None
    """The function itself, where it is not to be imported by its name."""

    def __post_init__(self, given: Callable[..., object] | None) -> None:
        function = given or _import_function(self.name)
        object.__setattr__(self, "_function", function)
        object.__setattr__(self, "_takes", _taken(self.name, function))

    @classmethod
    def of(cls, function: Callable[..., object]) -> FunctionMetric:
        """The metric that calls ``function``, by the name that it has."""
        return cls(name=f"python:{getattr(function, '__name__', 'metric')}", given=function)

    @property
    def needs_target(self) -> bool:
        return "target" in self._takes

    @property
    def source(self) -> str:
        """Digest of the function's source; empty where it cannot be seen."""
        return source_digest(self._function)

    def score(self, reply: str, example: Example) -> Score:
        row = f"the row {' '.join(example.question.split())[:60]!r}"
        if self.needs_target:
            row += f" (target {example.target[:40]!r})"
        values: dict[Argument, object] = {"target": example.target, "inputs": dict(example.inputs)}
        try:
            result = self._function(reply, *(values[name] for name in self._takes))
        except Exception as error:
            raise ConfigError(
                f"--metric {self.name} raised {type(error).__name__} on {row}: {error}; mend the function"
            ) from error
        value, feedback = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
        if not isinstance(value, numbers.Real | Decimal) or not math.isfinite(value) or not isinstance(feedback, str):
            _close_coroutine(result)
            raise ConfigError(
                f"--metric {self.name} returned {result!r} on {row}; "
                "it must return a finite number, or (number, feedback text)"
            )
        if value < 0:
            raise ConfigError(
                f"--metric {self.name} returned {value} on {row}; scores start at 0, which is what an empty reply gets"
            )
        return Score(float(value), reply.strip() or None, feedback)


def _close_coroutine(result: object) -> None:
    """End an ``async def`` metric's coroutine, which would else warn that it was never awaited."""
    if inspect.iscoroutine(result):
        result.close()


def _import_function(name: str) -> Callable[..., object]:
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise ConfigError(f"--metric {name}: write it as module:function")
    module = _import_module(name, module_name)
    function: Any = getattr(module, function_name, None)
    if function is None:
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigError(
            f"--metric {name}: the module has no function {function_name!r}; {nearest(function_name, known)}"
        )
    if not callable(function):
        raise ConfigError(f"--metric {name}: {function_name} is {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]


def _import_module(name: str, module_name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # stays: the function may import its neighbours when it is called
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = f"no module {error.name!r} in {here} or among the installed packages"
        raise ConfigError(f"--metric {name}: {where}") from error
    except Exception as error:
        raise ConfigError(f"--metric {name}: importing {module_name} raised {type(error).__name__}: {error}") from error


def _taken(name: str, function: Callable[..., object]) -> tuple[Argument, ...]:
    """What to pass after the reply: the target, unless the function can do without a second argument that is not
    called ``inputs``; and the inputs, if it cannot do without a third argument or calls it ``inputs``.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return ("target",)
    places = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    third_is_inputs = len(places) > 2 and places[2].name == "inputs"
    if len(places) > 1 and places[1].name == "inputs" and _binds(signature, 2):
        return ("inputs",)
    if _binds(signature, 2) and not third_is_inputs:
        return ("target",)
    if _binds(signature, 3):
        return ("target", "inputs")
    if _binds(signature, 1):
        return ()
    raise ConfigError(
        f"--metric {name}: must take (reply, target), (reply, target, inputs), (reply, inputs) or (reply), "
        f"but takes {signature}"
    )


def _binds(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*range(arguments))
    except TypeError:
        return False
    return True
