"""Scores: how right a reply is, given the row's target."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import numbers
import sys
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.records import Example
from promptdescent.tasks.reading import RULES, ChoiceReader, Rule, label_key, parse_number, read_number

METRICS = ("exact", "choice", "number")
"""Names of the metrics that are built in; ``module:function`` names any other."""

MOST_LABELS = 20
"""Distinct targets up to which a task is taken for a choice."""


@dataclass(frozen=True)
class Score:
    """One reply against one target."""

    value: float
    """Higher is better; in [0, 1] for the metrics here, of any range for a function of the user's."""
    answer: str | None
    """The answer as read from the reply; None if nothing could be read, which counts as 0."""
    feedback: str = ""
    """What the metric has to say of the answer."""


class Metric(Protocol):
    """Scores replies. Pure: the same reply and row give the same score."""

    @property
    def name(self) -> str:
        """Stands in the run's record and in the task's fingerprint."""

    def score(self, reply: str, example: Example) -> Score:
        """How right ``reply`` is for ``example``. Raises the :class:`~promptdescent.errors.InputError` family."""


@dataclass(frozen=True)
class ExactMatch:
    """1 if the reply is the target; case, outer white space and one final full stop do not count.

    Where the target is a JSON list of texts, any of them is right.
    """

    name: str = field(default="exact", init=False)

    def score(self, reply: str, example: Example) -> Score:
        answer = reply.strip()
        right = _plain(answer) in {_plain(reference) for reference in _references(example.target)}
        return Score(float(right), answer or None)


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").strip().casefold()


def _references(target: str) -> list[str]:
    """The target itself and, if it is a JSON list, the texts in it."""
    if not target.startswith("["):
        return [target]
    try:
        parsed = json.loads(target)
    except ValueError:
        return [target]
    return [target, *(item for item in parsed if isinstance(item, str))]


@dataclass(frozen=True)
class Choice:
    """1 if the label that the reply names is the target, whatever its case. :class:`ChoiceReader` reads it."""

    labels: tuple[str, ...]
    read: Rule = "default"
    name: str = field(default="choice", init=False)
    _reader: ChoiceReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", ChoiceReader(labels=self.labels, rule=self.read))

    def score(self, reply: str, example: Example) -> Score:
        answer = self._reader.read(reply)
        right = answer is not None and label_key(answer) == label_key(example.target)
        return Score(float(right), answer)


@dataclass(frozen=True)
class Number:
    """1 if the number in the reply, as :func:`read_number` reads it, equals the target's: 17.50 is 17.5, not 18."""

    name: str = field(default="number", init=False)

    def score(self, reply: str, example: Example) -> Score:
        """Raises :class:`DataError` if the target is no number."""
        answer, target = read_number(reply), parse_number(example.target)
        if target is None:
            raise DataError(_no_number(example.target))
        return Score(float(answer == target), None if answer is None else str(answer))


def _no_number(target: str) -> str:
    return f"the target {target[:60]!r} is no number; correct the data, or set --metric to exact or choice"


@dataclass(frozen=True)
class FunctionMetric:
    """A function of the user's, named ``module:function``, looked for in the current directory too.

    It is called with the reply and the target, and with a dict of the row's inputs if it takes a third argument; it
    returns a finite number, or such a number and a text of feedback. Raises :class:`ConfigError` if there is no such
    function, or if it fails.
    """

    name: str
    """``module:function``."""
    _function: Callable[..., object] = field(init=False, repr=False, compare=False)
    _takes_inputs: bool = field(init=False, repr=False, compare=False)

    given: InitVar[Callable[..., object] | None] = None
    """The function itself, where it is not to be imported by its name."""

    def __post_init__(self, given: Callable[..., object] | None) -> None:
        function = given or _import_function(self.name)
        object.__setattr__(self, "_function", function)
        object.__setattr__(self, "_takes_inputs", _takes_inputs(self.name, function))

    @classmethod
    def of(cls, function: Callable[..., object]) -> FunctionMetric:
        """The metric that calls ``function``, by the name that it has."""
        return cls(name=f"python:{getattr(function, '__name__', 'metric')}", given=function)

    def score(self, reply: str, example: Example) -> Score:
        row = f"the row {' '.join(example.question.split())[:60]!r} (target {example.target[:40]!r})"
        inputs = (dict(example.inputs),) if self._takes_inputs else ()
        try:
            result = self._function(reply, example.target, *inputs)
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


def _takes_inputs(name: str, function: Callable[..., object]) -> bool:
    """Whether to pass the inputs: if the function cannot do without a third argument, or calls it ``inputs``."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return False
    for arguments in (2, 3):
        try:
            signature.bind(*range(arguments))
        except TypeError:
            continue
        third = list(signature.parameters.values())[2:3]
        named = bool(third) and third[0].name == "inputs" and third[0].kind is not inspect.Parameter.KEYWORD_ONLY
        return arguments == 3 or named
    raise ConfigError(f"--metric {name}: must take (reply, target) or (reply, target, inputs), but takes {signature}")


# --- choosing --------------------------------------------------------------------------------------------------------


def choose_metric(name: str | None, targets: Sequence[str], *, read: str | None) -> Metric:
    """The metric called ``name``; by default number if all targets are, choice if at most 20 are distinct, else exact.

    ``read`` sets how a choice is read. Raises :class:`ConfigError` for an unknown name or rule and for a rule without a
    choice, :class:`DataError` if targets are no numbers though they should be.
    """
    labels = tuple(sorted(set(targets)))
    if name is None:
        name = _default_metric(labels, read)
    if read is not None and name != "choice":
        raise ConfigError(
            f"--read {read} is about choices, but the metric is {name}; leave it out, or set --metric choice"
        )
    if name == "choice":
        return Choice(labels, _rule(read))
    if name == "number":
        for target in labels:
            if parse_number(target) is None:
                raise DataError(f"--metric number: {_no_number(target)}")
        return Number()
    if name == "exact":
        return ExactMatch()
    if ":" in name:
        return FunctionMetric(name)
    raise ConfigError(
        f"--metric {name}: no such metric, and a function is named as module:function; {nearest(name, METRICS)}"
    )


def _default_metric(labels: Sequence[str], read: str | None) -> str:
    if read is None and all(parse_number(label) is not None for label in labels):
        return "number"
    return "choice" if len(labels) <= MOST_LABELS or read is not None else "exact"


def _rule(read: str | None) -> Rule:
    for rule in RULES:
        if read in (rule, None):
            return rule
    raise ConfigError(f"--read {read}: there is no such rule; {nearest(str(read), RULES)}")
