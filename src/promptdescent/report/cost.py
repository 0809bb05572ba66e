"""What a run's calls cost in money, by the models and prices in its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptdescent import prices
from promptdescent.llm.base import Totals
from promptdescent.prices import AS_GIVEN, CURRENCY, IN_PROCESS, LISTED, total_of
from promptdescent.records import Role, RunManifest, Usage

COUNTERS = ("used", "paid", "lost")


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedModel:
    """What decides the price of a model."""

    name: str
    endpoint: str | None
    """Base URL; None for a model that is no endpoint, such as a function."""
    given: str | None = None
    """``IN/OUT``, US dollars per million tokens, where the user said it."""

    @classmethod
    def of(cls, name: str, identity: str, given: str | None = None) -> PricedModel:
        """The model of a run's record: the identity of an endpoint is JSON that holds its base URL."""
        try:
            known = json.loads(identity)
        except ValueError:
            known = None
        return cls(name=name, endpoint=known.get("base_url") if isinstance(known, dict) else None, given=given)

    @property
    def free(self) -> bool:
        """Whether it runs in this process, and nobody said that it costs something all the same."""
        return self.name.startswith(IN_PROCESS) and self.given is None


def priced_models(manifest: RunManifest, changed: Mapping[str, Any] | None = None) -> dict[Role, PricedModel]:
    """The models of a run, by role; ``changed`` are settings that a later start of it replaced."""
    settings_of_run = {**manifest.spec, **(changed or {})}
    return {
        role: PricedModel.of(settings.name, identity, prices.given_price(settings_of_run, role)[0])
        for role, (settings, identity) in manifest.models.items()
    }


def charge(model: PricedModel, usage: Usage, *, at: float) -> float | None:
    """The price of ``usage`` in US dollars at the Unix time ``at``; None if it is not known, 0 in this process."""
    return prices.charge(
        usage,
        name=model.name,
        base_url=model.endpoint,
        in_process=model.name.startswith(IN_PROCESS),
        given=model.given,
        flag="the price on record",
        at=at,
    )


def money(models: Mapping[Role, PricedModel], totals: Mapping[Role, Totals], *, at: float) -> dict[str, Any] | None:
    """Used and paid money by role and in all; None if all models run in this process, at no charge.

    ``lost`` is the most that attempts may have cost whose answer never came; it is not in ``paid``.
    The money of a role whose price is not known is None, and so is then the total; ``unknown`` names such roles.
    ``source`` says where the known prices are from; it is empty if none is known.
    """
    by_role: dict[str, dict[str, float | None]] = {
        role: {
            "used": charge(models[role], totals[role].used, at=at),
            "paid": charge(models[role], totals[role].paid, at=at),
            "lost": charge(models[role], totals[role].lost, at=at),
        }
        for role in models
    }
    if all(model.free for model in models.values()):
        return None
    unknown = [role for role in models if by_role[role]["used"] is None]
    total = {counter: total_of([by_role[role][counter] for role in models]) for counter in COUNTERS}
    known = [models[role] for role in models if role not in unknown and not models[role].free]
    sources = [
        *([LISTED] if any(model.given is None for model in known) else []),
        *([f"prices {AS_GIVEN}"] if any(model.given is not None for model in known) else []),
    ]
    return {"currency": CURRENCY, **by_role, "total": total, "unknown": unknown, "source": " and the ".join(sources)}
