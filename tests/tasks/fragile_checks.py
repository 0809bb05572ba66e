"""Checks that end their process, for pools that are tried: light, since every process imports them anew."""

from __future__ import annotations

import os
from pathlib import Path


def nothing() -> None:
    """An initializer."""


def die() -> None:
    """An initializer with which no worker comes to work."""
    os._exit(3)


def check_or_die(reply: str, targets: list[str]) -> tuple[bool, str | None]:
    """Whether the reply is a target. ``die PATH`` ends the process; ``die-once PATH`` while there is such a file,
    and is right after that.
    """
    kind, _, path = reply.partition(" ")
    if kind == "die" or (kind == "die-once" and Path(path).exists()):
        Path(path).unlink(missing_ok=True)
        os._exit(3)
    return kind == "die-once" or reply in targets, reply
