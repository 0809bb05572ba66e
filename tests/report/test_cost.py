"""Money by the price list; nothing is guessed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from promptdescent.llm.base import Totals
from promptdescent.records import Role, Usage
from promptdescent.report.cost import PricedModel, charge, money, total_of

OPENAI = PricedModel(name="gpt-4o-mini", endpoint="https://api.openai.com/v1")
OWN = PricedModel(name="gpt-4o-mini", endpoint="http://127.0.0.1:8000/v1")
LOCAL = PricedModel(name="local:smollm2", endpoint=None)
NOW = 1_790_000_000.0
MILLION = Usage(calls=1_000, tokens_in=1_000_000, tokens_out=1_000_000)


def both(usage: Usage) -> Totals:
    return Totals(used=usage, paid=usage + usage)


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
    assert found["optimizer"] == {"used": 0.0, "paid": 0.0}
    assert found["total"]["paid"] == pytest.approx(1.5)
    assert found["currency"] == "USD"


def test_a_total_of_which_a_part_is_unknown_is_unknown() -> None:
    totals: dict[Role, Totals] = {"task": both(MILLION), "optimizer": both(MILLION)}
    found = money(models(OPENAI, OWN), totals, at=NOW)
    assert found is not None
    assert found["optimizer"] == {"used": None, "paid": None}
    assert found["total"] == {"used": None, "paid": None}


@pytest.mark.parametrize(("task", "optimizer"), [(LOCAL, LOCAL), (OWN, LOCAL), (OWN, OWN)])
def test_no_money_where_nothing_has_a_price(task: PricedModel, optimizer: PricedModel) -> None:
    totals: dict[Role, Totals] = {"task": both(MILLION), "optimizer": both(MILLION)}
    assert money(models(task, optimizer), totals, at=NOW) is None


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
