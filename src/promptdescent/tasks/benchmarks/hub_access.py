"""Whether the Hugging Face hub answers, found fast, and its libraries kept quiet.

They have no setting for how often they try again, and take half a minute for each task to find that they are offline.
So the hub is asked before they are, with a limit on time. Where it does not answer they are put in their own offline
mode, in which they read what they have on disk, or fail at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 4.0
"""Seconds that the hub has to answer, for each address that its name has. It is asked twice if it fails sooner."""

PAUSE = 1.0
"""Seconds before the second time."""

REMEMBERED = 60.0
"""Seconds for which what was found holds, so that the other tasks of a command do not ask again."""

_PASSING = (408, 429)
"""Statuses below 500 with which a server does not serve."""


@dataclass(frozen=True)
class Reach:
    """What came of asking the hub."""

    host: str
    failure: str
    """Why it could not be reached; empty if it could."""
    asked_now: bool
    """Whether this was found just now, and not by an earlier task."""


_found: dict[str, tuple[float, str]] = {}
"""By endpoint: when it was asked, and the failure."""


def reach(dataset: str) -> Reach:
    """Ask the hub for what it says of a data set, or recall how it was a moment ago."""
    constants = _of_the_hub("constants")
    endpoint = constants.ENDPOINT
    host = urlsplit(endpoint).netloc.rpartition("@")[2] or "the hub"
    if constants.is_offline_mode():
        return Reach(host, "HF_HUB_OFFLINE is set", asked_now=True)
    at, failure = _found.get(endpoint, (-REMEMBERED, ""))
    if time.monotonic() - at < REMEMBERED:
        return Reach(host, failure, asked_now=False)
    failure = _asked(dataset, host)
    _found[endpoint] = (time.monotonic(), failure)
    return Reach(host, failure, asked_now=True)


def _asked(dataset: str, host: str) -> str:
    """Why the hub could not be reached; empty if it could."""
    began = time.monotonic()
    failure = _asked_once(dataset, host)
    if failure and time.monotonic() - began < PATIENCE / 2:
        time.sleep(PAUSE)
        failure = _asked_once(dataset, host)
    return failure


def _asked_once(dataset: str, host: str) -> str:
    errors = _of_the_hub("errors")
    try:
        _of_the_hub("hf_api").HfApi().dataset_info(dataset, timeout=PATIENCE)
    except errors.HFValidationError:  # a folder of this machine
        return ""
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        # Any other refusal is an answer, and the library says it better once it wants the files.
        return f"{host} answers with status {status}" if status >= 500 or status in _PASSING else ""
    except Exception as error:  # those of its HTTP client, which is another one in other versions
        why = str(error).strip().splitlines() or [type(error).__name__]
        return f"{host} cannot be reached ({why[0].rstrip('.')})"
    return ""


@contextmanager
def offline() -> Iterator[None]:
    """The libraries ask nobody, as with the variable HF_HUB_OFFLINE, which they read only when they are imported."""
    constants = _of_the_hub("constants")
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def in_silence() -> Iterator[None]:
    """No warnings of the libraries, and no progress bars: what went wrong is said in one line of ours."""
    libraries: tuple[Any, ...] = (import_module("datasets.utils"), _of_the_hub("utils"))
    levels = [one.logging.get_verbosity() for one in libraries]
    bars = [one for one in libraries if not one.are_progress_bars_disabled()]
    for one in libraries:
        one.logging.set_verbosity_error()
    for one in bars:
        one.disable_progress_bars()
    try:
        yield
    finally:
        for one, level in zip(libraries, levels, strict=True):
            one.logging.set_verbosity(level)
        for one in bars:
            one.enable_progress_bars()


def _of_the_hub(module: str) -> Any:
    """A module of the hub's own client. It is a part of what the extra installs because ``datasets`` needs it."""
    return import_module(f"huggingface_hub.{module}")
