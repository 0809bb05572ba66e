"""The rows of a bench as files in its folder, so that its runs are ordinary runs on files that can be looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.report.files import write_whole
from promptdescent.tasks.benchmarks import BenchmarkRow, BenchmarkTask, draw_splits, load_rows, size_notes
from promptdescent.tasks.splits import SPLITS

FIXED_SEED = 0
"""Seed of the one split that all runs share where splits are fixed."""


class OtherRows(ConfigError):
    """The files of another bench are in the way."""


@dataclass(frozen=True, kw_only=True)
class PreparedTask:
    """A task whose rows are at hand."""

    task: BenchmarkTask
    rows: Mapping[str, Any]
    """Fields of RunSpec that say where the rows are."""
    notes: tuple[str, ...]


def prepare(plan: BenchPlan, name: str, folder: Path) -> PreparedTask:
    """The task with its rows in files in ``folder``: its splits, or all of them where each seed draws its own.

    Raises the :class:`InputError` family if it has no usable rows; :class:`OtherRows` if the files there hold others,
    which runs may be reading.
    """
    task = plan.suite.tasks[name]
    rows = load_rows(plan.suite, name, data_dir=plan.data_dir)
    sizes = plan.sizes(task)
    if plan.splits == "per-seed":
        if rows.ready is not None:
            raise ConfigError(f"{name} comes in ready splits, so that seeds cannot draw their own; give --splits fixed")
        asked = {f"{split}_rows": size for split in SPLITS if (size := getattr(sizes, split)) is not None}
        file = _write(folder / "all.jsonl", rows.pool)
        return PreparedTask(task=task, rows={"data": file, **asked}, notes=rows.notes)
    drawn = draw_splits(rows, sizes, seed=FIXED_SEED)
    files: dict[str, str] = {
        split: _write(folder / f"{split}.jsonl", part) for split, part in zip(SPLITS, drawn, strict=True)
    }
    return PreparedTask(task=task, rows=files, notes=(*rows.notes, *size_notes(drawn, sizes)))


def _write(path: Path, rows: Sequence[BenchmarkRow]) -> str:
    """The absolute path of the file of these rows, which may be there already."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise OtherRows(
                f"{path} holds other rows: the folder is that of a bench with other data, sizes or splits. "
                "Name another folder with --store, or give the command that began the bench."
            )
        return str(path.resolve())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return str(path.resolve())
