"""A run's forecast as text: before the run as a table, and after it beside what the run used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptdescent.prices import FREE, MILLION
from promptdescent.report.numbers import dollars, table

UNITS = {"calls": "calls", "tokens": "tokens", "money": "US dollars"}
FIGURES = ("low", "likely", "high")

EXPLAINED = (
    "Low: the search ends by patience as early as it can, each step finds one prompt worth a score, replies are short. "
    "Likely: all steps, each at its full width. High: every reply at its token limit, prompts grown by all of their "
    "word budgets. Retries come on top."
)

WITHOUT_STEPS = "Low: replies are short. High: every reply is at its token limit. Retries come on top."


def forecast_text(forecast: dict[str, Any]) -> str:
    """The forecast of a run as a table by role, what the figures mean, and the prices they rest on."""
    rows: list[tuple[str, ...]] = [("", "", *FIGURES)]
    parts = {f"{role} model": part for role, part in forecast["roles"].items()} | {"in all": forecast["total"]}
    for name, part in parts.items():
        for place, (key, unit) in enumerate(UNITS.items()):
            rows.append((name if place == 0 else "", unit, *_cells(part[key], money=key == "money")))
    prices = [_price(role, part) for role, part in forecast["roles"].items()]
    explained = EXPLAINED if forecast["wanted_steps"] else WITHOUT_STEPS
    return "\n\n".join([table(rows), explained, "\n".join(["Prices:", *prices])])


def used_against_forecast(forecast: dict[str, Any]) -> str:
    """What was forecast and what was used, in all and by role."""
    total = forecast["total"]
    units = [key for key in UNITS if key != "money" or total["money"] is not None]
    in_all = "; ".join(f"{_range(total, key)} {UNITS[key]}, used {_used(total, key)}" for key in units)
    by_role = "; ".join(
        f"{role} model {_range(part, 'calls')}, used {_used(part, 'calls')}" for role, part in forecast["roles"].items()
    )
    return f"Forecast: {in_all}.\nForecast of calls by role: {by_role}."


def _range(part: dict[str, Any], key: str) -> str:
    low, high = (_cells(part[key], money=key == "money")[place] for place in (0, 2))
    return low if low == high else f"{low} to {high}"


def _used(part: dict[str, Any], key: str) -> str:
    return dollars(part["used"][key]) if key == "money" else f"{part['used'][key]:,}"


def _cells(figures: dict[str, Any] | None, *, money: bool) -> Sequence[str]:
    if figures is None:
        return ["not known"] * len(FIGURES)
    return [dollars(figures[name]) if money else f"{figures[name]:,}" for name in FIGURES]


def _price(role: str, part: dict[str, Any]) -> str:
    price, name = part["price"], f"  {role} model {part['model']}"
    if price is None:
        return f"{name}: not known; give it with --{role}-price IN/OUT, in US dollars per million tokens"
    if price["source"] == FREE:
        return f"{name}: none, it {FREE}"
    tokens_in, tokens_out = (f"{MILLION * price[key]:.6g}" for key in ("tokens_in", "tokens_out"))
    return f"{name}: {tokens_in} US dollars per million tokens read, {tokens_out} written ({price['source']})"
