"""What goes wrong in a run, counted by role, and the breaker that ends it when too much does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from promptdescent.errors import ConfigError, RequestRefused, TooManyFailures, nearest
from promptdescent.records import Role

LOST = "lost"
"""A call that failed for good, after all its attempts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How large a share of a role's latest calls or replies may end in some way."""

    share: float
    least: int
    """So many have to be seen first."""
    window: int
    """How many of the latest count."""


LIMITS: Mapping[str, Limit] = {
    LOST: Limit(share=0.3, least=30, window=100),
    "missing": Limit(share=0.3, least=60, window=200),
    "empty": Limit(share=0.5, least=100, window=300),
    "refused": Limit(share=0.5, least=100, window=300),
    # Much more than half may be the fault of one bad candidate after the other.
    "cut off": Limit(share=0.9, least=200, window=600),
    "unreadable": Limit(share=0.9, least=200, window=600),
}
"""The counters that can end a run, with their limits by default: numbers of ours."""

Limits: TypeAlias = Mapping[str, Limit]


def read_limits(given: Iterable[str], *, flag: str = "--failure-limit") -> Limits:
    """The limits with those replaced that are given as ``COUNTER=SHARE``. Raises :class:`ConfigError`."""
    limits = dict(LIMITS)
    for one in given:
        name, _, share_text = one.partition("=")
        name = name.strip().replace("-", " ")
        if name not in LIMITS:
            raise ConfigError(f"{flag} {one}: there is no counter {name!r}; {nearest(name, LIMITS)}")
        try:
            share = float(share_text)
        except ValueError:
            share = -1.0
        if not 0 < share <= 1:
            raise ConfigError(f"{flag} {one}: give a share above 0 and up to 1, such as {name}=0.5")
        limits[name] = Limit(share=share, least=limits[name].least, window=limits[name].window)
    return limits


class _Window:
    """The latest calls or replies of a role, each with how it ended."""

    def __init__(self, size: int) -> None:
        self._ends: deque[str] = deque(maxlen=size)

    def add(self, end: str) -> None:
        self._ends.append(end)

    def share(self, end: str, window: int) -> tuple[int, int]:
        """How many of the latest ``window`` ended so, and how many there are."""
        latest = list(self._ends)[-window:]
        return latest.count(end), len(latest)


class Breaker:
    """Watches how the calls and replies of each role end. One for a whole run."""

    def __init__(self, limits: Limits = LIMITS, *, in_a_row: int = 10, to_go_on: str = "promptdescent resume") -> None:
        """``in_a_row``: so many calls of a role that failed for good, without one success between them, are enough.
        Once some were answered refused requests are not counted: it may be one row that is too long, with all prompts.
        ``to_go_on``: the command that goes on with the run.
        """
        self._to_go_on = to_go_on
        self._limits = limits
        self._in_a_row = in_a_row
        self._lost_in_a_row: dict[Role, int] = {}
        self._answered: set[Role] = set()
        self._calls: dict[Role, int] = {}
        self._replies: dict[Role, int] = {}
        longest = max(limit.window for limit in limits.values())
        self._longest = longest
        self._windows: dict[tuple[Role, bool], _Window] = {}

    def call_ended(self, role: Role, error: Exception | None) -> None:
        """A call was answered, or failed for good. Raises :class:`TooManyFailures` when too many of them fail."""
        self._calls[role] = self._calls.get(role, 0) + 1
        if error is None:
            self._answered.add(role)
            self._lost_in_a_row[role] = 0
        elif not (isinstance(error, RequestRefused) and role in self._answered):
            self._lost_in_a_row[role] = self._lost_in_a_row.get(role, 0) + 1
        lost = self._lost_in_a_row.get(role, 0)
        if lost >= self._in_a_row:
            raise TooManyFailures(
                f"{lost} {role} calls in a row failed for good (counter {LOST!r}); the last one: {error}. What was "
                f"found and paid for is kept: see to the endpoint, then go on with `{self._to_go_on}`."
            )
        self._add(role, LOST if error else "", is_call=True, last=str(error or ""))

    def reply_read(self, role: Role, end: str) -> None:
        """A reply was read as ``end``, such as ``answered`` or ``empty``. Raises :class:`TooManyFailures`.

        Of replies that were in the store, as at the beginning of a resumed run, nothing is concluded.
        """
        if self._replies.get(role, 0) >= self._calls.get(role, 0):
            return
        self._replies[role] = self._replies.get(role, 0) + 1
        self._add(role, end, is_call=False, last="")

    def _add(self, role: Role, end: str, *, is_call: bool, last: str) -> None:
        window = self._windows.get((role, is_call))
        if window is None:
            window = self._windows[role, is_call] = _Window(self._longest)
        window.add(end)
        limit = self._limits.get(end)
        if limit is None or (end == LOST) != is_call:
            return
        count, seen = window.share(end, limit.window)
        if seen >= limit.least and count > limit.share * seen:
            what = "calls failed for good" if is_call else f"replies were {end}"
            raise TooManyFailures(
                f"{count} of the last {seen} {role} {what}, more than the limit of {limit.share:.0%} for the counter "
                f"{end!r}{f'; the last one: {last}' if last else ''}. What was found and paid for is kept: see to the "
                f"cause, then go on with `{self._to_go_on}`; --failure-limit {end.replace(' ', '-')}=SHARE sets "
                "another limit."
            )
