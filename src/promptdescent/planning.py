"""Before the first call: how many steps there will be, and what the run will cost, as a range and by role."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.llm.endpoint import Endpoint
from promptdescent.parts.direction.gradient import DescentDirection
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.stopping import Patience
from promptdescent.prices import IN_PROCESS, Price, given_price, price_of, total_of
from promptdescent.records import Role, Usage
from promptdescent.tasks.judge import Judge
from promptdescent.tasks.task import Task

PYTHON = "python:"
"""How the names of models begin that were handed in from Python."""

META_PROMPT_CHARACTERS = 1600
"""The fixed wording of a meta-prompt, about."""

WORD_CHARACTERS = 8
"""A long word with its space: by so much a word of the budget may lengthen a prompt."""

ROUNDING = 1e-9
"""What a sum of prices may miss, as a share of a step's."""

Costs = Mapping[Role, Usage]


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """How long texts are: rules of thumb of ours, for token forecasts only."""

    characters_per_token: int
    call_tokens: int
    """What a chat's own form adds to each call."""
    replies: Mapping[Role, int]
    """Tokens of a reply, where the token limit allows that much."""

    def tokens(self, characters: int) -> int:
        """Tokens of a request of so many characters."""
        return -(-characters // self.characters_per_token) + self.call_tokens


LIKELY = Assumed(characters_per_token=4, call_tokens=0, replies={"task": 64, "optimizer": 128, "judge": 48})
SHORT = Assumed(characters_per_token=5, call_tokens=0, replies={"task": 2, "optimizer": 16, "judge": 16})
LONG = Assumed(characters_per_token=3, call_tokens=16, replies={})
"""Every reply is as long as its limit allows."""


@dataclass(frozen=True, kw_only=True)
class RoleForecast:
    """What a role uses. Retries, and verdicts of a judge that must be asked for again, come on top."""

    model: str
    """Its name."""
    low: Usage
    """The search ends by patience as early as it can, each step finds one prompt worth a score, replies are short."""
    likely: Usage
    """All steps at their full width, replies of usual length: calls at most, tokens about."""
    high: Usage
    """The same with every reply at its token limit, and prompts that grow by all that the word budget allows."""
    price: Price | None = None
    """None if it is not known."""

    @property
    def range(self) -> dict[str, Usage]:
        """The three figures by name."""
        return {"low": self.low, "likely": self.likely, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run of ``steps`` steps uses: calls at most, tokens about."""

    steps: int
    wanted_steps: int
    """What it would be without a cap."""
    start: Usage
    """Scoring the starting prompt on the dev rows, and whatever the initialization proposes."""
    step: Usage
    """One step: proposals with what leads to them, and their scores."""
    verdict: Usage
    """Both prompts on the test rows."""
    whole_steps: bool = False
    """Whether the search ends before a step that may not fit under a cap, instead of in it."""
    roles: Mapping[Role, RoleForecast]

    @property
    def total(self) -> Usage:
        """The whole run."""
        return self.start + _times(self.step, self.steps) + self.verdict

    @property
    def prices(self) -> dict[Role, Price]:
        """Those that are known."""
        return {role: one.price for role, one in self.roles.items() if one.price is not None}

    def as_data(self) -> dict[str, Any]:
        """The forecast as JSON can hold it: ranges of calls, tokens and US dollars by role and in all. Money is None
        where a price is not known.
        """
        roles = {
            role: {"model": one.model, **_ranges([one]), "price": asdict(one.price) if one.price else None}
            for role, one in self.roles.items()
        }
        return {
            "steps": self.steps,
            "wanted_steps": self.wanted_steps,
            "roles": roles,
            "total": _ranges(list(self.roles.values())),
        }


def _ranges(parts: Sequence[RoleForecast]) -> dict[str, Any]:
    """Low, likely and high of the sum of some roles."""
    figures = ("low", "likely", "high")
    used = {name: [one.range[name] for one in parts] for name in figures}
    money = {
        name: total_of([None if one.price is None else one.price.of(one.range[name]) for one in parts])
        for name in figures
    }
    return {
        "calls": {name: sum(usage.calls for usage in used[name]) for name in figures},
        "tokens": {name: sum(usage.tokens for usage in used[name]) for name in figures},
        "money": None if money["high"] is None else money,
    }


def prices_of(spec: RunSpec, roles: Iterable[Role], *, at: float) -> dict[Role, Price | None]:
    """The prices of a run's models at the Unix time ``at``, by role; None where one is not known.

    Raises :class:`ConfigError` for a price that was given and cannot be read.
    """
    settings = spec.as_data()
    prices: dict[Role, Price | None] = {}
    for role in roles:
        model = spec.model(role)
        name = model.settings.name
        given, flag = given_price(settings, role)
        in_process = name.startswith(IN_PROCESS)
        prices[role] = price_of(
            name,
            base_url=None if in_process or name.startswith(PYTHON) else Endpoint.of(model.base_url).shown,
            in_process=in_process,
            given=given,
            flag=flag,
            at=at,
        )
    return prices


def forecast(
    spec: RunSpec, recipe: Recipe, task: Task, *, prices: Mapping[Role, Price | None] | None = None
) -> Forecast:
    """Plan a run; ``prices`` are those of this moment unless others are given.

    T is the least of the recipe's epochs, ``--steps``, and what the caps afford once the verdict has its share, so
    that the word budget always runs its whole course. Raises :class:`ConfigError`, naming the least, if a cap does
    not afford one step and the verdict; and if there is a cap on money and a price is not known.
    """
    judged: tuple[Role, ...] = ("judge",) if isinstance(task.metric, Judge) else ()
    roles: tuple[Role, ...] = ("task", *judged) if spec.evaluate_on else ("task", "optimizer", *judged)
    prices = prices_of(spec, roles, at=time.time()) if prices is None else prices
    prices = {role: prices.get(role) for role in roles}
    _check_prices(spec, prices)
    if spec.evaluate_on:
        return _forecast_of_scoring(spec, recipe, task, prices, rows=len(task.rows_on(spec.evaluate_on)))
    plan = _Plan(spec, recipe, task, LIKELY)
    start, step, verdict = plan.start(), plan.step(), plan.verdict()
    wanted = min(recipe.search.steps(len(task.train)), spec.steps)
    steps = _affordable(spec, recipe, task, prices, wanted=wanted, once=_sum([start, verdict]), each=step)
    shortest = min([steps, *(part.steps for part in recipe.stopping if isinstance(part, Patience) and part.steps)])
    low = _Plan(spec, recipe, task, SHORT).least(shortest)
    likely = _sum([start, *[step] * steps, verdict])
    high = _Plan(spec, recipe, task, LONG).most(steps)
    return Forecast(
        steps=steps,
        wanted_steps=wanted,
        start=_whole(start),
        step=_whole(step),
        verdict=_whole(verdict),
        whole_steps=spec.whole_steps,
        roles=_by_role(spec, prices, low, likely, high),
    )


def _forecast_of_scoring(
    spec: RunSpec, recipe: Recipe, task: Task, prices: Mapping[Role, Price | None], *, rows: int
) -> Forecast:
    """One prompt on so many rows, and no search. Raises :class:`ConfigError` if a cap does not afford that."""
    low, likely, high = (_Plan(spec, recipe, task, assumed).scoring(rows) for assumed in (SHORT, LIKELY, LONG))
    for flag, cap, needed, unit in (
        ("--max-calls", spec.max_calls, _whole(likely).calls, "calls"),
        ("--max-total-tokens", spec.max_total_tokens, _whole(likely).tokens, "tokens, by estimate"),
        ("--max-money", spec.max_money, _money(likely, prices), "US dollars, by estimate"),
    ):
        if cap is not None and cap < needed:
            least = needed if isinstance(needed, int) else _rounded_up(needed)
            raise ConfigError(f"{flag} {cap} is too small: the {rows} rows need {least} {unit}. Raise the cap.")
    return Forecast(
        steps=0,
        wanted_steps=0,
        start=_whole(likely),
        step=Usage(),
        verdict=Usage(),
        roles=_by_role(spec, prices, low, likely, high),
    )


def _by_role(
    spec: RunSpec, prices: Mapping[Role, Price | None], low: Costs, likely: Costs, high: Costs
) -> dict[Role, RoleForecast]:
    return {
        role: RoleForecast(
            model=spec.model(role).settings.name,
            low=low.get(role, Usage()),
            likely=likely.get(role, Usage()),
            high=high.get(role, Usage()),
            price=price,
        )
        for role, price in prices.items()
    }


def _check_prices(spec: RunSpec, prices: Mapping[Role, Price | None]) -> None:
    if spec.max_money is None:
        return
    for role, price in prices.items():
        if price is None:
            raise ConfigError(
                f"--max-money {spec.max_money:g} needs the price of every model, and that of the {role} model "
                f"{spec.model(role).settings.name} is not known: give it with --{role}-price, in US dollars per "
                "million tokens read and written, such as 0.15/0.60"
            )


# --- what the caps afford ---------------------------------------------------------------------------------------------


def _affordable(
    spec: RunSpec,
    recipe: Recipe,
    task: Task,
    prices: Mapping[Role, Price | None],
    *,
    wanted: int,
    once: Costs,
    each: Costs,
) -> int:
    """Steps that fit under the caps. How long a call takes is not known before one was made, so that
    ``--max-minutes`` has no say in it.
    """
    steps = wanted
    for flag, cap, fixed, one, unit in (
        ("--max-calls", spec.max_calls, _whole(once).calls, _whole(each).calls, "calls"),
        ("--max-total-tokens", spec.max_total_tokens, _whole(once).tokens, _whole(each).tokens, "tokens, by estimate"),
        ("--max-money", spec.max_money, _money(once, prices), _money(each, prices), "US dollars, by estimate"),
    ):
        if cap is None or not wanted or spec.whole_steps or not one:
            continue
        affordable = math.floor((cap - fixed) / one + ROUNDING)
        if affordable < 1:
            least = fixed + one
            raise ConfigError(
                f"{flag} {cap} is too small: one step and the verdict need "
                f"{least if isinstance(least, int) else _rounded_up(least)} {unit} "
                f"({len(task.dev)} dev rows, {recipe.proposals_per_step} candidates, {len(task.verdict_rows)} test "
                "rows). Raise the cap or lower --dev-rows, --test-rows or --candidates."
            )
        steps = min(steps, affordable)
    return steps


def _money(costs: Costs, prices: Mapping[Role, Price | None]) -> float:
    """What is known of the price; a cap on money asks for all of it."""
    return math.fsum(price.of(usage) for role, usage in costs.items() if (price := prices.get(role)) is not None)


def _rounded_up(amount: float) -> str:
    """An amount that is no less, with three digits that matter."""
    digits = max(2, 2 - math.floor(math.log10(amount)))
    return f"{math.ceil(amount * 10**digits) / 10**digits:.{digits}f}"


# --- what a run asks for ----------------------------------------------------------------------------------------------


class _Plan:
    """What the pieces of a run use, if texts are as long as assumed."""

    def __init__(self, spec: RunSpec, recipe: Recipe, task: Task, assumed: Assumed) -> None:
        self._recipe = recipe
        self._task = task
        self._assumed = assumed
        self._dev = len(task.dev)
        self._start = len(task.start.text)
        limits: dict[Role, int] = {
            "task": spec.task_max_tokens,
            "optimizer": spec.optimizer_max_tokens,
            "judge": spec.judge_max_tokens,
        }
        self._replies = {role: min(limit, assumed.replies.get(role, limit)) for role, limit in limits.items()}
        # A prompt is a reply of the optimizer model, so that it has no more characters than that.
        self._longest = max(self._start, limits["optimizer"] * LIKELY.characters_per_token)

    # --- the pieces, each at its most in calls ---

    def start(self) -> Costs:
        """The starting prompt on the dev rows, and the prompts of the initialization."""
        first = self._recipe.start_calls(self._dev)
        return _sum([_by(self._row(self._start), self._dev + first.task), _by(self._proposal(), first.optimizer)])

    def step(self) -> Costs:
        """A step whose prompts are as long as the starting prompt."""
        calls = self._recipe.step_calls(self._dev)
        return _sum([_by(self._row(self._start), calls.task), _by(self._proposal(), calls.optimizer)])

    def verdict(self) -> Costs:
        """Both prompts on the test rows."""
        return _by(self._row(self._start), 2 * len(self._task.verdict_rows))

    # --- whole runs ---

    def scoring(self, rows: int) -> Costs:
        """The prompt on so many rows, and no search."""
        return _by(self._row(self._start), rows)

    def least(self, steps: int) -> Costs:
        """Steps that find one prompt each that is worth a score, and none that is better than the starting prompt."""
        row, search = self._row(self._start), self._recipe.search
        looked_at = self._recipe.gradient.calls(parents=1, minibatch=search.minibatch).task
        call = self._proposal()["optimizer"]
        several = Usage(calls=1, tokens_in=call.tokens_in, tokens_out=search.candidates * call.tokens_out)
        initial = self._recipe.initialization
        return _sum(
            [
                _by(row, self._dev + len(self._task.verdict_rows)),
                _by(row, self._dev * bool(initial.proposals)),
                _by({"optimizer": call}, min(1, initial.calls)),
                *[_sum([_by(row, looked_at + self._dev), {"optimizer": several}])] * steps,
            ]
        )

    def most(self, steps: int) -> Costs:
        """Steps in which the prompts grow by their whole word budgets."""
        first, calls = self._recipe.start_calls(self._dev), self._recipe.step_calls(self._dev)
        costs = [
            _by(self._row(self._start), self._dev),
            _by(self._row(self._longest), first.task),
            _by(self._long_query(self._start), first.optimizer),
        ]
        prompt = self._longest if self._recipe.initialization.proposals else self._start
        for step in range(1, steps + 1):
            before = prompt
            words = self._recipe.step_size.words(step, steps) if steps > self._recipe.step_size.warmup_steps else None
            grown = self._longest if words is None else prompt + words * WORD_CHARACTERS
            prompt = min(self._longest, grown)
            costs += [_by(self._row(prompt), calls.task), _by(self._long_query(before), calls.optimizer)]
        test = len(self._task.verdict_rows)
        return _sum([*costs, _by(self._row(self._start), test), _by(self._row(prompt), test)])

    # --- single calls ---

    def _row(self, prompt: int) -> Costs:
        """One row answered, with a prompt of so many characters, and scored."""
        rows = (*self._task.dev, *self._task.verdict_rows)
        question = sum(len(row.question) for row in rows) // len(rows)
        reply, metric = self._replies["task"], self._task.metric
        answered = Usage(calls=1, tokens_in=self._assumed.tokens(prompt + question), tokens_out=reply)
        if self._task.second_round:
            asked = self._assumed.tokens(prompt + question + len(self._task.second_round)) + reply
            answered += Usage(calls=1, tokens_in=asked, tokens_out=reply)
        if not isinstance(metric, Judge):
            return {"task": answered}
        sent = len(metric.message("", rows[0]).text) - len(rows[0].question) + question
        grade = Usage(calls=1, tokens_in=self._assumed.tokens(sent) + reply, tokens_out=self._replies["judge"])
        return {"task": answered, "judge": _times(grade, metric.repeats)}

    def _proposal(self) -> Costs:
        return self._query(META_PROMPT_CHARACTERS + self._shown_rows() + 4 * self._start)

    def _long_query(self, prompt: int) -> Costs:
        """A meta-prompt with all that it may show: past prompts as long as the current one, and rows with mistakes."""
        recipe = self._recipe
        past = getattr(recipe.momentum, "k", 1)
        shown = 2 + past if isinstance(past, int) else 3
        mistakes = 0
        if recipe.gradient.reflects:
            how = recipe.gradient.reflection if isinstance(recipe.gradient, DescentDirection) else None
            mistakes = how.mistakes if how else recipe.search.minibatch
        reply = self._replies["task"] * LIKELY.characters_per_token
        reflection = self._replies["optimizer"] * LIKELY.characters_per_token * recipe.gradient.reflects
        return self._query(
            META_PROMPT_CHARACTERS
            + self._shown_rows()
            + shown * prompt
            + mistakes * (self._train_row() + reply)
            + reflection
        )

    def _query(self, characters: int) -> Costs:
        tokens_in = self._assumed.tokens(characters)
        return {"optimizer": Usage(calls=1, tokens_in=tokens_in, tokens_out=self._replies["optimizer"])}

    def _shown_rows(self) -> int:
        return self._recipe.search.shown_rows * self._train_row()

    def _train_row(self) -> int:
        """Characters of a train row with its target, on average."""
        train = self._task.train
        return sum(len(row.question) + len(row.target) for row in train) // max(1, len(train))


def _by(costs: Costs, factor: int) -> Costs:
    return {role: _times(usage, factor) for role, usage in costs.items()}


def _sum(parts: Iterable[Costs]) -> Costs:
    """The sum by role."""
    found: dict[Role, Usage] = {}
    for costs in parts:
        for role, usage in costs.items():
            found[role] = found.get(role, Usage()) + usage
    return found


def _whole(costs: Costs) -> Usage:
    """All roles together."""
    return sum(costs.values(), Usage())


def _times(usage: Usage, factor: int) -> Usage:
    return Usage(calls=usage.calls * factor, tokens_in=usage.tokens_in * factor, tokens_out=usage.tokens_out * factor)
