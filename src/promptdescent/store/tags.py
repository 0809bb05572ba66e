"""Tags: short words by which people find their runs again. They are no part of what a run is or what it came to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from promptdescent.errors import ConfigError
from promptdescent.store.store import Store

MOST_TAGS = 20
"""Of one run."""

LONGEST_TAG = 40
"""Characters."""

_TAG = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._/-]{{0,{LONGEST_TAG - 1}}}")


def checked_tags(names: Iterable[str]) -> tuple[str, ...]:
    """The tags, each once, in their order. Raises :class:`ConfigError` for one that is none, and for too many."""
    tags = tuple(dict.fromkeys(names))
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ConfigError(
                f"{tag!r} is no tag: take letters, digits, - _ . and /, a letter or digit first, "
                f"at most {LONGEST_TAG} characters"
            )
    if len(tags) > MOST_TAGS:
        raise ConfigError(f"{len(tags)} tags are too many for a run, which can have {MOST_TAGS}: remove some")
    return tags


def tags_payload(tags: Iterable[str]) -> str:
    """The payload of an event that gives a run these tags in place of those that it has."""
    return json.dumps({"tags": list(tags)})


def tags_of(store: Store, run_id: str) -> tuple[str, ...]:
    """The tags that a run has now."""
    events = store.events(run_id, "tags")
    return tuple(json.loads(events[-1].payload)["tags"]) if events else ()


async def change_tags(
    store: Store, run_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> tuple[str, ...]:
    """Add and remove tags of a run that nobody is at work on; return those that it has then.

    Raises :class:`~promptdescent.errors.StoreError` if it is held, :class:`ConfigError` for a word that is no tag, for
    too many of them, and for one to remove that the run does not have.
    """
    added, removed = checked_tags(add), checked_tags(remove)
    store.claim(run_id)
    try:
        before = tags_of(store, run_id)
        for tag in removed:
            if tag not in before:
                has = ", ".join(before) if before else "none"
                raise ConfigError(f"run {run_id} has no tag {tag!r} to remove; it has {has}")
        after = checked_tags(tag for tag in (*before, *added) if tag not in removed)
        if after != before:
            await store.append(run_id, "tags", tags_payload(after))
        return after
    finally:
        store.release(run_id)
