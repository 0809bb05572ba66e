"""What the tests of the terminal share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from terminal_samples import Terminal

from promptdescent.cli import drawing
from promptdescent.store.store import Store
from report.report_samples import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store of a test lies."""
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """An empty store."""
    with closing(open_store(folder)) as opened:
        yield opened


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 100 columns with colours in place of stdout."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    monkeypatch.setattr(drawing, "sys", SimpleNamespace(stdout=terminal))  # pytest itself replaces sys.stdout
    return terminal
