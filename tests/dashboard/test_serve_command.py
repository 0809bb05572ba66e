"""The command ``serve``: where it listens, whom it answers, and how it ends."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from dashboard_samples import finished_run

from promptdescent.cli import serve as command
from promptdescent.cli.serve import serve
from promptdescent.errors import ConfigError
from promptdescent.store.store import Store


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command would serve, without serving it."""
    found: list[dict[str, Any]] = []

    class Server:
        def __init__(self, store: str, *, token: str | None, ready: Any) -> None:
            found.append({"store": store, "token": token})
            ready()

        def run(self, listening: socket.socket) -> None:
            found[-1]["address"] = listening.getsockname()[0]
            listening.close()

    monkeypatch.setattr(command, "DashboardServer", Server)
    return found


def test_this_machine_alone_needs_no_token(started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    serve(store="here", port=0)
    assert started == [{"store": "here", "token": None, "address": "127.0.0.1"}]
    assert re.fullmatch(r"The runs of here: http://127\.0\.0\.1:\d+/\n", capsys.readouterr().out)


def test_another_address_gets_a_token_that_is_said_once(
    started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(store="here", host="0.0.0.0", port=0)  # noqa: S104
    token = started[0]["token"]
    said = capsys.readouterr()
    assert len(token) >= 32
    assert (said.out + said.err).count(token) == 1
    assert f"//{socket.gethostname()}:" in said.out, "0.0.0.0 can be opened by no other machine"
    assert f"/?token={token}" in said.out
    assert "put this machine's address there" in said.err
    assert "not encrypted" in said.err


def test_a_folder_without_a_store_is_said(
    started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    serve(store=str(tmp_path / "typo"), port=0)
    assert f"There is no store in {tmp_path / 'typo'} yet" in capsys.readouterr().err
    Store.open(tmp_path).close()
    serve(store=str(tmp_path), port=0)
    assert "There is no store" not in capsys.readouterr().err


def test_a_token_of_ones_own_is_not_said(
    started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "long enough to be one")
    serve(store="here", host="0.0.0.0", port=0, token_env="MY_TOKEN")  # noqa: S104, S106
    assert started[0]["token"] == os.environ["MY_TOKEN"]
    assert "long enough" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(("value", "said"), [("", "is not set"), ("short", "shorter than 16")], ids=["none", "short"])
def test_a_token_that_is_none_is_refused(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("MY_TOKEN", value)
    with pytest.raises(ConfigError, match=said):
        serve(store="here", port=0, token_env="MY_TOKEN")  # noqa: S106
    assert started == []


def test_a_port_that_is_taken_is_one_clear_line(started: list[dict[str, Any]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 cannot be used .*--port"):
            serve(store="here", port=port)
    assert started == []


def test_a_missing_extra_is_one_clear_line(started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else there(name))
    with pytest.raises(ConfigError, match=r"serve needs uvicorn: pip install 'promptdescent\[web\]'"):
        serve(store="here", port=0)


def test_the_module_loads_without_the_extra() -> None:
    """Help is written without it, and what is missing is said by the command."""
    probe = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'jinja2', 'altair', 'vl_convert'): sys.modules[name] = None\n"
        "import promptdescent.cli.serve, promptdescent.dashboard.app\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_ends_it_while_a_page_watches(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    run = finished_run(store)
    store.close()
    arguments = ["serve", "--store", str(tmp_path / "store"), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "promptdescent.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rpartition(" ")[2]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}runs/{run.id}/events", timeout=20) as stream:
            assert stream.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert err.splitlines() == ["Ctrl-C ends it; runs go on without it."]
    assert out == ""
