"""Rows from the Hugging Face hub, through the extra ``datasets``."""

from __future__ import annotations

from promptdescent.errors import ConfigError, DataError
from promptdescent.tasks.benchmarks.suite import HubSource, Suite
from promptdescent.tasks.files import Row


def rows_from_hub(suite: Suite, task: str) -> dict[str, tuple[str, list[Row]]]:
    """For each split of the hub, what to call it in messages, and its rows.

    Nothing of what is fetched is run: only plain files are read. Rows are numbered from 1.

    Raises :class:`ConfigError` if the extra is not installed, :class:`DataError` if the hub has no copy that is known,
    cannot be reached or does not have what is asked for.
    """
    hub = suite.hub
    if hub is None:
        raise DataError(
            f"{suite.name}: no copy on the Hugging Face hub is known to have its rows as plain files: "
            f"{suite.how_to_get}, and name their folder with --data-dir"
        )
    return {split: (f"{hub.id}, {task}, {split}", _fetch(suite, hub, task, split)) for split in hub.splits}


def _fetch(suite: Suite, hub: HubSource, task: str, split: str) -> list[Row]:
    try:
        import datasets
    except ImportError:
        raise ConfigError(
            f'{suite.name}: its rows are fetched by an extra: pip install "promptdescent[datasets]"; or '
            f"{suite.how_to_get}, and name their folder with --data-dir"
        ) from None
    try:
        if hub.files:
            files = {split: hub.files.format(split=split)}
            table = datasets.load_dataset("parquet", data_files=files, split=split)
        else:
            table = datasets.load_dataset(hub.id, hub.config.format(task=task) or None, split=split)
    except Exception as error:  # the library lets those of its HTTP client, of Arrow and of the hub's client through
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{suite.name}: {hub.id} ({task}, {split}) cannot be fetched from the Hugging Face hub: "
            f"{why[0].rstrip('.')}; check the connection, or {suite.how_to_get}, and name their folder with --data-dir"
        ) from error
    return [Row(number, dict(columns)) for number, columns in enumerate(table, start=1)]
