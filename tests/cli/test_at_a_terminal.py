"""Every command that shows progress, with a terminal for all three streams."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from cli_samples import PROGRAM, PROMPT, SECONDS, environment, optimize_arguments, write_rows


def at_a_terminal(*arguments: str, folder: Path) -> tuple[int, str]:
    """The exit code, and what was on the screen."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={**environment(), "COLUMNS": "80", "LINES": "24"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        screen = bytearray()
        try:
            while read := os.read(master, 65536):
                screen += read
        except OSError:  # the program has closed the terminal
            pass
        finally:
            os.close(master)
        return process.wait(timeout=SECONDS), screen.decode(errors="replace")


def test_commands_that_show_progress_come_to_their_end(tmp_path: Path) -> None:
    rows = write_rows(tmp_path)
    prompt = f"{PROMPT} Answer with one word. Think of the tone."
    search = optimize_arguments(rows, "--steps", "1", "--candidates", "2", "--dev-rows", "20", "--test-rows", "20")
    search[search.index(PROMPT)] = prompt
    columns = ("--input", "text", "--target", "label", "--on", "all", "--task-model", "simulated:clear")
    for arguments, last in (
        (search, "Everything about this run"),
        (["explain", "latest", "--max-calls", "300"], "The calls are on record as run"),
        (["rerun", "latest"], "Everything about this run"),
        (["evaluate", prompt, str(rows), *columns], "Everything about this run"),
    ):
        code, screen = at_a_terminal(*arguments, folder=tmp_path)
        assert code == 0, screen
        assert "Traceback" not in screen
        assert last in screen
        assert "of at most" in screen, "the bar"
        assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") > 0, "the cursor comes back"
