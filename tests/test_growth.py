"""A run on many rows makes the calls of a run on few, and reading them takes hardly more memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

import promptdescent
from promptdescent.tasks.datasets import DataSource, load_splits

FEW, MANY, TRACED = 2_000, 40_000, 10_000
"""Rows; tracing each of them takes time."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("rows")
    found = {}
    for count in (FEW, TRACED, MANY):
        found[count] = folder / f"{count}.jsonl"
        lines = (
            f'{{"text": "Message {i} on parcel {i * 7919 % 1009}", "label": "{"abc"[i % 3]}"}}\n' for i in range(count)
        )
        found[count].write_text("".join(lines))
    return found


def calls(file: Path, store: Path) -> int:
    """Distinct calls of a small run on the simulated models."""
    result = promptdescent.optimize(
        file,
        prompt="What kind of message is this?",
        task_model="simulated:noisy",
        optimizer_model="simulated:noisy",
        estimation="FullDev",
        steps=1,
        candidates=2,
        train_rows=10,
        dev_rows=15,
        test_rows=25,
        store=store,
    )
    return result.used.calls


def test_calls_do_not_grow_with_rows(files: dict[int, Path], tmp_path: Path) -> None:
    assert calls(files[FEW], tmp_path / "few") == calls(files[MANY], tmp_path / "many")


def peak(file: Path) -> int:
    """Bytes that reading a file and drawing its splits hold at most."""
    tracemalloc.start()
    try:
        load_splits(DataSource(file=file), seed=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_hardly_grows_with_rows(files: dict[int, Path]) -> None:
    """29 bytes of a row are held, where a row as an object takes 1000."""
    load_splits(DataSource(file=files[FEW]), seed=0)  # what is imported and made once
    assert peak(files[TRACED]) - peak(files[FEW]) < 1.5 * 29 * (TRACED - FEW)
