"""How long it takes to list the runs of a large store, and to open one of them.

    python benchmarks/store_load.py
    python benchmarks/store_load.py --postgres postgresql://user@host/empty_database

The store is filled by bulk inserts: every run has the settings, rows and events of one real run of ``gpo`` on the
simulated models (18 steps of 8 candidates, 48 dev rows, a verdict), and its share of the outcomes, each with an
attempt, its end, a reply and a use. In addition every run uses some replies that the run before it paid for. One run in
twenty failed, and one in twenty was killed. Ids and keys are drawn from the seed.

Timed are ``listed_runs``, what ``promptdescent runs`` reads, and ``run_record``, what ``promptdescent show`` reads,
each on a store that was just opened: SQLite's page cache is empty, though the file may be in that of the system.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import promptdescent
from promptdescent.records import to_json
from promptdescent.report.record import run_record
from promptdescent.store.listing import listed_runs
from promptdescent.store.schema import pack
from promptdescent.store.store import RunStatus, Store
from promptdescent.store.summaries import summary_of

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = tuple[str, list[Row]]
"""Rows of a table of that name."""

REPEATS = 5
TRAIN_ROWS = 48  # three epochs of them are 18 steps
FOREIGN = 0.1
"""Replies of the run before that a run uses, for each that it pays for itself."""
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The rows of a real run."""

    manifest: str
    examples: Sequence[Row]
    events: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Medians in milliseconds."""

    listing: float
    opening: float


def real_run(*, steps: int, dev_rows: int) -> Pattern:
    """A finished run on the simulated models."""
    data = [
        {"q": f"Is {number} an even number?", "a": ("yes", "no")[number % 2]}
        for number in range(TRAIN_ROWS + dev_rows + 200)
    ]
    with tempfile.TemporaryDirectory() as folder:
        promptdescent.optimize(
            data,
            input="q",
            target="a",
            prompt="Yes or no?",
            task_model="simulated:plain",
            optimizer_model="simulated:plain",
            steps=steps,
            candidates=8,
            train_rows=TRAIN_ROWS,
            dev_rows=dev_rows,
            estimation="FullDev",
            store=folder,
        )
        with closing(sqlite3.connect(Path(folder) / "store.db")) as connection:
            connection.row_factory = sqlite3.Row
            (run,) = connection.execute("SELECT manifest FROM runs")
            examples = [dict(row) for row in connection.execute("SELECT * FROM examples")]
            events = [
                dict(row) for row in connection.execute("SELECT * FROM events WHERE kind != 'totals' ORDER BY seq")
            ]
    return Pattern(manifest=run["manifest"], examples=examples, events=events)


def generated(pattern: Pattern, *, runs: int, outcomes: int, seed: int) -> Iterator[Rows]:
    """The rows of all runs, in an order in which they may be inserted."""
    random = Random(seed)
    before: list[str] = []
    for number in range(runs):
        run_id, began = f"{random.getrandbits(48):012x}", 1_700_000_000.0 + number * DAY
        yield "runs", [{"id": run_id, "created_at": began, "manifest": pattern.manifest}]
        yield "examples", [{**row, "run_id": run_id} for row in pattern.examples]
        yield "events", list(_events(pattern, run_id, began, end=_end_of(number)))
        calls = [f"{random.getrandbits(256):064x}x1" for _ in range(outcomes // runs)]
        yield from _calls(run_id, calls, began).items()
        yield "uses", [_use(run_id, call) for call in before[: int(FOREIGN * len(before))]]
        before = calls


def _end_of(number: int) -> str | None:
    """The last status of a run; None for one that was killed."""
    return {7: "failed", 13: None}.get(number % 20, "finished")


def _events(pattern: Pattern, run_id: str, began: float, *, end: str | None) -> Iterator[Row]:
    for row in pattern.events:
        last = row is pattern.events[-1]
        if (row["kind"] == "verdict" and end != "finished") or (last and end is None):
            continue
        payload = to_json(RunStatus(state=end)) if last else row["payload"]  # type: ignore[arg-type]
        yield {
            **row,
            "run_id": run_id,
            "at": began + row["seq"],
            "payload": payload,
            "summary": summary_of(row["kind"], payload),
        }


def _calls(run_id: str, calls: list[str], began: float) -> dict[str, list[Row]]:
    numbered = list(enumerate(calls, start=1))
    own = {"run_id": run_id}
    tokens = {"tokens_in": 60, "tokens_out": 4}
    return {
        "attempts": [
            {**own, "attempt": n, "call": call, "role": "task", "at": began, "reserved_in": 80, "reserved_out": 16}
            for n, call in numbered
        ],
        "attempt_ends": [
            {**own, "attempt": n, "at": began, "error": None, **tokens, "counter": None, "lost": False}
            for n, _ in numbered
        ],
        "replies": [
            {
                **own,
                "key": call[:64],
                "attempt": n,
                "call": call,
                "text": pack(f"The answer is {('yes', 'no')[n % 2]}."),
                "finish": "stop",
                "thought_chars": 0,
                **tokens,
                "created_at": began,
            }
            for n, call in numbered
        ],
        "uses": [_use(run_id, call) for call in calls],
    }


def _use(run_id: str, call: str) -> Row:
    return {"run_id": run_id, "call": call, "role": "task", "calls": 1, "tokens_in": 60, "tokens_out": 4}


def fill_file(folder: Path, rows: Iterable[Rows]) -> None:
    """Insert the rows into a new store in ``folder``."""
    Store.open(folder).close()
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        for setting in ("synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {setting}")
        for name, some in rows:
            if some:
                marks = ", ".join(f":{column}" for column in some[0])
                connection.executemany(f"INSERT INTO {name} ({', '.join(some[0])}) VALUES ({marks})", some)  # noqa: S608
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_server(url: str, rows: Iterable[Rows]) -> None:
    """Insert the rows into a new store at ``url``. Raises SystemExit if it is not empty."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    store = Store.open(url)
    taken = bool(listed_runs(store, last=1))
    store.close()
    if taken:
        raise SystemExit("the database of --postgres holds runs already: name an empty one")
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            for name, some in rows:
                if some:
                    columns = SQL(", ").join(map(Identifier, some[0]))
                    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(name), columns)
                    with connection.cursor().copy(statement) as copy:
                        for row in some:
                            copy.write_row(tuple(row.values()))
        connection.execute("ANALYZE")


