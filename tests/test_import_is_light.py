"""``import promptdescent`` loads nothing slow, reaches no network and takes a moment."""

from __future__ import annotations

import json
import subprocess
import sys

SLOW = {
    "aiohttp",
    "alembic",
    "duckdb",
    "genai_prices",
    "pydantic",
    "rich",
    "sqlalchemy",
    "aiolimiter",
    "typer",
    "xllamacpp",
    "yaml",
}

PROBE = """
import json, socket, sys, time

def refuse(*arguments, **options):
    raise OSError("a socket was opened")

socket.socket.__init__ = socket.getaddrinfo = socket.create_connection = refuse
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
print(json.dumps({{"seconds": seconds, "modules": sorted({{name.split(".")[0] for name in sys.modules}})}}))
"""


def probe(module: str) -> tuple[float, set[str]]:
    """Seconds that the import takes in a process of its own, and the top-level modules loaded after it."""
    finished = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module)], capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    return answer["seconds"], set(answer["modules"])


def test_import_loads_nothing_slow() -> None:
    _, modules = probe("promptdescent")
    assert "promptdescent" in modules
    assert modules & SLOW == set()


def test_import_takes_a_moment() -> None:
    assert min(probe("promptdescent")[0] for _ in range(3)) < 0.3


def test_the_probe_sees_what_is_loaded() -> None:
    assert "yaml" in probe("yaml")[1]


def test_the_probe_sees_a_socket() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROBE.format(module="json; socket.socket()")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode != 0
    assert "a socket was opened" in finished.stderr
