"""Prices: the highest rate of the list, the user's own, or none at all."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from promptdescent.errors import ConfigError
from promptdescent.prices import Price, charge, given_price, price_of
from promptdescent.records import Usage

OPENAI = "https://api.openai.com/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"
DEEPSEEK = "https://api.deepseek.com"
NOW = 1_790_000_000.0
MILLION = Usage(calls=1_000, tokens_in=1_000_000, tokens_out=1_000_000)


def price(name: str, base_url: str | None = OPENAI, **changes: Any) -> Price | None:
    asked = {"in_process": False, "given": None, "flag": "--task-price", "at": NOW, **changes}
    return price_of(name, base_url=base_url, **asked)


def known(name: str, base_url: str | None = OPENAI, **changes: Any) -> Price:
    found = price(name, base_url, **changes)
    assert found is not None
    return found


def per_million(found: Price) -> tuple[float, float]:
    return round(1e6 * found.tokens_in, 6), round(1e6 * found.tokens_out, 6)


def test_a_listed_price() -> None:
    found = known("gpt-4o-mini")
    assert (per_million(found), found.source) == ((0.15, 0.60), "price list of genai-prices")
    assert found.of(MILLION) == pytest.approx(0.75)
    assert found.of(Usage(calls=5)) == 0.0


def test_of_several_rates_it_is_the_highest() -> None:
    """Gemini 2.5 Pro costs 1.25 and 10 below 200,000 tokens, and 2.50 and 15 above."""
    found = known("gemini-2.5-pro", GOOGLE)
    assert per_million(found) == (2.5, 15.0)
    asked = {"base_url": GOOGLE, "in_process": False, "given": None, "flag": "", "at": NOW}
    assert charge(MILLION, name="gemini-2.5-pro", **asked) == pytest.approx(11.25), "what short calls are charged"  # type: ignore[arg-type]


def test_the_dearest_hour_of_the_next_day_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is cheap at night and dear by day has one price for a cap, whatever the hour of the start."""
    from genai_prices.types import ModelInfo, ModelPrice

    def by_hour(_: ModelInfo, moment: Any, context: Any = None) -> ModelPrice:
        rate = Decimal(9) if 8 <= moment.hour < 9 else Decimal(1)
        return ModelPrice(input_mtok=rate, output_mtok=rate)

    monkeypatch.setattr(ModelInfo, "get_prices", by_hour)
    for hour in (0, 7, 8, 9, 23):
        assert per_million(known("gpt-4o-mini", at=NOW - NOW % 86_400 + 3600 * hour)) == (9.0, 9.0)


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("no-such-model", OPENAI),
        ("gpt-4o-mini", None),
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("gpt-4o-mini", "https://example.org/api.openai.com/v1"),
        ("sonar", "https://api.perplexity.ai"),  # costs a fee per request on top of its tokens
        ("text-embedding-3-small", OPENAI),  # writes nothing, so that there is no price of what it writes
    ],
)
def test_a_price_that_is_not_known(name: str, base_url: str | None) -> None:
    assert price(name, base_url) is None
    asked = {"in_process": False, "given": None, "flag": "", "at": NOW}
    assert charge(MILLION, name=name, base_url=base_url, **asked) is None  # type: ignore[arg-type]


def test_a_model_in_this_process_is_free() -> None:
    found = known("local:smollm2", None, in_process=True)
    assert (found.of(MILLION), found.source) == (0.0, "runs on this machine")


@pytest.mark.parametrize("in_process", [False, True])
def test_what_the_user_says_wins(in_process: bool) -> None:
    found = known("gpt-4o-mini", given="0.15/0.60", in_process=in_process)
    assert (per_million(found), found.source) == ((0.15, 0.6), "as given")
    assert known("x", None, given="0/0").of(MILLION) == 0.0


@pytest.mark.parametrize("text", ["", "1", "1/2/3", "a/b", "-1/2", "1/-2", "nan/1", "1/inf", "inf/1", "1:2", "/"])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--judge-price .* is no price: .* such as 0\.15/0\.60"):
        Price.read(text, flag="--judge-price")


def test_an_optimizer_model_that_is_the_task_model_has_its_price() -> None:
    settings = {"task_price": "1/2"}
    assert given_price(settings, "optimizer") == ("1/2", "--task-price")
    assert given_price({**settings, "optimizer_price": "3/4"}, "optimizer") == ("3/4", "--optimizer-price")
    assert given_price({**settings, "optimizer_model": "another"}, "optimizer") == (None, "--optimizer-price")
    assert given_price({**settings, "optimizer_base_url": "http://x"}, "optimizer") == (None, "--optimizer-price")
    assert given_price(settings, "judge") == (None, "--judge-price")


def test_every_model_of_the_list_can_be_priced() -> None:
    """No entry breaks a forecast, and none has a rate below what it charges for a short call."""
    from genai_prices.data import providers

    asked = {"in_process": False, "given": None, "flag": "", "at": time.time()}
    seen = 0
    for provider in providers:
        if provider.id not in ("openai", "google", "anthropic", "mistral", "deepseek"):
            continue
        base_url = {"openai": OPENAI, "google": GOOGLE, "deepseek": DEEPSEEK}.get(provider.id)
        base_url = base_url or f"https://api.{provider.id}.{'com' if provider.id == 'anthropic' else 'ai'}/v1"
        for model in provider.models:
            found = price_of(model.id, base_url=base_url, **asked)  # type: ignore[arg-type]
            charged = charge(MILLION, name=model.id, base_url=base_url, **asked)  # type: ignore[arg-type]
            assert (found is None) == (charged is None), model.id
            if found is not None and charged is not None:
                seen += 1
                assert found.of(MILLION) >= charged * (1 - 1e-9), model.id
    assert seen > 100
