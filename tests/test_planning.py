"""The forecast: what a run is expected to use, as a range, by role and in money."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.assembly import Given, load_task, recipe_for
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.planning import Forecast, forecast, prices_of
from promptdescent.prices import Price
from promptdescent.records import Usage
from promptdescent.report.record import canonical, run_record
from promptdescent.store.store import Store

LABELS = ("complaint", "praise", "question")
ROWS = [
    {"text": f"My {LABELS[number % 3]} has the number {number}, as you know", "label": LABELS[number % 3]}
    for number in range(200)
]
SIZES = {"train_rows": 32, "dev_rows": 20, "test_rows": 40}
MODELS = {"task_model": "simulated:plain", "optimizer_model": "simulated:plain"}
AT = 1_790_000_000.0


def spec(**changes: Any) -> RunSpec:
    settings: dict[str, Any] = {
        "input": ("text",),
        "target": "label",
        "prompt": "What kind of message is this?",
        **SIZES,
        **MODELS,
        "steps": 9,
    }
    return RunSpec().with_settings({**settings, **changes})


def plan(**changes: Any) -> Forecast:
    asked, given = spec(**changes), Given(rows=ROWS)
    return forecast(asked, recipe_for(asked, given), load_task(asked, given))


# --- ranges -----------------------------------------------------------------------------------------------------------


def test_the_ranges_of_gpo() -> None:
    found = plan()
    task, optimizer = found.roles["task"], found.roles["optimizer"]
    # All steps: the starting prompt on 20 dev rows, 9 steps of 8 prompts on 20, both prompts on 40 test rows.
    assert task.likely.calls == task.high.calls == 20 + 9 * 8 * 20 + 80
    assert optimizer.likely.calls == optimizer.high.calls == 9 * 8
    # The earliest end: 6 steps without a better prompt, each with one call of the optimizer model and one prompt to
    # score; the starting prompt is then the best one and the only one on the test rows.
    assert task.low.calls == 20 + 6 * 20 + 40
    assert optimizer.low.calls == 6
    assert found.total == task.likely + optimizer.likely
    assert found.total == found.start + sum([found.step] * 9, Usage()) + found.verdict


@pytest.mark.parametrize("recipe", ["gpo", "ape", "apo", "opro", "pe2", "sgdm", "gpo:reference-code"])
def test_low_is_least_and_high_is_most(recipe: str) -> None:
    for role, part in plan(recipe=recipe, train_rows=64).roles.items():
        for one, other in ((part.low, part.likely), (part.likely, part.high)):
            assert 0 < one.calls <= other.calls, role
            assert 0 < one.tokens_in <= other.tokens_in, role
            assert 0 < one.tokens_out <= other.tokens_out, role


def test_patience_decides_the_earliest_end() -> None:
    assert plan(patience=2).roles["optimizer"].low.calls == 2
    assert plan(patience=0).roles["optimizer"].low.calls == 9
    assert plan(patience=0).roles["task"].high == plan(patience=2).roles["task"].high


def test_replies_at_their_limit_make_the_high_figure() -> None:
    short, long = plan(task_max_tokens=10).roles["task"], plan(task_max_tokens=1000).roles["task"]
    assert long.high.tokens_out == 100 * short.high.tokens_out == 1000 * long.high.calls
    assert long.low == short.low
    assert plan(task_max_tokens=1).roles["task"].low.tokens_out == plan().roles["task"].low.calls


def test_prompts_grow_by_the_word_budget_and_no_further_than_a_reply() -> None:
    small = {"recipe": {"base": "gpo", "step_size": {"part": "Constant", "amount": 1}}}
    large = {"recipe": {"base": "gpo", "step_size": {"part": "Constant", "amount": 1000}}}
    free = {"recipe": {"base": "gpo", "step_size": "Unbounded"}}
    reads = [plan(**one).roles["task"].high.tokens_in for one in (small, large, free)]
    assert reads[0] < reads[1] == reads[2]
    assert plan(**free, optimizer_max_tokens=2000).roles["task"].high.tokens_in > reads[2]


def test_a_judge_is_a_role_of_its_own() -> None:
    found = plan(metric="judge", judge_model="simulated:plain", judge_repeats=3, judge_temperature=1.0)
    judge, task = found.roles["judge"], found.roles["task"]
    assert [judge.low.calls, judge.likely.calls, judge.high.calls] == [
        3 * calls for calls in (task.low.calls, task.likely.calls, task.high.calls)
    ]
    assert judge.low.tokens < judge.likely.tokens < judge.high.tokens
    assert "judge" not in plan().roles


def test_a_run_without_a_search() -> None:
    found = plan(steps=0)
    assert found.roles["optimizer"].high == Usage()
    assert (found.roles["task"].low.calls, found.roles["task"].high.calls) == (60, 100)


# --- money ------------------------------------------------------------------------------------------------------------


def test_money_by_role_and_in_all() -> None:
    data = plan(task_price="1/2", optimizer_price="10/20").as_data()
    task, optimizer = data["roles"]["task"], data["roles"]["optimizer"]
    used = plan().roles["task"].likely
    assert task["money"]["likely"] == pytest.approx((used.tokens_in + 2 * used.tokens_out) / 1e6)
    for name in ("low", "likely", "high"):
        assert data["total"]["money"][name] == pytest.approx(task["money"][name] + optimizer["money"][name])
        assert data["total"]["calls"][name] == task["calls"][name] + optimizer["calls"][name]
    assert task["price"] == {"tokens_in": 1e-6, "tokens_out": 2e-6, "source": "as given"}


def test_models_of_this_process_cost_nothing() -> None:
    data = plan().as_data()
    assert data["total"]["money"] == {"low": 0.0, "likely": 0.0, "high": 0.0}
    assert data["roles"]["task"]["price"]["source"] == "runs on this machine"


def test_a_price_that_is_not_known_leaves_the_total_unknown() -> None:
    data = plan(task_model="mine", task_base_url="http://127.0.0.1:1/v1").as_data()
    assert data["roles"]["task"]["money"] is data["roles"]["task"]["price"] is data["total"]["money"] is None
    assert data["roles"]["optimizer"]["money"] is not None


def test_prices_of_the_roles() -> None:
    asked = spec(task_model="gpt-4o-mini", optimizer_model=None)
    prices = prices_of(asked, asked.roles, at=AT)
    assert (
        prices["task"]
        == prices["optimizer"]
        == Price(tokens_in=15e-8, tokens_out=6e-7, source="price list of genai-prices")
    )
    asked = spec(task_model="gpt-4o-mini", optimizer_model=None, task_base_url="https://example.org/v1")
    assert prices_of(asked, asked.roles, at=AT) == {"task": None, "optimizer": None}
    asked = spec(task_model="python:gpt-4o-mini")
    assert prices_of(asked, ["task"], at=AT) == {"task": None}, "what was handed in may be anything"
    with pytest.raises(ConfigError, match="--optimizer-price 'cheap' is no price"):
        prices_of(spec(optimizer_price="cheap"), asked.roles, at=AT)


# --- caps -------------------------------------------------------------------------------------------------------------


def test_a_cap_on_money_sets_the_number_of_steps() -> None:
    prices = {"task_price": "1/2", "optimizer_price": "3/4"}
    free = plan(**prices)
    fixed = sum(price.of(part) for price, part in _money_of(free, steps=0))
    one = sum(price.of(part) for price, part in _money_of(free, steps=1)) - fixed
    for steps in (1, 4, 8):
        found = plan(**prices, max_money=fixed + (steps + 0.5) * one)
        assert (found.steps, found.wanted_steps) == (steps, 9)
    assert plan(**prices, max_money=100.0).steps == 9
    assert plan(**prices, max_money=fixed + 1.5 * one, whole_steps=True).steps == 9


def _money_of(free: Forecast, *, steps: int) -> list[tuple[Price, Usage]]:
    few = plan(steps=steps)
    return [(free.prices[role], part.likely) for role, part in few.roles.items()]


def test_a_cap_on_money_that_is_too_small_names_the_least() -> None:
    prices = {"task_price": "1/2", "optimizer_price": "3/4"}
    with pytest.raises(ConfigError, match=r"--max-money 0\.001 is too small: one step and the verdict") as caught:
        plan(**prices, max_money=0.001)
    (least,) = re.findall(r"need (\S+) US dollars, by estimate", str(caught.value))
    assert plan(**prices, max_money=float(least)).steps == 1
    with pytest.raises(ConfigError, match="too small"):
        plan(**prices, max_money=0.97 * float(least))


@pytest.mark.parametrize(("name", "unit"), [("max_calls", "calls"), ("max_total_tokens", "tokens, by estimate")])
def test_other_caps_name_the_least_too(name: str, unit: str) -> None:
    with pytest.raises(ConfigError, match="is too small") as caught:
        plan(**{name: 1})
    (least,) = re.findall(rf"need (\d+) {unit}", str(caught.value))
    assert plan(**{name: int(least)}).steps == 1
    with pytest.raises(ConfigError, match="is too small"):
        plan(**{name: int(least) - 1})


def test_a_cap_on_money_needs_every_price() -> None:
    elsewhere = {"optimizer_model": "mine", "optimizer_base_url": "http://127.0.0.1:1/v1", "max_money": 1.0}
    with pytest.raises(ConfigError, match=r"the optimizer model mine is not known: give it with --optimizer-price"):
        plan(**elsewhere)
    assert plan(**elsewhere, optimizer_price="1/1").steps == 9
    assert plan(max_money=0.0).steps == 9, "models of this process cost nothing"


# --- forecast and fact ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"estimation": "Racing"}, {"recipe": "apo"}, {"recipe": "sgdm"}], ids=str)
def test_a_run_stays_within_its_forecast_and_says_so(settings: dict[str, Any], tmp_path: Path) -> None:
    asked = spec(steps=3, seed=2, task_price="1/2", **settings)
    promptdescent.optimize(ROWS, store=tmp_path, yes=True, **{**asked.as_data()})
    store = Store.open(tmp_path)
    try:
        record = run_record(store, "latest")
    finally:
        store.close()
    found = record["forecast"]
    assert found["steps"] == 3
    for part in (*found["roles"].values(), found["total"]):
        for key in ("calls", "tokens", "money"):
            assert part[key]["low"] <= part["used"][key] <= part[key]["high"], (key, part)
    assert found["total"]["used"]["money"] > 0
    assert "forecast" not in canonical(record)
