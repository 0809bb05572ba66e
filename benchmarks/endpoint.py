"""How much of an endpoint's capacity is used, beside a bare asyncio + aiohttp loop in the same run.

Each measurement starts a server (``endpoint_server.py``) and a client in processes of their own, with an empty store on
disk. *Efficiency* is the service time that the server counts, divided by slots x the time from its first request to its
last answer: 1 = no slot was ever idle. The bare loop sends the same requests from as many workers as there are slots
and does nothing with the answers but decode them; for a whole run once in one flat stream, and once in the waves of the
run (the proposals of a step wait for the scores of the step before, and their rows for them).

    python benchmarks/endpoint.py                        # all jobs, 5 rounds; about 6 minutes
    python benchmarks/endpoint.py --jobs evaluation --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

STEPS, CANDIDATES, TRAIN, DEV, TEST = 18, 8, 48, 48, 144
SERVER = Path(__file__).with_name("endpoint_server.py")
CLIENTS = ("bare", "bare in waves", "promptdescent", "promptdescent, adaptive")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured."""

    title: str
    latency: float
    slots: int
    rows: int | None
    """Rows of an evaluation; None for a whole run."""
    clients: tuple[str, ...]


JOBS = {
    "evaluation": Job(
        title="evaluation, 2,000 rows, 50 ms, 64 slots",
        latency=0.05,
        slots=64,
        rows=2000,
        clients=("bare", "promptdescent"),
    ),
    "slow": Job(
        title="evaluation, 4,096 rows, 500 ms, 128 slots",
        latency=0.5,
        slots=128,
        rows=4096,
        clients=("bare", "promptdescent", "promptdescent, adaptive"),
    ),
    "run32": Job(
        title="gpo run, 50 ms, 32 slots",
        latency=0.05,
        slots=32,
        rows=None,
        clients=("bare", "bare in waves", "promptdescent"),
    ),
    "run128": Job(
        title="gpo run, 50 ms, 128 slots",
        latency=0.05,
        slots=128,
        rows=None,
        clients=("bare", "bare in waves", "promptdescent"),
    ),
}


# --- the clients -----------------------------------------------------------------------------------------------------


def row(number: int) -> dict[str, str]:
    """A row of about 200 characters."""
    filler = "It was looked at twice, by two people, on two days, and both of them wrote down what they saw. "
    return {
        "text": f"Statement {number}: the sum of its digits is odd. {filler * 2}",
        "label": ("yes", "no")[number % 2],
    }


def _body(number: int, prompt: str) -> bytes:
    content = f"{row(number)['text']}\n{prompt}"
    messages = [{"role": "user", "content": content}]
    return json.dumps({"model": "bench", "messages": messages, "max_tokens": 256, "temperature": 0.0}).encode()


async def _bare(base: str, slots: int, waves: list[list[bytes]]) -> None:
    import aiohttp

    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work(bodies: Iterator[bytes]) -> None:
            for body in bodies:
                async with session.post(f"{base}/v1/chat/completions", data=body) as response:
                    _ = (await response.json())["choices"][0]["message"]["content"]

        for wave in waves:
            bodies = iter(wave)
            await asyncio.gather(*(work(bodies) for _ in range(min(slots, len(wave)))))


def _waves(job: Job, *, flat: bool) -> list[list[bytes]]:
    """The bodies of a job's requests, in the waves in which they can be sent."""
    if job.rows is not None:
        return [[_body(number, "Yes or no?") for number in range(job.rows)]]
    waves = [[_body(number, "Yes or no?") for number in range(DEV)]]
    for step in range(STEPS):
        waves.append([_body(number, f"Propose {step}") for number in range(CANDIDATES)])
        waves.append([_body(n, f"Prompt {step} {one}") for one in range(CANDIDATES) for n in range(DEV)])
    waves.append([_body(number, prompt) for prompt in ("Yes or no?", "Best") for number in range(TEST)])
    return [[body for wave in waves for body in wave]] if flat else waves


