"""A key is planted, an endpoint repeats it wherever it can, and everything that a user may keep or show is searched."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.main import get_command

from promptdescent.cli import main
from whole_runs import optimize_arguments, write_rows

pytestmark = pytest.mark.anyio

KEY = "planted/key+7f3a9c51e2"
OTHER = "sk-" + "planted-for-openai-alone-88"
VARIABLE = "THE_PLANTED_KEY"

LOGGING = (
    "import logging; logging.basicConfig(level=logging.DEBUG); "
    "logging.getLogger('sqlalchemy').setLevel(logging.DEBUG); logging.getLogger('asyncio').setLevel(logging.DEBUG); "
)
RUN = "from promptdescent.cli.main import main; main()"
CRASH = (
    "from promptdescent.llm import openai_compatible as client\n"
    "count = iter(range(10**6))\n"
    "read = client.read_completion\n"
    "def broken(content, request, caller, **more):\n"
    "    if next(count) == 20: raise AssertionError('a fault of our own')\n"
    "    return read(content, request, caller, **more)\n"
    "client.read_completion = broken\n"
)


@dataclass
class Echo:
    """An endpoint that repeats the key that it was sent in headers, errors, model list, replies and usage."""

    fails: Callable[[int], int | None] = lambda number: None
    """The status of an error answer to the call with this number."""
    calls: int = 0
    seen: set[str] = field(default_factory=set)
    """What came as authorization."""

    def _answer(self, request: web.Request, body: Any, status: int = 200) -> web.Response:
        sent = request.headers.get("Authorization", "")
        self.seen.add(sent)
        key = sent.removeprefix("Bearer ")
        text = (body if isinstance(body, str) else json.dumps(body)).replace("KEY", key)
        headers = {"X-Echo": sent, "Set-Cookie": f"key={key}", "Retry-After": "0", "X-Request-Id": key}
        return web.Response(text=text, status=status, headers=headers, reason=f"no KEY {key}")

    async def models(self, request: web.Request) -> web.Response:
        entry = {"id": "echo", "owned_by": "KEY", "root": "Bearer KEY", "meta": {"KEY": "KEY", "n_ctx": 100_000}}
        return self._answer(request, {"data": [entry, {"id": "KEY"}], "KEY": "KEY"})

    async def complete(self, request: web.Request) -> web.Response:
        self.calls += 1
        status = self.fails(self.calls)
        if status == 200:
            return self._answer(request, "{ no JSON, but KEY")
        if status is not None:
            error = {"message": f"KEY is not liked; Authorization: Bearer KEY ({status})", "code": "KEY", "type": "KEY"}
            return self._answer(request, {"error": error}, status)
        asked = json.dumps(await request.json())
        if "<prompt>" in asked:
            text = f"<prompt>Say what it is, KEY, version {self.calls}.</prompt>"
        else:
            text = ("complaint", "praise", "question", "KEY", "It is KEY, so praise")[len(asked) % 5]
        usage = {"prompt_tokens": 50, "completion_tokens": 3, "KEY": "KEY", "details": {"KEY": 1}}
        message = {"role": "assistant", "content": text, "reasoning_content": "I was sent KEY", "KEY": "KEY"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return self._answer(request, {"id": "KEY", "system_fingerprint": "KEY", "choices": [choice], "usage": usage})


@asynccontextmanager
async def serving(echo: Echo) -> AsyncIterator[str]:
    """The base URL of the endpoint, while the block runs."""
    application = web.Application()
    application.router.add_get("/v1/models", echo.models)
    application.router.add_post("/v1/chat/completions", echo.complete)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@dataclass
class Shell:
    """Runs the command line in a folder where all that it prints is kept beside all that it writes."""

    folder: Path
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def __call__(self, *arguments: object, code: str = RUN, kill: Callable[[], bool] | None = None) -> int:
        """The exit status; the process is killed as soon as ``kill`` says so."""
        environment = {**os.environ, VARIABLE: KEY, "OPENAI_API_KEY": OTHER, "PYTHONFAULTHANDLER": "1"}
        number = next(self.numbers)
        with (
            (self.folder / f"{number}.stdout").open("wb") as stdout,
            (self.folder / f"{number}.stderr").open("wb") as stderr,
        ):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-X", "dev", "-W", "ignore", "-c", LOGGING + code, *map(str, arguments)),
                cwd=self.folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            while kill is not None and process.returncode is None and not kill():
                await asyncio.sleep(0.01)
            if kill is not None and process.returncode is None:
                process.send_signal(signal.SIGKILL)
            return await process.wait()

    def printed(self) -> str:
        """All that was printed so far."""
        return "".join(
            file.read_text(encoding="utf-8", errors="replace") for file in sorted(self.folder.glob("*.std*"))
        )


def places(folder: Path) -> list[str]:
    """The files that hold a planted key, as it is or encoded, or the variable's value in any part of it."""
    forms = [
        form
        for key in (KEY, OTHER)
        for form in (
            key.encode(),
            base64.b64encode(key.encode()),
            base64.b64encode(f"Bearer {key}".encode()),
            key.replace("/", "%2F").replace("+", "%2B").encode(),
            key.replace("/", "\\/").encode(),
            key.encode("utf-16-le"),
        )
    ]
    return [
        f"{file.relative_to(folder)}: {form!r}"
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        for content in (file.read_bytes(),)
        for form in forms
        if form in content
    ]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def arguments(folder: Path, base_url: str, **flags: object) -> list[object]:
    """A run on the endpoint, with the key of this test."""
    settings: dict[str, object] = {
        **{"task-model": "echo", "optimizer-model": "echo", "base-url": base_url, "task-api-key-env": VARIABLE},
        **{"optimizer-api-key-env": VARIABLE, "train-rows": 6, "dev-rows": 9, "test-rows": 20, "steps": 2},
        **{"candidates": 2, "concurrency": 4},
    }
    rows = folder / "rows.csv"
    if not rows.exists():
        write_rows(rows, 90)
    return optimize_arguments(rows, folder / "store", **{"steps": 1, **settings, **flags})


