"""Money by the price list; nothing is guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from promptdescent.llm.base import Totals
from promptdescent.prices import total_of
from promptdescent.records import Role, Usage
from promptdescent.report.cost import PricedModel, charge, money

OPENAI = PricedModel(name="gpt-4o-mini", endpoint="https://api.openai.com/v1")
OWN = PricedModel(name="gpt-4o-mini", endpoint="http://127.0.0.1:8000/v1")
LOCAL = PricedModel(name="local:smollm2", endpoint=None)
NOW = 1_790_000_000.0
MILLION = Usage(calls=1_000, tokens_in=1_000_000, tokens_out=1_000_000)


def both(usage: Usage) -> Totals:
    return Totals(used=usage, paid=usage + usage, lost=usage)


TOTALS: dict[Role, Totals] = {"task": both(MILLION), "optimizer": both(MILLION)}


def models(task: PricedModel, optimizer: PricedModel) -> dict[Role, PricedModel]:
    return {"task": task, "optimizer": optimizer}


def test_a_listed_price() -> None:
    # 0.15 and 0.60 US dollars per million tokens, as OpenAI has listed this model since 2024.
    assert charge(OPENAI, MILLION, at=NOW) == pytest.approx(0.75)


def test_calls_are_priced_by_their_own_length() -> None:
    # Gemini 2.5 Pro costs twice as much for requests of over 200,000 tokens; 1,000 short ones together are no long one.
    gemini = PricedModel(name="gemini-2.5-pro", endpoint="https://generativelanguage.googleapis.com/v1beta/openai")
    assert charge(gemini, MILLION, at=NOW) == pytest.approx(11.25)


@pytest.mark.parametrize(
    "model",
    [
        OWN,
        PricedModel(name="no-such-model", endpoint="https://api.openai.com/v1"),
        PricedModel(name="gpt-4o-mini", endpoint="https://example.org/api.openai.com/v1"),
        PricedModel(name="my_function", endpoint=None),
        PricedModel(name="gpt-4o-mini", endpoint=None),
    ],
)
def test_an_unknown_price_is_none(model: PricedModel) -> None:
    assert charge(model, MILLION, at=NOW) is None


def test_a_price_as_given_wins_over_the_list_and_over_none() -> None:
    for model in (OPENAI, OWN, LOCAL):
        assert charge(replace(model, given="2/8"), MILLION, at=NOW) == pytest.approx(10.0)


def test_a_model_in_this_process_costs_nothing() -> None:
    assert charge(LOCAL, MILLION, at=NOW) == 0.0


def test_no_calls_cost_nothing() -> None:
    assert charge(OPENAI, Usage(), at=NOW) == 0.0


def test_money_by_role() -> None:
    totals: dict[Role, Totals] = {"task": both(MILLION), "optimizer": both(MILLION)}
    found = money(models(OPENAI, LOCAL), totals, at=NOW)
    assert found is not None
    assert found["task"]["used"] == pytest.approx(0.75)
    assert found["task"]["paid"] == pytest.approx(1.5)
    assert found["optimizer"] == {"used": 0.0, "paid": 0.0, "lost": 0.0}
    assert found["total"]["paid"] == pytest.approx(1.5)
    assert found["total"]["lost"] == pytest.approx(0.75)
    assert found["currency"] == "USD"
    assert (found["unknown"], found["source"]) == ([], "price list of genai-prices")


def test_a_total_of_which_a_part_is_unknown_is_unknown() -> None:
    totals: dict[Role, Totals] = {"task": both(MILLION), "optimizer": both(MILLION)}
    found = money(models(OPENAI, OWN), totals, at=NOW)
    assert found is not None
    assert found["optimizer"] == {"used": None, "paid": None, "lost": None}
    assert found["total"] == {"used": None, "paid": None, "lost": None}
    assert found["unknown"] == ["optimizer"]


def test_no_money_where_all_models_run_in_this_process() -> None:
    assert money(models(LOCAL, LOCAL), TOTALS, at=NOW) is None


@pytest.mark.parametrize(("optimizer", "unknown"), [(LOCAL, ["task"]), (OWN, ["task", "optimizer"])])
def test_unknown_prices_are_named_and_not_taken_for_zero(optimizer: PricedModel, unknown: list[str]) -> None:
    found = money(models(OWN, optimizer), TOTALS, at=NOW)
    assert found is not None
    assert (found["unknown"], found["source"]) == (unknown, "")
    assert found["total"] == {"used": None, "paid": None, "lost": None}


def test_sources_of_prices_are_both_named() -> None:
    found = money(models(OPENAI, replace(OWN, given="1/1")), TOTALS, at=NOW)
    assert found is not None
    assert found["source"] == "price list of genai-prices and the prices as given"
    assert found["total"]["used"] == pytest.approx(0.75 + 2.0)


def test_the_endpoint_is_read_from_the_identity() -> None:
    identity = json.dumps({"base_url": "https://api.openai.com/v1", "model": "gpt-4o-mini", "listed": {}})
    assert PricedModel.of("gpt-4o-mini", identity) == OPENAI
    for other in ("sha256:abc", "[1]", '{"model": "x"}', '"https://api.openai.com/v1"'):
        assert PricedModel.of("m", other).endpoint is None


def test_totals() -> None:
    assert total_of([1.0, 0.5]) == 1.5
    assert total_of([1.0, None]) is None


def test_the_price_list_is_loaded_only_when_a_price_is_asked() -> None:
    code = "import sys, promptdescent.report.text; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
