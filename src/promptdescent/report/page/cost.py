"""What a run cost: used and paid, against its forecast and its caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptdescent.report.numbers import dollars
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted
from promptdescent.report.text import duration

NO_CAP, NO_FORECAST = "none", "not on record"


@dataclass(frozen=True, kw_only=True, slots=True)
class CostRow:
    """One kind of cost over all models, as text."""

    name: str
    used: str
    """Each distinct request once, as if the cache had been empty at the start."""
    paid: str
    """Every attempt that was sent."""
    forecast: str
    cap: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleRow:
    """Calls and tokens of one model by one counter."""

    role: str
    model: str
    counter: str
    calls: int
    tokens_in: int
    tokens_out: int
    money: str
    """US dollars; empty where no model has a price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSection:
    """Calls, tokens, money and time of a run."""

    totals: tuple[CostRow, ...]
    roles: tuple[RoleRow, ...]
    priced: bool
    """Whether the price of some model is known."""
    remarks: tuple[str, ...]
    """What the numbers leave out, in sentences."""


def cost_section(facts: Facts) -> CostSection:
    """The costs of a run so far."""
    record = facts.record
    money = record["money"]
    priced = money is not None and bool(money["source"])
    return CostSection(
        totals=_totals(record, priced=priced),
        roles=_roles(record, priced=priced),
        priced=priced,
        remarks=tuple(remark for remark in (_money(record), _lost(record), _cached(record)) if remark),
    )


def _totals(record: Mapping[str, Any], *, priced: bool) -> tuple[CostRow, ...]:
    caps, usage = record["caps"], record["usage"].values()
    rows = []
    for name, keys in (("calls", ("calls",)), ("tokens", ("tokens_in", "tokens_out"))):
        used, paid = (sum(one[counter][key] for one in usage for key in keys) for counter in ("used", "paid"))
        cap = caps[name]
        rows.append(
            CostRow(
                name=name.capitalize(),
                used=f"{used:,}",
                paid=f"{paid:,}",
                forecast=_forecast(record, name),
                cap=NO_CAP if cap is None else f"{cap:,}",
            )
        )
    if priced or caps["money"] is not None:
        total = record["money"]["total"] if record["money"] else {"used": 0.0, "paid": 0.0}
        rows.append(
            CostRow(
                name="US dollars",
                used=dollars(total["used"]),
                paid=dollars(total["paid"]),
                forecast=_forecast(record, "money"),
                cap=NO_CAP if caps["money"] is None else dollars(caps["money"]),
            )
        )
    minutes = caps["minutes"]
    cap = NO_CAP if minutes is None else duration(60 * minutes)
    time = duration(record["seconds"])
    rows.append(CostRow(name="Time at work", used=time, paid=time, forecast="not forecast", cap=cap))
    return tuple(rows)


def _forecast(record: Mapping[str, Any], name: str) -> str:
    if not record["forecast"]:
        return NO_FORECAST
    figures = record["forecast"]["total"].get(name)
    if figures is None:
        return "not known"
    low, high = (dollars(figures[end]) if name == "money" else f"{figures[end]:,}" for end in ("low", "high"))
    return low if low == high else f"{low} to {high}"


def _roles(record: Mapping[str, Any], *, priced: bool) -> tuple[RoleRow, ...]:
    return tuple(
        RoleRow(
            role=f"{role} model" if role != "judge" else "judge",
            model=record["models"][role]["name"],
            counter=words,
            calls=counters[counter]["calls"],
            tokens_in=counters[counter]["tokens_in"],
            tokens_out=counters[counter]["tokens_out"],
            money=dollars(record["money"][role][counter]) if priced else "",
        )
        for role, counters in record["usage"].items()
        for counter, words in (("used", "used"), ("paid", "sent and paid"))
    )


def _money(record: Mapping[str, Any]) -> str:
    money = record["money"]
    if money is None:
        return "No money: all models ran on the machine of the run."
    unknown = " and ".join(f"the {role} model" for role in money["unknown"])
    if not money["source"]:
        return f"The price of {unknown} is not known."
    said = f"Money by the {money['source']}"
    return f"{said}; the price of {unknown} is not known." if unknown else f"{said}."


def _lost(record: Mapping[str, Any]) -> str:
    lost = [counters["lost"] for counters in record["usage"].values()]
    calls = sum(one["calls"] for one in lost)
    if not calls:
        return ""
    tokens = sum(one["tokens_in"] + one["tokens_out"] for one in lost)
    return (
        f"The answers to {counted(calls, 'call')} never came; they may have cost up to {tokens:,} tokens more, "
        "which are not in the table."
    )


def _cached(record: Mapping[str, Any]) -> str:
    foreign = record["replies_from_earlier_runs"]
    if not foreign["count"]:
        return ""
    return f"{counted(foreign['count'], 'reply', 'replies')} came from earlier runs, the oldest of {foreign['oldest']}."
