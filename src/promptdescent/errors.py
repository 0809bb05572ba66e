"""Every exception that promptdescent raises on purpose, and what the user can do about each.

::

    PromptDescentError
    ├── InputError            what was given cannot be used: fix the file, row, column or flag that it names (exit 2)
    │   ├── DataError             a data file: missing column, empty file, no target, wrong encoding, too few rows
    │   ├── ConfigError           a flag, a key, or the name of a recipe, metric or model; names the nearest known one
    │   └── StoreError            a run that is not in the store, a store that cannot be used
    ├── ModelError            a call to a model went wrong
    │   ├── PermanentError        the same call will never succeed (exit 2 before the first reply, 3 after it)
    │   │   ├── KeyRefused            the key is missing or wrong: set the variable that it names
    │   │   ├── ModelNotFound         no such model at this endpoint: correct the name
    │   │   ├── ParameterRefused      the endpoint refuses a sampling parameter that it names
    │   │   ├── UnseenRequest         a replay needs a reply that is not on record: run without --replay-only (exit 3)
    │   │   └── RequestRefused        any other refusal: read the endpoint's own words
    │   └── TransientError        may succeed later: retried with back-off, then the row counts as missing
    │       ├── RateLimited           too many requests; carries the wait that the endpoint asked for
    │       ├── EndpointFailed        a server error
    │       │   ├── TimedOut              no whole answer within the time that a call may take
    │       │   └── ConnectionLost        a connection that was dropped before the answer was whole
    │       │       └── NoConnection          no connection came about, so that nothing was sent
    │       └── MalformedReply        an answer that does not follow the protocol
    ├── BudgetExhausted       a cap was reached: the search ends, and the verdict follows
    └── RunFailed             a run ended without a verdict; its record is kept and can be resumed (exit 3)
        ├── UnusableReplies       over half of the first replies were empty or cut off; names the flag to raise
        └── TooManyFailures       calls kept failing after every retry: check the endpoint, then resume
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class PromptDescentError(Exception):
    """Base of every error raised on purpose. Its text says what went wrong, where, and what to do."""


class InputError(PromptDescentError):
    """What the user gave cannot be used. Raised before any call is paid for, unless a metric fails on a later row."""


class DataError(InputError):
    """A data file cannot be used."""


class ConfigError(InputError):
    """A flag, key or name cannot be used."""


class StoreError(InputError):
    """The store, or a run in it, cannot be used."""


class ModelError(PromptDescentError):
    """A call to a model went wrong.

    ``counter`` is the name under which a run counts it. ``may_be_charged`` says whether the endpoint may have done the
    work all the same, so that a cap has to reckon with its price.
    """

    counter: ClassVar[str] = "refused request"
    may_be_charged: ClassVar[bool] = False


class PermanentError(ModelError):
    """The same call would fail again; never retried."""


class KeyRefused(PermanentError):
    """The endpoint refused the key, or no key was given."""


class ModelNotFound(PermanentError):
    """The endpoint does not have the model."""


class ParameterRefused(PermanentError):
    """The endpoint refuses the sampling parameter ``parameter``."""

    def __init__(self, message: str, *, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class UnseenRequest(PermanentError):
    """A replay came to a request that the run it replays never sent, so that there is no reply to it."""


class RequestRefused(PermanentError):
    """The endpoint refused this request for another reason, such as its length or content."""


class TransientError(ModelError):
    """The same call may succeed later.

    ``retry_after`` is the wait in seconds that the endpoint asked for, if it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(TransientError):
    """Too many requests."""

    counter = "rate limit"


class EndpointFailed(TransientError):
    """A server error."""

    counter = "server error"


class TimedOut(EndpointFailed):
    """No whole answer came in time."""

    counter = "timeout"
    may_be_charged = True


class ConnectionLost(EndpointFailed):
    """A connection was dropped before the answer was whole."""

    counter = "connection error"
    may_be_charged = True


class NoConnection(ConnectionLost):
    """No connection came about, so that nothing was sent."""

    may_be_charged = False


class MalformedReply(TransientError):
    """The endpoint answered with something that does not follow the protocol; or a judge, without a grade."""

    counter = "malformed reply"
    may_be_charged = True


class BudgetExhausted(PromptDescentError):
    """A cap of calls, tokens, money or time leaves no room for the next request."""


class RunFailed(PromptDescentError):
    """A run ended without a verdict. Its record is kept."""


class UnusableReplies(RunFailed):
    """Too many of a model's first replies were empty or cut off."""


class TooManyFailures(RunFailed):
    """Calls kept failing after every retry."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint that ends an unknown-name message: the closest known name, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.58)  # of short names, half the letters are no likeness
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
