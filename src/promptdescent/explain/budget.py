"""What an explanation may use: how many scored rows the caps afford, and what the plan will cost."""

from __future__ import annotations

import math
from dataclasses import replace

from promptdescent.assembly import NO_EXTRAS, recipe_for
from promptdescent.config import RunSpec
from promptdescent.explain.plan import MOST_CALLS, Plan
from promptdescent.planning import Forecast, RoleForecast, forecast
from promptdescent.records import Prompt, Usage
from promptdescent.tasks.judge import Judge
from promptdescent.tasks.task import Task

FOR_RETRIES = 1.1
"""The cap of an explanation without one, as a multiple of the calls that it needs if every call succeeds at once."""


def most_scored(spec: RunSpec, task: Task) -> int:
    """Rows, counted once per prompt, that the caps afford."""
    each = _per_prompt(spec, task, len(task.start.text))
    rows = len(task.dev)
    rounds = 2 if task.second_round else 1
    graded = task.metric.repeats if isinstance(task.metric, Judge) else 0
    by_calls = MOST_CALLS // rounds if spec.max_calls is None else spec.max_calls // (rounds + graded)
    limits = [by_calls]
    if spec.max_total_tokens is not None:
        limits.append(spec.max_total_tokens * rows // max(1, each.total.tokens))
    money = each.as_data()["total"]["money"]
    if spec.max_money is not None and money and money["likely"]:
        limits.append(math.floor(spec.max_money * rows / money["likely"]))
    return min(limits)


def foreseen(spec: RunSpec, task: Task, plan: Plan) -> Forecast:
    """What the plan uses. Prompts of the design are about half as long as the whole one."""
    on_rows = replace(task, splits=replace(task.splits, dev=plan.rows))
    length = len(task.start.text)
    whole, half = (_per_prompt(spec, on_rows, characters) for characters in (length, length // 2))
    shorter = len(plan.design)
    longer = plan.prompts - shorter
    roles = {
        role: RoleForecast(
            model=part.model,
            price=part.price,
            low=_times(part.low, longer) + _times(half.roles[role].low, shorter),
            likely=_times(part.likely, longer) + _times(half.roles[role].likely, shorter),
            high=_times(part.high, plan.prompts),
        )
        for role, part in whole.roles.items()
    }
    return replace(whole, start=sum((one.likely for one in roles.values()), Usage()), roles=roles)


def capped(spec: RunSpec, foretold: Forecast) -> RunSpec:
    """The settings with a cap on calls, which leaves some room for retries unless the user has set one."""
    if spec.max_calls is not None:
        return spec
    return replace(spec, max_calls=math.ceil(FOR_RETRIES * foretold.total.calls))


def _per_prompt(spec: RunSpec, task: Task, characters: int) -> Forecast:
    """One prompt of so many characters on the dev rows of ``task``. A cap on money asks for every price here."""
    uncapped = replace(spec, max_calls=None, max_total_tokens=None)
    sized = replace(task, start=Prompt.of("x" * characters))
    return forecast(uncapped, recipe_for(uncapped, NO_EXTRAS), sized)


def _times(usage: Usage, factor: int) -> Usage:
    return Usage(calls=usage.calls * factor, tokens_in=usage.tokens_in * factor, tokens_out=usage.tokens_out * factor)
