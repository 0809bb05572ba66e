"""Every connection that a run makes, as Python itself reports it: to the endpoints that were named, and no other."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fake_server import Traits, fake_server

from whole_runs import optimize_arguments, write_rows

pytestmark = pytest.mark.anyio

WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "urllib.Request"):
        with open("connections", "a") as file:
            print(event, *(argument for argument in arguments if isinstance(argument, (tuple, str, int))), file=file)
sys.addaudithook(watch)
from promptdescent.cli.main import main
main()
"""
PRICES = """
import sys
def watch(event, arguments):
    if event.startswith(("socket.", "urllib.")):
        raise SystemExit(f"a connection: {event} {arguments}")
sys.addaudithook(watch)
import time
from promptdescent.llm.openai_compatible import context_in_price_list
from promptdescent.report.cost import PricedModel, charge
from promptdescent.records import Usage
model = PricedModel(name="gpt-4o-mini", endpoint="https://api.openai.com/v1")
assert charge(model, Usage(calls=1, tokens_in=1000, tokens_out=10), at=time.time()) > 0
assert context_in_price_list("gpt-4o-mini") == 128_000
"""


async def python(code: str, folder: Path, *arguments: object) -> tuple[int, str]:
    """Exit status and errors of a program in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *map(str, arguments)),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return int(process.returncode or 0), errors.decode()


def arguments(folder: Path, **flags: object) -> list[object]:
    sizes = {"train-rows": 6, "dev-rows": 9, "test-rows": 20, "steps": 1, "candidates": 2}
    return optimize_arguments(write_rows(folder / "rows.csv", 60), folder / "store", **{**sizes, **flags})


def connections(folder: Path) -> set[str]:
    file = folder / "connections"
    return set(file.read_text().splitlines()) if file.exists() else set()


async def test_a_run_in_this_process_connects_to_nothing(tmp_path: Path) -> None:
    for command in (arguments(tmp_path), ["show", "latest", "--store", tmp_path / "store"], ["recipes"]):
        code, errors = await python(WATCHED, tmp_path, *command)
        assert code == 0, errors
    assert (tmp_path / "store" / "store.db").exists()
    assert connections(tmp_path) == set()


async def test_a_run_connects_to_its_endpoint_alone(tmp_path: Path) -> None:
    async with fake_server(traits=Traits(answer=lambda body, index: "praise")) as server:
        settings = {"task-model": "fake", "optimizer-model": "simulated:", "task-base-url": server.base_url}
        code, errors = await python(WATCHED, tmp_path, *arguments(tmp_path, **settings))
    assert code == 0, errors
    assert len(server.calls) > 20
    assert [request.path for request in server.requests if request.method == "GET"] == ["/v1/models"]
    place = urlsplit(server.base_url)
    assert connections(tmp_path) == {f"socket.connect {(place.hostname, place.port)}"}


async def test_an_address_without_its_version_ends_before_anything_is_recorded(tmp_path: Path) -> None:
    async with fake_server() as server:
        given = {"task-model": "fake", "optimizer-model": "fake", "base-url": server.base_url.removesuffix("/v1")}
        code, errors = await python(WATCHED, tmp_path, *arguments(tmp_path, **given))
    assert code == 2
    assert f"give --base-url {server.base_url}" in errors
    assert server.calls == []
    assert not (tmp_path / "store").exists()


async def test_prices_and_contexts_come_with_the_package(tmp_path: Path) -> None:
    assert await python(PRICES, tmp_path) == (0, "")
