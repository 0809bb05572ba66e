"""Rows from the Hugging Face hub, through the extra ``datasets``."""

from __future__ import annotations

import threading
from contextlib import nullcontext

from promptdescent.errors import ConfigError, DataError
from promptdescent.tasks.benchmarks.hub_access import Reach, in_silence, offline, reach
from promptdescent.tasks.benchmarks.suite import HubSource, Suite
from promptdescent.tasks.files import Row

_one_at_a_time = threading.Lock()
"""What the libraries are told for a while, they are told for all threads."""


def rows_from_hub(suite: Suite, task: str) -> dict[str, tuple[str, list[Row]]]:
    """For each split of the hub, what to call it in messages, and its rows.

    Nothing of what is fetched is run: only plain files are read. Rows are numbered from 1. Where the hub cannot be
    reached, rows come from what was fetched before, if it was.

    Raises :class:`ConfigError` if the extra is not installed, :class:`DataError` if the hub has no copy that is known,
    cannot be reached or does not have what is asked for.
    """
    hub = suite.hub
    if hub is None:
        raise DataError(
            f"{suite.name}: no copy on the Hugging Face hub is known to have its rows as plain files: "
            f"{suite.how_to_get}, and name their folder with --data-dir"
        )
    try:
        import datasets  # noqa: F401
    except ImportError:
        raise ConfigError(
            f'{suite.name}: its rows are fetched by an extra: pip install "promptdescent[datasets]"; or '
            f"{suite.how_to_get}, and name their folder with --data-dir"
        ) from None
    with _one_at_a_time, in_silence():
        reached = reach(hub.id)
        with offline() if reached.failure else nullcontext():
            return {
                split: (f"{hub.id}, {task}, {split}", _fetch(suite, hub, task, split, reached)) for split in hub.splits
            }


def _fetch(suite: Suite, hub: HubSource, task: str, split: str, reached: Reach) -> list[Row]:
    import datasets

    try:
        if hub.files:
            files = {split: hub.files.format(split=split)}
            table = datasets.load_dataset("parquet", data_files=files, split=split)
        else:
            table = datasets.load_dataset(hub.id, hub.config.format(task=task) or None, split=split)
    except Exception as error:  # the library lets those of its HTTP client, of Arrow and of the hub's client through
        raise DataError(_why_not(suite, hub, task, split, reached, error)) from error
    return [Row(number, dict(columns)) for number, columns in enumerate(table, start=1)]


def _why_not(suite: Suite, hub: HubSource, task: str, split: str, reached: Reach, error: Exception) -> str:
    if reached.failure and not reached.asked_now:
        return (
            f"{suite.name}: {hub.id} ({task}, {split}) cannot be fetched either, and {reached.host} was not asked "
            "again; name a folder with --data-dir"
        )
    why = reached.failure or next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return (
        f"{suite.name}: {hub.id} ({task}, {split}) cannot be fetched from the Hugging Face hub: {why}; go online, or "
        f"{suite.how_to_get}, and name their folder with --data-dir"
    )
