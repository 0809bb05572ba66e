"""How calls, time and memory of a run grow with rows, candidates and steps, on the simulated models.

    python benchmarks/growth.py                       # up to 1,000,000 rows: some minutes
    python benchmarks/growth.py --most-rows 10000

Rows are made up, seeded, and written to a temporary folder. Every point is measured in a fresh process with an empty
store: the peak of its resident memory, the distinct calls of the run's record, and seconds of processor time, some of
which go to reading and splitting the file. A busy machine makes these less exact, but not as long as it makes the wait.
Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

# What measures imports nothing of the project, so that its processes do not begin with its memory.

ROWS = (100, 1_000, 10_000, 100_000, 1_000_000)
MOST_ROWS_AS_DEV = 10_000
CANDIDATES = (2, 4, 8, 16, 32)
STEPS = (1, 4, 16, 64)
FORMATS = ("jsonl", "csv", "parquet")
BY_ROWS = {"steps": 2, "candidates": 2}
USUAL_ROWS, USUAL_CANDIDATES, USUAL_STEPS = 10_000, 4, 4
FEW_ROWS = 40
"""Train rows, and test rows, where all others are dev rows."""

LABELS = {"complaint": "has not come", "praise": "came early", "question": "can be sent back?"}


# --- what is measured ------------------------------------------------------------------------------------------------


def run(file: Path, settings: dict[str, Any]) -> dict[str, float]:
    """One search and its verdict: calls, seconds, and seconds of reading."""
    from unittest.mock import patch

    import promptdescent
    from promptdescent import assembly

    reading = 0.0
    load_rows = assembly.load_rows

    def timed(*arguments: Any) -> Any:
        nonlocal reading
        began = time.process_time()
        splits = load_rows(*arguments)
        reading = time.process_time() - began
        return splits

    began = time.process_time()
    with tempfile.TemporaryDirectory() as store, patch.object(assembly, "load_rows", timed):
        steps = settings["steps"]
        result = promptdescent.optimize(
            file,
            prompt="What kind of message is this?",
            task_model="simulated:noisy",
            optimizer_model="simulated:noisy",
            recipe={"base": "gpo", "search": {"rounds": steps}},
            patience=0,
            store=store,
            **settings,
        )
    return {"calls": result.used.calls, "seconds": time.process_time() - began, "reading": reading}


def read(file: Path, _: dict[str, Any]) -> dict[str, float]:
    """Reading a file and drawing its splits."""
    from promptdescent.tasks.datasets import DataSource, load_splits

    began = time.process_time()
    load_splits(DataSource(file=file), seed=0)
    seconds = time.process_time() - began
    return {"calls": 0, "seconds": seconds, "reading": seconds}


JOBS: dict[str, Callable[[Path, dict[str, Any]], dict[str, float]]] = {"run": run, "read": read}


def measured(job: str, file: Path, **settings: Any) -> dict[str, float]:
    """What a job gives in a process of its own, with that process's peak of memory in MB."""
    program = [sys.executable, __file__, "--job", job, "--file", str(file), "--settings", json.dumps(settings)]
    done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


# --- the rows --------------------------------------------------------------------------------------------------------


def write(folder: Path, count: int, suffix: str = "jsonl") -> Path:
    """A file of so many short messages with three labels."""
    path = folder / f"{count}.{suffix}"
    if path.exists():
        return path
    if suffix == "parquet":
        import duckdb

        with duckdb.connect(":memory:") as database:
            database.from_csv_auto(str(write(folder, count, "csv"))).write_parquet(str(path))
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == "csv":
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(messages(count))
        else:
            file.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in messages(count))
    return path


def messages(count: int) -> Iterable[tuple[str, str]]:
    """Made-up messages and their labels."""
    dice = random.Random(0)
    labels = list(LABELS)
    for number in range(count):
        label = dice.choice(labels)
        yield f"Message {number}: order {dice.randrange(10**6)} {LABELS[label]} in week {dice.randrange(52)}", label


# --- tables ----------------------------------------------------------------------------------------------------------


def table(title: str, head: str, lines: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table line by line."""
    print(f"\n{title}\n\n| {head} | calls | processor seconds | of which reading | peak MB |", flush=True)
    print("|" + " --- |" * 5)
    for cells in lines:
        print("| " + " | ".join(cells) + " |", flush=True)


def line(name: str, found: dict[str, float]) -> tuple[str, ...]:
    return (
        *(name, f"{found['calls']:,.0f}"),
        *(f"{found['seconds']:.1f}", f"{found['reading']:.1f}", f"{found['peak']:.0f}"),
    )


def tables(folder: Path, most_rows: int) -> None:
    usual = {"steps": USUAL_STEPS, "candidates": USUAL_CANDIDATES, "estimation": "Racing"}
    counts = [count for count in ROWS if count <= most_rows]
    table(
        "Rows: at most 100 train, 100 dev and 300 test rows, drawn by seed; 2 steps of 2 candidates, racing",
        "rows",
        (line(f"{count:,}", measured("run", write(folder, count), **BY_ROWS, estimation="Racing")) for count in counts),
    )
    table(
        f"The same without a bound: full evaluation on all rows but {2 * FEW_ROWS}",
        "rows",
        (
            line(f"{count:,}", measured("run", write(folder, count), **BY_ROWS, **all_as_dev(count)))
            for count in counts
            if count <= MOST_ROWS_AS_DEV
        ),
    )
    file = write(folder, min(USUAL_ROWS, most_rows))
    table(
        f"Candidates: {USUAL_STEPS} steps, racing",
        "candidates",
        (line(str(number), measured("run", file, **{**usual, "candidates": number})) for number in CANDIDATES),
    )
    table(
        f"Steps: {USUAL_CANDIDATES} candidates each, racing",
        "steps",
        (line(str(number), measured("run", file, **{**usual, "steps": number})) for number in STEPS),
    )
    table(
        "Reading and splitting alone",
        "file",
        (
            line(f"{count:,} rows of {suffix.upper()}", measured("read", write(folder, count, suffix)))
            for suffix in FORMATS
            for count in (counts[0], counts[-1])
        ),
    )


def all_as_dev(count: int) -> dict[str, Any]:
    """Sizes that leave few rows for train and test."""
    sizes = {"train_rows": FEW_ROWS, "dev_rows": count - 2 * FEW_ROWS, "test_rows": FEW_ROWS}
    return {**sizes, "estimation": "FullDev"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Growth of a run with rows, candidates and steps.")
    parser.add_argument("--most-rows", type=int, default=ROWS[-1], help="at least 100")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        found = JOBS[arguments.job](arguments.file, arguments.settings)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak": peak}))
        return
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), arguments.most_rows)


if __name__ == "__main__":
    main()
