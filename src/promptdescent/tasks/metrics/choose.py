"""A metric by its name: ``name``, ``name:argument``, or ``module:function`` for a function of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.tasks.metrics.answers import Choice, ExactMatch, Number, no_number
from promptdescent.tasks.metrics.base import Metric, references
from promptdescent.tasks.metrics.booleans import boolean_labels
from promptdescent.tasks.metrics.brackets import Brackets, check_brackets
from promptdescent.tasks.metrics.extracted import JsonField, RegexMatch
from promptdescent.tasks.metrics.function import FunctionMetric
from promptdescent.tasks.metrics.lists import Comparison, ListMatch, has_marks
from promptdescent.tasks.metrics.maths import MathMatch
from promptdescent.tasks.metrics.reference import KINDS, Reference
from promptdescent.tasks.metrics.reference import Kind as ReferenceKind
from promptdescent.tasks.metrics.rouge import RougeL, Several, tokens
from promptdescent.tasks.reading import RULES, Rule, parse_number

METRICS = (
    "exact",
    "choice",
    "boolean",
    "number",
    "math",
    "brackets",
    "f1",
    "list",
    "regex",
    "json",
    "rouge-l",
    "reference",
    "judge",
)
"""Names of the metrics that are built in; ``module:function`` names any other."""

BARE = ("exact", "choice", "boolean", "number", "math", "brackets", "judge")
"""Metrics that take no argument."""

NEEDS_ARGUMENT = {
    "regex": "regex:PATTERN, such as regex:#### (.+)",
    "json": "json:FIELD, such as json:label",
    "reference": "reference:KIND, such as reference:choice",
}
"""Metrics that must be given an argument, and how."""

CHOICES = ("choice", "boolean", "f1")
"""Metrics that read one of several labels."""

MOST_LABELS = 20
"""Distinct targets up to which a task is taken for a choice."""

LISTS: dict[str, Comparison] = {"": "share", "same": "same", "ordered": "ordered"}
ROUGES: dict[str, Several] = {"": "max", "mean": "mean"}
REFERENCES: dict[str, ReferenceKind] = {kind: kind for kind in KINDS}

Value = TypeVar("Value")


def split_name(name: str) -> tuple[str, str]:
    """The name of a built-in metric and its argument; ``("", name)`` for a function.

    Raises :class:`ConfigError` for a name that is neither, and for an argument that is missing or surplus.
    """
    head, colon, argument = name.partition(":")
    if head not in METRICS:
        if colon:
            return "", name
        raise ConfigError(
            f"--metric {name}: no such metric, and a function is named as module:function; {nearest(name, METRICS)}"
        )
    if head in NEEDS_ARGUMENT and not argument:
        raise ConfigError(f"--metric {name}: write it as {NEEDS_ARGUMENT[head]}")
    if colon and head in BARE:
        raise ConfigError(
            f"--metric {name}: {head} takes nothing after a colon; for a function in a module called {head}, give the "
            "module another name"
        )
    return head, argument


def metric_needs_target(name: str | None) -> bool:
    """Whether the metric called ``name`` compares with a target. Raises as :func:`choose_metric`."""
    if name is None:
        return True
    head, argument = split_name(name)
    if not head:
        return FunctionMetric(name).needs_target
    return RegexMatch(argument).needs_target if head == "regex" else head != "judge"


def choose_metric(name: str | None, targets: Sequence[str], *, read: str | None) -> Metric:
    """The metric called ``name``; by default number if all targets are, choice if at most 20 are distinct, else exact.

    ``read`` sets how a choice is read. ``f1`` scores a row as ``choice`` does: F1 itself is an objective over all rows.
    A judge is no :class:`Metric`, since it asks a model.

    Raises :class:`ConfigError` for an unknown name, argument or rule and for a rule without a choice;
    :class:`DataError` if targets do not fit the metric.
    """
    labels = tuple(sorted(set(targets)))
    head, argument = split_name(_default_metric(labels, read) if name is None else name)
    if read is not None and head not in CHOICES:
        raise ConfigError(
            f"--read {read} is about choices, but the metric is {name}; leave it out, or set --metric choice"
        )
    match head:
        case "choice" | "f1":
            return Choice(labels, _rule(read))
        case "boolean":
            return Choice(boolean_labels(labels), _rule(read), boolean=True)
        case "number":
            return _number(labels)
        case "math":
            return _math(labels)
        case "brackets":
            for target in labels:
                check_brackets(target)
            return Brackets()
        case "exact":
            return ExactMatch()
        case "list":
            words = not any(has_marks(target) for target in labels)
            return ListMatch(_argument("list", argument, LISTS), words=words)
        case "regex":
            return RegexMatch(argument)
        case "json":
            metric = JsonField(argument)
            metric.check(labels)
            return metric
        case "rouge-l":
            return _rouge(argument, labels)
        case "reference":
            return Reference(_argument("reference", argument, REFERENCES))
        case "judge":
            raise ConfigError("--metric judge asks a model: hand in a Judge")
    return FunctionMetric(argument)


def _number(targets: Sequence[str]) -> Number:
    for target in targets:
        if parse_number(target) is None:
            raise DataError(f"--metric number: {no_number(target)}")
    return Number()


def _math(targets: tuple[str, ...]) -> MathMatch:
    metric = MathMatch()
    metric.check(targets)
    return metric


def _rouge(argument: str, targets: Sequence[str]) -> RougeL:
    metric = RougeL(_argument("rouge-l", argument, ROUGES))
    for target in targets:
        if not any(tokens(reference) for reference in references(target)):
            raise DataError(f"--metric {metric.name}: the target {target[:60]!r} has no word; no reply could score")
    return metric


def _argument(head: str, argument: str, known: Mapping[str, Value]) -> Value:
    if argument in known:
        return known[argument]
    raise ConfigError(f"--metric {head}:{argument}: {nearest(f'{head}:{argument}', _spellings(head, known))}")


def _spellings(head: str, known: Iterable[str]) -> list[str]:
    return [f"{head}:{name}" if name else head for name in known]


def _default_metric(labels: Sequence[str], read: str | None) -> str:
    if read is None and all(parse_number(label) is not None for label in labels):
        return "number"
    return "choice" if len(labels) <= MOST_LABELS or read is not None else "exact"


def _rule(read: str | None) -> Rule:
    for rule in RULES:
        if read in (rule, None):
            return rule
    raise ConfigError(f"--read {read}: there is no such rule; {nearest(str(read), RULES)}")
