"""Small runs against the fault server: how they are started, and what both sides have on record of them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fault_server import World

from clients import Client, nursery
from promptdescent.report.record import canonical, run_record
from promptdescent.store.store import Store

KEY = "FAULT_SERVER_WORLD"
"""The variable whose value is a client's key, and so its world."""

TIMEOUT = 0.4
"""Seconds after which a client gives an answer up."""

SILENCE = 0.6
"""Seconds after which a silent server answers all the same."""

SIZES: Mapping[str, object] = {
    "train-rows": 12,
    "dev-rows": 12,
    "test-rows": 20,
    "steps": 2,
    "candidates": 3,
    "patience": 0,
    "task-max-tokens": 16,
    "optimizer-max-tokens": 128,
}
"""A run of some 130 calls."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a world has on record, over both roles."""

    requests: int
    proper: int
    """Answered as the protocol asks for."""
    tokens_in: int
    tokens_out: int
    """Billed."""
    faults: Mapping[str, int]

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a store has on record of its one run."""

    attempts: int
    finished: int
    """Attempts whose replies are committed."""
    asked_again: int
    """Attempts at a call that began after a reply to it was committed."""
    answered: int
    """Attempts that brought something with a count of tokens, if only an empty reply."""
    tokens: int
    """Counted for them."""
    tokens_at_most: int
    """With the bound of every attempt that may have been charged without anything to show for it."""


class Worlds:
    """A fault server in a process of its own, and a nursery of clients for it."""

    def __init__(self, rows: Path) -> None:
        self._rows = rows
        program = [sys.executable, str(Path(__file__).with_name("fault_server.py")), "--rows", str(rows)]
        self._server = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        port = self._server.stdout.readline().strip()
        if not port:
            self.close()
            raise RuntimeError("the fault server did not start; what it said is above")
        self._address = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def make(self, name: str, **settings: Any) -> None:
        """A new world, with zero counters."""
        World(**settings)  # a wrong name shows here
        self._ask("PUT", name, {"silence": SILENCE, **settings})

    def change(self, name: str, **settings: Any) -> None:
        """Other settings for a world; its counters go on."""
        self._ask("POST", name, settings)

    def seen(self, name: str) -> Seen:
        """A world's counters."""
        found = self._ask("GET", name)
        by_role = ("requests", "proper", "tokens_in", "tokens_out")
        return Seen(**{one: sum(found[one].values()) for one in by_role}, faults=found["faults"])

    def _ask(self, method: str, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # Only ever our own server's address.
        request = urllib.request.Request(  # noqa: S310
            f"{self._address}/worlds/{quote(name)}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    found: dict[str, Any] = json.load(answer)
                    return found
            except (urllib.error.URLError, ConnectionError):  # it is away for a moment
                assert time.monotonic() < deadline, "the fault server is gone"
                time.sleep(0.01)

    def begin(self, name: str, store: Path, **flags: object) -> Client:
        """Start the small run in a world."""
        settings = {
            **SIZES,
            "input": "text",
            "target": "label",
            "prompt": "What kind of message is this?",
            "task-model": "task",
            "optimizer-model": "optimizer",
            "base-url": f"{self._address}/v1",
            "task-api-key-env": KEY,
            "optimizer-api-key-env": KEY,
            "seed": 5,
            "timeout": TIMEOUT,
            "store": store,
            **{flag.replace("_", "-"): value for flag, value in flags.items() if value is not None},
        }
        arguments = [f"--{flag}={value}" for flag, value in settings.items()]
        return self._start(name, store, "optimize", self._rows, "--quiet", *arguments)

    def resume(self, name: str, store: Path) -> Client:
        """Go on with the run of a store."""
        return self._start(name, store, "resume", "latest", f"--store={store}", "--quiet")

    def _start(self, name: str, store: Path, *arguments: object) -> Client:
        log = store.with_suffix(".log")
        return nursery().start(arguments, log=log, environment={KEY: name}, hasty=True)


def worlds_on(rows: Path) -> Iterator[Worlds]:
    """The worlds, until a fixture ends."""
    worlds = Worlds(rows)
    yield worlds
    worlds.close()


def record_of(store: Path) -> dict[str, Any]:
    """The record of the store's one run."""
    opened = Store.open(str(store))
    try:
        return run_record(opened, "latest")
    finally:
        opened.close()


def canonical_of(store: Path) -> dict[str, Any]:
    """The part of the record that equal runs share."""
    return canonical(record_of(store))


def account_of(store: Path) -> Account:
    """What the store has on record."""
    with closing(sqlite3.connect(f"file:{store / 'store.db'}?mode=ro", uri=True, timeout=5)) as database:

        def count(query: str) -> int:
            return int(database.execute(query).fetchone()[0])

        tokens = count("select coalesce(sum(tokens_in + tokens_out), 0) from attempt_ends")
        return Account(
            attempts=count("select count(*) from attempts"),
            finished=count("select count(distinct attempt) from replies"),
            asked_again=count(
                "select count(distinct later.attempt) from attempts later "
                "join replies on replies.call = later.call and replies.attempt < later.attempt"
            ),
            answered=count("select count(*) from attempt_ends where tokens_in > 0"),
            tokens=tokens,
            tokens_at_most=tokens
            + count(
                "select coalesce(sum(reserved_in + reserved_out), 0) from attempts "
                "left join attempt_ends as ends on ends.attempt = attempts.attempt "
                "where ends.attempt is null or ends.lost"
            ),
        )


def count_runs(store: Path) -> int:
    """Runs on record, which may be none where a client was killed early."""
    if not (store / "store.db").exists():
        return 0
    with closing(sqlite3.connect(f"file:{store / 'store.db'}?mode=ro", uri=True, timeout=5)) as database:
        try:
            return int(database.execute("select count(*) from runs").fetchone()[0])
        except sqlite3.OperationalError:  # the tables are not made yet
            return 0