def every_view() -> list[tuple[str, ...]]:
    """The commands that show what is recorded."""
    views = [("show", "latest", "--json"), ("runs", "--json"), ("export", "latest", "--to", "json")]
    known = get_command(main.app).commands  # type: ignore[attr-defined]
    return [view for view in views if view[0] in known]


async def test_a_whole_run_with_faults_leaves_no_key_anywhere(shell: Shell) -> None:
    faults = {3: 500, 5: 429, 7: 200, 9: 503, 40: 400}
    echo = Echo(fails=faults.get)
    async with serving(echo) as base_url:
        given = arguments(shell.folder, base_url)
        assert await shell(*given) == 0, shell.printed()[-2000:]
        for view in every_view():
            await shell(*view, "--store", shell.folder / "store")
    assert echo.seen == {f"Bearer {KEY}"}, "the key was sent, and nothing else was"
    assert echo.calls > 50
    assert places(shell.folder) == []
    assert "[hidden]" in shell.printed(), "what the endpoint repeated came as far as the screen"
    assert (shell.folder / "store" / "store.db").read_bytes().count(b"[hidden]") > 20


@pytest.mark.parametrize("status", [401, 500])
async def test_a_run_that_fails_says_why_without_the_key(status: int, shell: Shell) -> None:
    echo = Echo(fails=lambda number: status if number > 20 else None)
    async with serving(echo) as base_url:
        assert await shell(*arguments(shell.folder, base_url, attempts=1)) == 3
        await shell("show", "latest", "--json", "--store", shell.folder / "store")
    assert places(shell.folder) == []
    assert "[hidden]" in shell.printed()
    assert str(status) in shell.printed()


async def test_a_crash_and_a_kill_leave_no_key_behind(shell: Shell) -> None:
    """The traceback of a fault of our own, and the files of a run that was killed, its write-ahead log among them."""
    echo = Echo()
    async with serving(echo) as base_url:
        given = arguments(shell.folder, base_url)
        assert await shell(*given, code=CRASH + RUN) not in (0, 2)
        begun = echo.calls
        log = shell.folder / "store" / "store.db-wal"
        assert (
            await shell("resume", "latest", "--store", shell.folder / "store", kill=lambda: echo.calls > begun + 9) < 0
        )
    assert "Traceback" in shell.printed()
    assert "a fault of our own" in shell.printed()
    assert log.stat().st_size > 0
    assert places(shell.folder) == []


@pytest.mark.slow
async def test_a_study_leaves_no_key_anywhere(shell: Shell) -> None:
    echo = Echo(fails=lambda number: 500 if number % 20 == 0 else None)
    async with serving(echo) as base_url:
        settings = dict(item[2:].split("=", 1) for item in map(str, arguments(shell.folder, base_url)[2:]))
        keys = ("task-model", "optimizer-model", "base-url", "task-api-key-env", "optimizer-api-key-env")
        task = {key.replace("-", "_"): settings[key] for key in keys}
        sizes = {"train_rows": 6, "dev_rows": 9, "test_rows": 20, "candidates": 2}
        named = {"data": "rows.csv", "input": "text", "target": "label", "prompt": "What is it?"}
        (shell.folder / "task.yaml").write_text(json.dumps({**task, **sizes, **named}), encoding="utf-8")
        (shell.folder / "grid.yaml").write_text(json.dumps({"recipes": ["gpo"]}), encoding="utf-8")
        assert await shell("study", "grid.yaml", "task.yaml", "--seeds", "1", "--steps", "1", "--store", "s") == 0, (
            shell.printed()
        )
    assert echo.seen == {f"Bearer {KEY}"}
    assert places(shell.folder) == []


def test_the_search_finds_a_key(tmp_path: Path) -> None:
    for number, form in enumerate((KEY, base64.b64encode(KEY.encode()).decode(), OTHER)):
        (tmp_path / f"{number}.bin").write_bytes(b"\0\xff" + form.encode() + b"\0")
    (tmp_path / "clean.bin").write_bytes(KEY[:-1].encode())
    assert list(dict.fromkeys(place.split(":")[0] for place in places(tmp_path))) == ["0.bin", "1.bin", "2.bin"]
