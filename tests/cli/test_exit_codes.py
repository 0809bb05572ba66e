"""Whole runs as a process: exit codes, what goes to which stream, and what is left behind."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cli_samples import PROGRAM, PROMPT, SECONDS, Invoke, environment, optimize_arguments, run

from promptdescent.errors import EndpointFailed, KeyRefused, StoreError

AS_REMOTE = (
    sys.executable,
    "-c",
    "import promptdescent.assembly as assembly; assembly.is_remote = lambda name, base_url: True; "
    "from promptdescent.cli.main import main; main()",
)
"""The program, with every model taken for one outside this machine."""


def record(invoke: Invoke) -> dict[str, Any]:
    shown = invoke("show", "latest", "--json")
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_a_finished_run(invoke: Invoke, rows: Path) -> None:
    done = run(*optimize_arguments(rows), folder=rows.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Run ")
    assert "Best prompt (dev score" in done.stdout
    assert "test rows" in done.stdout
    assert "step 1/2: " in done.stderr
    assert re.search(r"Forecast: at most [\d,]+ calls, about \d{1,3}(,\d{3})+ tokens\.", done.stderr)
    assert "Best prompt" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert (rows.parent / ".promptdescent").is_dir()
    assert record(invoke)["status"] == "finished"
    for latest in ((), ("latest",)):
        shown = invoke("show", *latest)
        assert (shown.stdout, shown.stderr) == (done.stdout, "")


def test_quiet_prints_the_result_alone(invoke: Invoke, rows: Path) -> None:
    done = invoke(*optimize_arguments(rows, "--quiet", "--steps", "1"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Run ")


def test_canonical_is_the_same_at_any_concurrency(invoke: Invoke, rows: Path) -> None:
    texts = []
    for concurrency in ("1", "16"):
        options = ("--store", concurrency, "--concurrency", concurrency, "--quiet")
        assert invoke(*optimize_arguments(rows, *options)).returncode == 0
        texts.append(invoke("show", "latest", "--canonical", "--store", concurrency).stdout)
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["verdict"]["rows"] > 20


def test_a_second_run_says_that_the_test_rows_are_used(invoke: Invoke, rows: Path) -> None:
    once, again = (invoke(*optimize_arguments(rows, "--quiet")).stdout for _ in range(2))
    assert "earlier run" not in once
    assert "already used for the verdict of 1 earlier run" in again
    assert "Replies taken from earlier runs: " in again


def test_require_gain(invoke: Invoke, rows: Path) -> None:
    small = ("--test-rows", "20", "--dev-rows", "10", "--steps", "1", "--candidates", "1", "--quiet")
    found = invoke(*optimize_arguments(rows, *small))
    assert found.returncode == 0
    assert "starting prompt may stay" in found.stdout
    done = invoke(*optimize_arguments(rows, *small, "--require-gain"))
    assert done.returncode == 4
    assert "no gain was shown" in done.stderr


def test_require_gain_is_content_with_a_gain(invoke: Invoke, rows: Path) -> None:
    done = invoke(*optimize_arguments(rows, "--require-gain", "--quiet"))
    assert "The found prompt is better" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--recipe", "gop"], "'gpo'"),
        (["--target", "labl"], "labl"),
        (["--task-model", "simulated:claer"], "simulated:claer"),
        (["--max-calls", "5"], "--max-calls"),
        (["--prompt", "@missing.txt"], "missing.txt"),
        (["--task-model", "gpt-4o-mini"], "OPENAI_API_KEY"),
    ],
)
def test_bad_input(invoke: Invoke, rows: Path, changes: list[str], said: str) -> None:
    done = invoke(*optimize_arguments(rows, *changes))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert said in done.stderr
    assert invoke("show", "latest").returncode == 2  # nothing was recorded


def test_usage_errors(invoke: Invoke) -> None:
    for arguments in (["optimize", "--no-such-flag"], ["optimize", "--seed", "x"], ["nothing"], ["resume"]):
        done = invoke(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments


def test_show_makes_no_store(invoke: Invoke, rows: Path) -> None:
    for command in ("show", "resume"):
        done = invoke(command, "latest")
        assert done.returncode == 2
        assert "no store in .promptdescent" in done.stderr
    assert list(rows.parent.iterdir()) == [rows]


def test_show_takes_one_form(invoke: Invoke, rows: Path) -> None:
    assert "give one of them" in invoke("show", "latest", "--json", "--canonical").stderr


def test_a_run_that_fails(invoke: Invoke, rows: Path) -> None:
    done = invoke(*optimize_arguments(rows, "--task-max-tokens", "1"))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "--task-max-tokens" in done.stderr
    assert PROMPT in done.stdout
    assert record(invoke)["status"] == "failed"


@pytest.mark.parametrize(("error", "code"), [(KeyRefused("no"), 2), (EndpointFailed("no"), 3), (StoreError("no"), 3)])
def test_a_run_that_fails_before_any_reply(
    invoke: Invoke, rows: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    async def search(run: object, engine: object) -> None:
        raise error

    monkeypatch.setattr("promptdescent.phases.Run._search", search)
    done = invoke(*optimize_arguments(rows))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.endswith("error: no\n")


def test_a_key_that_is_refused_later_is_a_failure(invoke: Invoke, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def judge(run: object, engine: object) -> None:
        raise KeyRefused("the key has ended")

    monkeypatch.setattr("promptdescent.phases.Run._verdict", judge)
    done = invoke(*optimize_arguments(rows))
    assert done.returncode == 3
    assert "Best prompt" in done.stdout
    assert "No verdict" in done.stdout


@pytest.mark.parametrize("signal_number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_can_go_on(invoke: Invoke, rows: Path, signal_number: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, *optimize_arguments(rows, "--steps", "6", "--patience", "0", model="simulated:slow")],
        cwd=rows.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests themselves run in the background, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 1/6"):
                process.send_signal(signal_number)
                break
        stdout, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    before = record(invoke)
    assert before["status"] == "interrupted"
    assert stdout == invoke("show", "latest").stdout
    assert "Best prompt" in stdout

    resumed = invoke("resume", before["id"][:6])
    assert resumed.returncode == 0, resumed.stderr
    more = ("--steps", "6", "--patience", "0", "--store", "other", "--quiet")
    assert invoke(*optimize_arguments(rows, *more, model="simulated:slow")).returncode == 0
    again, straight = (
        invoke("show", "latest", "--canonical", "--store", store).stdout for store in (".promptdescent", "other")
    )
    assert again == straight


def test_a_script_must_agree_before_calls_leave_the_machine(
    invoke: Invoke, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptdescent.assembly.is_remote", lambda name, base_url: True)
    done = invoke(*optimize_arguments(rows))
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert invoke("show", "latest").returncode == 2  # nothing was recorded
    for agreed in (["--yes"], ["--max-calls", "2000"]):
        assert invoke(*optimize_arguments(rows, "--quiet", *agreed)).returncode == 0


class InTerminal:
    """The program with a terminal for stdin and stderr, and a pipe for stdout."""

    def __init__(self, program: tuple[str, ...], arguments: list[str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=folder,
            env=environment(),
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
        )
        os.close(slave)
        self.screen = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while read := os.read(self._master, 4096):
                self.screen += read.decode(errors="replace")
        except OSError:  # the program has closed the terminal
            return

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            assert self.process.poll() is None, self.screen
            time.sleep(0.01)

    def end(self) -> tuple[int, str]:
        stdout, _ = self.process.communicate(timeout=SECONDS)
        self._reader.join(timeout=SECONDS)
        os.close(self._master)
        return self.process.returncode, stdout


def test_a_terminal_shows_live_progress(rows: Path) -> None:
    terminal = InTerminal(PROGRAM, optimize_arguments(rows), rows.parent)
    code, stdout = terminal.end()
    assert code == 0
    assert "\x1b" not in stdout
    assert "\x1b[" in terminal.screen
    assert "step 1/2: " in terminal.screen
    assert "best dev score" in terminal.screen


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2)])
def test_a_terminal_is_asked_once(rows: Path, answer: str, code: int) -> None:
    terminal = InTerminal(AS_REMOTE, optimize_arguments(rows), rows.parent)
    terminal.wait_for("Go on? [y/N] ")
    terminal.type(answer)
    assert terminal.end()[0] == code
    assert terminal.screen.count("Go on?") == 1


def test_a_question_can_be_interrupted(rows: Path) -> None:
    terminal = InTerminal(AS_REMOTE, optimize_arguments(rows), rows.parent)
    terminal.wait_for("Go on? [y/N] ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end()[0] == 130
    assert "Traceback" not in terminal.screen
    assert "nothing was paid" in terminal.screen


def test_a_reader_that_goes_away_is_no_error(rows: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, *optimize_arguments(rows, "--quiet")],
        cwd=rows.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_terminal_of_another_encoding(invoke: Invoke, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    arguments = optimize_arguments(rows, "--quiet", "--steps", "1")
    arguments[arguments.index(PROMPT)] = PROMPT + " Grüße 漢"
    assert invoke(*arguments).returncode == 0
    stdout.seek(0)
    assert "Gr\\xfc\\xdfe \\u6f22" in stdout.read()
