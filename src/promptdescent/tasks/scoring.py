"""How replies are scored: by a metric, at once or in another process, or by a judge's calls. All are one to the
evaluator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from promptdescent.records import Example
from promptdescent.tasks.metrics.base import Metric, Score

Scorer = Callable[[str, Example], Awaitable[Score]]
"""Scores a reply for a row. Raises :class:`~promptdescent.errors.ModelError` where a call for it fails for good."""


@runtime_checkable
class SlowMetric(Metric, Protocol):
    """A metric that may take seconds, and scores in other processes."""

    async def score_aside(self, reply: str, example: Example) -> Score:
        """As :meth:`Metric.score`, while other coroutines go on."""

    def close(self) -> None:
        """End the processes; a later call may start them again."""


def by_metric(metric: Metric) -> Scorer:
    """Scores by a metric that needs no calls."""
    if isinstance(metric, SlowMetric):
        return metric.score_aside

    async def score(reply: str, example: Example) -> Score:
        return metric.score(reply, example)

    return score


def close_metric(metric: object) -> None:
    """Give back what a metric holds beside memory; called at the end of a run."""
    if isinstance(metric, SlowMetric):
        metric.close()
