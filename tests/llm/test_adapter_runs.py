"""A search by the embedded model with an adapter, for the bare one: what the two share, and what they do not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from test_local import needs_model
from tiny_adapter import write_tiny_adapter

import promptdescent
from promptdescent.errors import ConfigError
from promptdescent.llm.writer import adapter_file
from promptdescent.records import Usage
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store

pytestmark = [needs_model, pytest.mark.timeout(300)]

ROWS = [
    {"text": f"{thing} {was}.", "label": label}
    for thing in ("The soup", "The room", "The driver", "The bus", "The garden", "The film", "The trip", "The call")
    for was, label in (("was wonderful", "good"), ("was terrible", "bad"), ("pleased us all", "good"), ("broke", "bad"))
]

SEARCH: dict[str, Any] = {
    "input": "text",
    "target": "label",
    "prompt": "Good or bad?",
    "task_model": "local:smollm2",
    "test_rows": 20,
    "task_max_tokens": 4,
    "failure_limit": ["cut-off=1"],
    "optimizer_max_tokens": 24,
    "candidates": 2,
}


class Stop:
    """Interrupts a run after its first step."""

    def on_message(self, text: str) -> None: ...
    def on_progress(self, progress: object) -> None: ...
    def on_step(self, record: object) -> None:
        raise KeyboardInterrupt


def own_writer(folder: Path) -> Path:
    """The shipped adapter as a file of the user's."""
    return Path(shutil.copy(adapter_file(), folder / "own.gguf"))


def task_calls(folder: Path, run: str) -> tuple[Usage, Usage]:
    """Used and paid."""
    store = Store.open(folder)
    totals = totals_of(store, run)["task"]
    store.close()
    return totals.used, totals.paid


def test_replies_of_the_bare_model_serve_a_search_with_an_adapter(tmp_path: Path) -> None:
    adapter = own_writer(tmp_path)
    writing = {"optimizer_model": f"local:smollm2+{adapter}", "optimizer_style": "writer", "steps": 1}
    before = promptdescent.optimize(ROWS, **SEARCH, steps=0, store=tmp_path / "filled")
    filled = promptdescent.optimize(ROWS, **SEARCH, **writing, store=tmp_path / "filled")
    empty = promptdescent.optimize(ROWS, **SEARCH, **writing, store=tmp_path / "empty")
    known, _ = task_calls(tmp_path / "filled", before.run)
    used, paid = task_calls(tmp_path / "filled", filled.run)
    assert used.calls - paid.calls == known.calls > 0
    assert task_calls(tmp_path / "empty", empty.run) == (used, used)
    assert (filled.best_prompt, filled.verdict) == (empty.best_prompt, empty.verdict)


def test_a_run_is_not_resumed_with_another_adapter_in_the_place_of_its_own(tmp_path: Path) -> None:
    adapter = own_writer(tmp_path)
    writing = {"optimizer_model": f"local:smollm2+{adapter}", "optimizer_style": "writer", "steps": 2}
    with pytest.raises(KeyboardInterrupt):
        promptdescent.optimize(ROWS, **SEARCH, **writing, store=tmp_path / "store", observers=[Stop()])
    own = adapter.read_bytes()
    write_tiny_adapter(adapter)
    with pytest.raises(ConfigError, match="the optimizer model is not the one that the run began with"):
        promptdescent.resume(store=tmp_path / "store")
    adapter.write_bytes(own)
    assert promptdescent.resume(store=tmp_path / "store").verdict.rows == 20
