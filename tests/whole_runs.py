"""The command line as a user has it, on small rows of our own: in a process of its own, which ``clients.py`` starts."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from clients import nursery

SUBJECTS = ("kettle", "lamp", "desk", "chair", "mug", "rug", "fan", "clock", "shelf", "plate", "towel", "bag", "radio")
FAULTS = ("broke", "leaked", "came late", "fell apart", "smells", "hums", "rusted", "shrank", "faded", "vanished")
PLEASURES = ("sparkles", "works", "delights", "lasts", "fits", "shines", "sings", "charms")


def write_rows(path: Path, count: int = 240) -> Path:
    """A CSV of ``count`` different messages with three labels."""
    lines = ["text,label"]
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        if number % 3 == 0:
            text, label = f"My {subject} from order {number} {FAULTS[number % len(FAULTS)]}", "complaint"
        elif number % 3 == 1:
            text, label = f"How it {PLEASURES[number % len(PLEASURES)]} my {subject} of parcel {number}", "praise"
        else:
            text, label = f"Do you still sell a {subject} like number {number}?", "question"
        lines.append(f'"{text}",{label}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def command(*arguments: object) -> list[str]:
    """The command line of this interpreter's promptdescent."""
    return [sys.executable, "-m", "promptdescent.cli.main", *map(str, arguments)]


def run(*arguments: object, check: int | None = 0, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``check`` is the exit code it must have. ``fresh`` is what a user's shell does: an
    interpreter is started, which has a seed of hashes of its own.
    """
    if fresh:
        done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=190, check=False)
    else:
        with TemporaryDirectory() as folder:
            printed, said = Path(folder, "stdout"), Path(folder, "stderr")
            code = nursery().start(arguments, log=printed, errors=said).wait()
            texts = [file.read_text(encoding="utf-8") for file in (printed, said)]
        done = subprocess.CompletedProcess(command(*arguments), code, *texts)
    assert check is None or done.returncode == check, done.stderr + done.stdout
    return done


def optimize_arguments(rows: Path, store: Path, **flags: object) -> list[object]:
    """The arguments of a small run on the simulated models."""
    settings: dict[str, object] = {
        "input": "text",
        "target": "label",
        "prompt": "What kind of message is this?",
        "task-model": "simulated:plain",
        "optimizer-model": "simulated:plain",
        "steps": 3,
        "seed": 5,
        "store": store,
        **{name.replace("_", "-"): value for name, value in flags.items()},
    }
    return ["optimize", rows, *(f"--{name}={value}" for name, value in settings.items())]


def canonical(store: Path) -> str:
    """The canonical record of the store's latest run."""
    return run("show", "latest", "--canonical", "--store", store).stdout


def record(store: Path) -> dict[str, object]:
    """The record of the store's latest run."""
    return dict(json.loads(run("show", "latest", "--json", "--store", store).stdout))


def count_replies(store: Path) -> int:
    """Replies that are committed so far."""
    file = store / "store.db"
    if not file.exists():
        return 0
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute("select count(*) from replies").fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not made yet
        return 0
    finally:
        connection.close()


def count(store: Path, query: str) -> int:
    """The one number that a query of the store's database gives."""
    connection = sqlite3.connect(f"file:{store / 'store.db'}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def count_in_flight(store: Path) -> int:
    """Attempts that began and never ended."""
    return count(store, "select (select count(*) from attempts) - (select count(*) from attempt_ends)")


def count_asked_again(store: Path) -> int:
    """Empty replies that were asked for once more."""
    return count(store, "select count(*) from attempt_ends where counter = 'empty reply'")


def kill_after(replies: int, store: Path, *arguments: object) -> bool:
    """Start a command and end it by SIGKILL once so many replies are committed; False if it was done before."""
    client = nursery().start(arguments, log=Path(os.devnull))
    deadline = time.monotonic() + 60
    while client.poll() is None and time.monotonic() < deadline:
        if count_replies(store) >= replies:
            client.kill()
            return client.wait() == -signal.SIGKILL
        time.sleep(0.005)
    if client.poll() is None:
        client.kill()
        raise AssertionError("the run neither ended nor made progress")
    return False