def measured(where: str | Path, *, runs: int, repeats: int = REPEATS) -> Times:
    """The times of the store at ``where``, which holds so many runs. The newest is opened, which has most before it."""
    listing, opening = [], []
    for _ in range(repeats):
        with closing(Store.open(where)) as store:
            seconds, listed = timed(lambda: listed_runs(store))
            assert len(listed) == runs
            listing.append(seconds)
        with closing(Store.open(where)) as store:
            wanted = listed[0].id
            seconds, record = timed(lambda: run_record(store, wanted))  # noqa: B023
            assert record["id"] == wanted
            opening.append(seconds)
    return Times(listing=1000 * statistics.median(listing), opening=1000 * statistics.median(opening))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that ``work`` takes, and what it returns."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def main() -> None:
    """Fill, measure and print a Markdown table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--outcomes", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--postgres", help="an empty database, which is left filled")
    options.add_argument(
        "--keep", type=Path, help="folder in which the SQLite store stays; one that is there is only measured"
    )
    given = options.parse_args()

    def rows() -> Iterator[Rows]:
        pattern = real_run(steps=18, dev_rows=48)
        size = sum(len(event["payload"]) for event in pattern.events)
        print(
            f"a run: {len(pattern.events)} events of {size:,} characters, {len(pattern.examples)} rows", file=sys.stderr
        )
        return generated(pattern, runs=given.runs, outcomes=given.outcomes, seed=given.seed)

    found: dict[str, Times] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not (folder / "store.db").exists():
            fill_file(folder, rows())
        megabytes = (folder / "store.db").stat().st_size / 1e6
        print(f"{megabytes:,.0f} MB in SQLite", file=sys.stderr)
        found[f"SQLite {sqlite3.sqlite_version}"] = measured(folder, runs=given.runs)
    if given.postgres:
        fill_server(given.postgres, rows())
        found["PostgreSQL"] = measured(given.postgres, runs=given.runs)
    print(f"| {given.runs:,} runs, {given.outcomes:,} outcomes | list all runs, ms | open one, ms |")
    print("| --- | ---: | ---: |")
    for name, times in found.items():
        print(f"| {name} | {times.listing:.0f} | {times.opening:.0f} |")


if __name__ == "__main__":
    main()
