"""What a search may still use of a role: an exact cap on tokens, and a line in a file for every call."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from promptdescent.errors import BudgetExhausted
from promptdescent.llm.base import NOTHING, Request
from promptdescent.llm.budget import NOTHING as NO_AMOUNT
from promptdescent.llm.budget import Account, Amount, Caps, most_tokens
from promptdescent.records import Role, Usage


class RoleMeter:
    """The tokens of one role. A call is let through only if the most that it can cost fits into what is left; the
    first that does not ends the role, so that no smaller call of a client that asks on gets more than others.
    """

    def __init__(self, cap: int) -> None:
        """``cap``: tokens in and out."""
        self.used = NOTHING
        self.used_up = False
        self._account = Account(Caps(tokens=cap), NO_AMOUNT)

    async def set_aside(self, bound: int) -> None:
        """Keep ``bound`` tokens for a call, waiting for calls in flight if it may fit once they are over. Raises
        :class:`BudgetExhausted`, from the first call on that does not fit.
        """
        self._check()
        try:
            await self._account.set_aside(Amount(tokens=bound))
        except BudgetExhausted:
            self.used_up = True
            raise
        try:
            self._check()  # a call that was waiting before this one may have ended the role
        except BudgetExhausted:
            self._account.settle(Amount(tokens=bound), NO_AMOUNT)
            raise

    def _check(self) -> None:
        if self.used_up:
            raise BudgetExhausted("the cap was reached before")

    def settle(self, bound: int, usage: Usage) -> None:
        """Replace what was kept for a call by what it used."""
        self._account.settle(Amount(tokens=bound), Amount(tokens=usage.tokens))
        self.used += usage


class Meters:
    """The meters of a search, and its calls as lines of JSON in the file ``log``."""

    def __init__(self, caps: Mapping[Role, int], log: Path) -> None:
        self._meters = {role: RoleMeter(cap) for role, cap in caps.items()}
        self._log = log
        self._began = time.monotonic()

    def __getitem__(self, role: Role) -> RoleMeter:
        return self._meters[role]

    @property
    def used(self) -> dict[Role, Usage]:
        """Tokens and calls so far."""
        return {role: meter.used for role, meter in self._meters.items()}

    @property
    def used_up(self) -> bool:
        """Whether a call was refused for want of tokens."""
        return bool(self.roles_used_up)

    @property
    def roles_used_up(self) -> tuple[Role, ...]:
        """Those of which a call was refused."""
        return tuple(role for role, meter in self._meters.items() if meter.used_up)

    def settle(self, role: Role, bound: int, usage: Usage, *, reused: bool) -> None:
        """A call is over; ``reused``: its reply was known from an equal request, which costs no less."""
        self[role].settle(bound, usage)
        line = {
            "seconds": round(time.monotonic() - self._began, 3),
            "role": role,
            "calls": usage.calls,
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "reused": reused,
        }
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def most_of(request: Request, context: int | None) -> int:
    """Upper bound of the tokens of one call. ``context``: the most tokens, read and written, that one sample of the
    model may have, if that is known.
    """
    bound = most_tokens(request)
    if context is None:
        return bound.tokens
    if request.n > 1:  # the prompt is read once
        return min(bound.tokens_in, context) + bound.tokens_out
    return min(bound.tokens, context)
