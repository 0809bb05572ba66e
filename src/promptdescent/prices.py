"""What calls cost in US dollars: the one place that knows prices.

They come from the price list of genai-prices, which is part of that package and needs no network, unless the user gives
one. A price that neither knows is None and never taken for zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from promptdescent.errors import ConfigError
from promptdescent.records import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

CURRENCY = "USD"
IN_PROCESS = ("local:", "simulated:")
"""How the names of models begin that run in this process, at no charge."""

LISTED = "price list of genai-prices"
AS_GIVEN = "as given"
FREE = "runs on this machine"
"""Where a price is from."""

MILLION = 1_000_000
PLANNED_HOURS = 24
"""So long ahead the list is read for the dearest hour: some prices depend on the time of day or change on a date."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars per token."""

    tokens_in: float
    tokens_out: float
    source: str
    """``price list of genai-prices``, ``as given`` or ``runs on this machine``."""

    @classmethod
    def read(cls, text: str, *, flag: str) -> Price:
        """The price in ``IN/OUT``, US dollars per million tokens read and written. Raises :class:`ConfigError`, naming
        the flag.
        """
        try:
            tokens_in, tokens_out = (float(part) for part in text.split("/"))
        except ValueError:
            tokens_in = tokens_out = math.nan
        if not (0 <= tokens_in < math.inf and 0 <= tokens_out < math.inf):
            raise ConfigError(
                f"{flag} {text!r} is no price: give US dollars per million tokens read and written, such as 0.15/0.60"
            )
        return cls(tokens_in=tokens_in / MILLION, tokens_out=tokens_out / MILLION, source=AS_GIVEN)

    def of(self, usage: Usage) -> float:
        """US dollars for the tokens of ``usage``."""
        return usage.tokens_in * self.tokens_in + usage.tokens_out * self.tokens_out


def given_price(settings: Mapping[str, Any], role: str) -> tuple[str | None, str]:
    """What the settings of a run say of the price of a role's model, and the flag that says it. An optimizer model that
    is the task model has the price of that.
    """
    price, flag = settings.get(f"{role}_price"), f"--{role}-price"
    same = settings.get("optimizer_model") is None and settings.get("optimizer_base_url") is None
    if price is None and role == "optimizer" and same:
        return settings.get("task_price"), "--task-price"
    return price, flag


def price_of(
    name: str, *, base_url: str | None, in_process: bool, given: str | None, flag: str, at: float
) -> Price | None:
    """The most that a token of the model ``name`` costs at the Unix time ``at`` or in the day after it; None if that is
    not known.

    Where the list knows several rates, by the length of a request or by the hour, it is the highest, so that a cap that
    goes by it is never passed. ``base_url`` is None for a model that is no endpoint, such as a function; ``given`` is
    what the user said of the price under ``flag``, and wins. Raises :class:`ConfigError` if that is no price.
    """
    if given is not None:
        return Price.read(given, flag=flag)
    if in_process:
        return Price(tokens_in=0.0, tokens_out=0.0, source=FREE)
    found = _listed(name, base_url, at=at)
    if found is None:
        return None
    hours = [datetime.fromtimestamp(at, tz=UTC) + timedelta(hours=hour) for hour in range(PLANNED_HOURS + 1)]
    prices = [found.model.get_prices(hour) for hour in hours]
    return Price(
        tokens_in=max(_highest(price.input_mtok) for price in prices) / MILLION,
        tokens_out=max(_highest(price.output_mtok) for price in prices) / MILLION,
        source=LISTED,
    )


def charge(
    usage: Usage, *, name: str, base_url: str | None, in_process: bool, given: str | None, flag: str, at: float
) -> float | None:
    """What ``usage`` was charged in US dollars at the Unix time ``at``; None if the price is not known.

    The other arguments are those of :func:`price_of`.
    """
    if given is not None:
        return Price.read(given, flag=flag).of(usage)
    if in_process:
        return 0.0
    # Some prices rise with the length of a request, so one of mean length is priced and not the sum of all.
    calls = max(1, usage.calls)
    mean_in, mean_out = round(usage.tokens_in / calls), round(usage.tokens_out / calls)
    found = _listed(name, base_url, at=at, tokens_in=mean_in, tokens_out=mean_out)
    if found is None:
        return None
    return float(
        _scaled(found.input_price, mean_in, usage.tokens_in) + _scaled(found.output_price, mean_out, usage.tokens_out)
    )


def _listed(
    name: str, base_url: str | None, *, at: float, tokens_in: int = 0, tokens_out: int = 0
) -> PriceCalculation | None:
    """What the list says of one request; None if it does not know the model, or charges for more than tokens."""
    if base_url is None:
        return None
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        found = calc_price(
            Tokens(input_tokens=tokens_in, output_tokens=tokens_out),
            name,
            provider_api_url=base_url,
            genai_request_timestamp=datetime.fromtimestamp(at, tz=UTC),
        )
    except LookupError:
        return None
    price = found.model_price
    by_tokens = price.input_mtok is not None and price.output_mtok is not None and price.requests_kcount is None
    return found if by_tokens else None


def _highest(price: object) -> float:
    """The rate itself, or the highest of its tiers."""
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        return float(max([price.base, *(tier.price for tier in price.tiers)]))
    return float(price) if isinstance(price, Decimal) else 0.0


def _scaled(price: Decimal, tokens_priced: int, tokens: int) -> Decimal:
    """The price of ``tokens``, where ``tokens_priced`` cost ``price``."""
    return price * tokens / tokens_priced if tokens_priced else Decimal(0)


def total_of(amounts: list[float | None]) -> float | None:
    """The sum, or None if an amount is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
