"""Metrics: how right a reply is, given the row's target. ``docs/metrics.md`` describes each."""

from promptdescent.tasks.metrics.answers import Choice, ExactMatch, Number
from promptdescent.tasks.metrics.base import Metric, Score, check_metric, references, same_answer
from promptdescent.tasks.metrics.brackets import Brackets
from promptdescent.tasks.metrics.choose import CHOICES, METRICS, MOST_LABELS, choose_metric, metric_needs_target
from promptdescent.tasks.metrics.extracted import JsonField, RegexMatch
from promptdescent.tasks.metrics.function import FunctionMetric
from promptdescent.tasks.metrics.lists import ListMatch
from promptdescent.tasks.metrics.maths import MathMatch
from promptdescent.tasks.metrics.reference import Reference
from promptdescent.tasks.metrics.rouge import RougeL

__all__ = [
    "CHOICES",
    "METRICS",
    "MOST_LABELS",
    "Brackets",
    "Choice",
    "ExactMatch",
    "FunctionMetric",
    "JsonField",
    "ListMatch",
    "MathMatch",
    "Metric",
    "Number",
    "Reference",
    "RegexMatch",
    "RougeL",
    "Score",
    "check_metric",
    "choose_metric",
    "metric_needs_target",
    "references",
    "same_answer",
]
