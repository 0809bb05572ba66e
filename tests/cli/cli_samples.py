"""The command line as a process, and rows for it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from promptdescent.records import Candidate, Message, Prompt, SentRequest, StepRecord


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Invoke: TypeAlias = Callable[..., Ended]
"""Calls the program in this process with these arguments."""

PROGRAM = (sys.executable, "-m", "promptdescent.cli.main")
PROMPT = "Say what the customer feels."
SECONDS = 60


def write_rows(folder: Path, *, rows: int = 100) -> Path:
    """A file of labelled messages, all different."""
    words = {"positive": ("lovely", "great", "superb"), "negative": ("awful", "broken", "dreadful")}
    things = ("parcel", "lamp", "chair", "waiter", "room", "phone")
    texts = []
    for number in range(rows):
        label = ("positive", "negative")[number % 2]
        thing, word = things[number % len(things)], words[label][number % 3]
        texts.append((f"The {thing} number {number} was {word}", label))
    file = folder / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("text", "label"), *texts])
    return file


def optimize_arguments(file: Path, *more: str, model: str = "simulated:clear") -> list[str]:
    """A run of at most two steps."""
    columns = ["--input", "text", "--target", "label"]
    return ["optimize", str(file), *columns, "--prompt", PROMPT, "--task-model", model, "--steps", "2", *more]


def environment() -> dict[str, str]:
    """Without a key and without anything that would make rich believe in a terminal."""
    unwanted = ("OPENAI_API_KEY", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def step() -> StepRecord:
    """The first of four steps: one proposal is scored and selected, one is rejected, one never came."""
    found = Candidate(id="1.1", prompt=Prompt.of("Yes or no?"), parent="0.0", fate="scored", score=1.0, rows=2)
    rejected = Candidate(id="1.2", prompt=Prompt.of("Hm?"), parent="0.0", fate="rejected", reason="tried before")
    sent = SentRequest(
        purpose="proposal", message=Message(role="user", content=("Improve it.",)), parent="0.0", n=3, failed=1
    )
    return StepRecord(
        step=1,
        word_budget=48,
        requests=(sent,),
        candidates=(found, rejected),
        survivors=("1.1",),
        stop="perfect dev score",
        best=found,
        total_steps=4,
    )


def run(*arguments: str, folder: Path, program: tuple[str, ...] = PROGRAM) -> subprocess.CompletedProcess[str]:
    """The end of the program in a process of its own, with both streams as text."""
    return subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
