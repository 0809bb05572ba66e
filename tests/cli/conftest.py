"""The command line in this process, which spares the start of another one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_samples import Ended, Invoke, write_rows

from promptdescent.cli import main


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of rows in a folder of its own."""
    return write_rows(tmp_path)


@pytest.fixture
def invoke(rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Call the program's entry point in the folder of ``rows``, without a key."""
    monkeypatch.chdir(rows.parent)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["promptdescent", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        stdout, stderr = capsys.readouterr()
        return Ended(returncode=int(ended.value.code or 0), stdout=stdout, stderr=stderr)

    return call