def _ours(base: str, job: Job, *, adaptive: bool, store: str) -> None:
    import promptdescent

    settings: dict[str, Any] = {
        "input": ("text",),
        "target": "label",
        "task_model": "bench",
        "base_url": f"{base}/v1",
        "metric": "exact",
        "concurrency": None if adaptive else job.slots,
        "store": store,
        "yes": True,
    }
    if job.rows is not None:
        promptdescent.evaluate("Yes or no?", [row(number) for number in range(job.rows)], on="all", **settings)
        return
    settings |= {"prompt": "Yes or no?", "steps": STEPS, "candidates": CANDIDATES, "patience": 0}
    settings |= {"train_rows": TRAIN, "dev_rows": DEV, "test_rows": TEST}
    promptdescent.optimize([row(number) for number in range(TRAIN + DEV + TEST)], **settings)


def client(job: Job, name: str, base: str) -> None:
    """Do the job once, after a small one that loads all code, and print what it took."""
    with tempfile.TemporaryDirectory() as store:

        def do(what: Job, folder: str) -> None:
            if name.startswith("bare"):
                asyncio.run(_bare(base, what.slots, _waves(what, flat=name == "bare")))
            else:
                _ours(base, what, adaptive=name.endswith("adaptive"), store=f"{store}/{folder}")

        do(Job(title="", latency=0.0, slots=8, rows=40, clients=()), "small")
        _get(f"{base}/counts", method="DELETE")
        before = time.process_time()
        do(job, "measured")
        cpu = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_seconds": cpu, "memory_mb": memory}))


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One measurement."""

    efficiency: float
    wall_seconds: float
    calls: int
    cpu_per_thousand: float
    memory_mb: float
    most_in_service: int


def _get(url: str, *, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)


@contextmanager
def serving(job: Job) -> Iterator[str]:
    """A server for the job; gives its address and ends it."""
    command = [sys.executable, str(SERVER), "--latency", str(job.latency), "--slots", str(job.slots)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def measure(key: str, name: str) -> Figures:
    """One client, once."""
    job = JOBS[key]
    with serving(job) as base:
        command = [sys.executable, __file__, "--client", name, "--jobs", key, "--base", base]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
        counts = _get(f"{base}/counts")
    said = json.loads(done.stdout)
    return Figures(
        efficiency=counts["service_seconds"] / (job.slots * counts["wall_seconds"]),
        wall_seconds=counts["wall_seconds"],
        calls=counts["served"],
        cpu_per_thousand=1000 * said["cpu_seconds"] / counts["served"],
        memory_mb=said["memory_mb"],
        most_in_service=counts["most_in_service"],
    )


def table(results: dict[tuple[str, str], list[Figures]]) -> str:
    """Medians, with the lowest and highest efficiency, as a Markdown table."""
    lines = [
        "| job | client | efficiency | of the bare loop's | wall s | calls | CPU s per 1,000 calls | memory MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (key, name), several in results.items():
        middle = median(one.efficiency for one in several)
        bare = median(one.efficiency for one in results[key, "bare"])
        low, high = min(one.efficiency for one in several), max(one.efficiency for one in several)
        cells = (
            JOBS[key].title,
            name,
            f"**{middle:.3f}** ({low:.3f} to {high:.3f})",
            f"{middle / bare:.2f}",
            f"{median(one.wall_seconds for one in several):.2f}",
            f"{several[0].calls:,}",
            f"{median(one.cpu_per_thousand for one in several):.2f}",
            f"{median(one.memory_mb for one in several):.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all jobs, the clients in turn within each round, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(JOBS[given.jobs[0]], given.client, given.base)
        return
    results: dict[tuple[str, str], list[Figures]] = {}
    for key in given.jobs:
        for number in range(given.rounds):
            for name in JOBS[key].clients:
                figures = measure(key, name)
                results.setdefault((key, name), []).append(figures)
                print(f"{key} {name} {number + 1}: {figures.efficiency:.3f}", file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
