"""200,000 calls through one process on loopback: does its memory grow with the calls that it has made?

    python benchmarks/soak.py                   # some minutes
    python benchmarks/soak.py --calls 40000

One ``gpo`` run with as many steps as the calls need, 8 candidates on 48 dev rows each, against
``endpoint_server.py`` (no latency, 64 slots), with a cold cache and the store on disk. Resident memory is read after
20,000 calls and at the end; the exit code is 1 if the end is not within 10 % of that. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import promptdescent
from promptdescent.records import Progress, StepRecord

FIRST_CALLS = 20_000
TOLERANCE = 0.1
SLOTS = 64
CANDIDATES, DEV_ROWS, OTHER_ROWS = 8, 48, 24
CALLS_PER_STEP = CANDIDATES * DEV_ROWS + CANDIDATES
"""The server gives one sample per call, so that each proposal is a call of its own."""


class Watch:
    """Reads the memory of this process as its run goes on. Implements :class:`~promptdescent.records.RunObserver`."""

    def __init__(self) -> None:
        self.calls = 0
        self.samples: list[tuple[int, float]] = []
        """Calls made, and resident memory in MB then."""
        self._began = time.monotonic()
        self._next = FIRST_CALLS

    def on_message(self, text: str) -> None:
        """Nothing to do."""

    def on_progress(self, progress: Progress) -> None:
        self.calls = sum(usage.calls for usage in progress.paid.values())
        if self.calls >= self._next:
            self._next += FIRST_CALLS
            self.take()

    def on_step(self, record: StepRecord) -> None:
        """Nothing to do."""

    def take(self) -> float:
        """Read the memory now, and print it."""
        memory = resident_memory()
        self.samples.append((self.calls, memory))
        print(f"{self.calls:>9,} calls  {memory:7.1f} MB  {time.monotonic() - self._began:6.0f} s", flush=True)
        return memory


def resident_memory() -> float:
    """Resident memory of this process, in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no VmRSS: the soak runs on Linux only")


@contextmanager
def server() -> Iterator[str]:
    """The base URL of a model server in a process of its own."""
    program = [
        *(sys.executable, str(Path(__file__).with_name("endpoint_server.py"))),
        *("--latency", "0", "--slots", str(SLOTS)),
    ]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def rows() -> list[dict[str, str]]:
    """Statements with an answer that the server meets half of the time."""
    return [
        {"text": f"Statement {number} holds in each of its {number + 3} cases.", "label": ("yes", "no")[number % 2]}
        for number in range(DEV_ROWS + 2 * OTHER_ROWS)
    ]


def soak(calls: int, store: Path) -> Watch:
    """A run of at least so many calls."""
    steps = -(-calls // CALLS_PER_STEP)
    watch = Watch()
    with server() as base_url:
        promptdescent.optimize(
            rows(),
            input="text",
            target="label",
            prompt="Does the statement hold? Answer yes or no.",
            task_model="bench",
            base_url=base_url,
            recipe={"base": "gpo", "search": {"rounds": steps}},
            steps=steps,
            candidates=CANDIDATES,
            patience=0,
            train_rows=OTHER_ROWS,
            dev_rows=DEV_ROWS,
            test_rows=OTHER_ROWS,
            concurrency=SLOTS,
            store=store,
            observers=[watch],
        )
    watch.take()
    return watch


def main() -> int:
    """Run it and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000, help=f"calls to make, more than {FIRST_CALLS}")
    given = parser.parse_args()
    if given.calls <= FIRST_CALLS:
        parser.error(f"--calls must be more than {FIRST_CALLS}")
    with tempfile.TemporaryDirectory() as folder:
        watch = soak(given.calls, Path(folder) / "store")
    if watch.calls < given.calls:
        print(f"The run made {watch.calls} calls and not {given.calls}.")
        return 1
    first, last = watch.samples[0][1], watch.samples[-1][1]
    within = abs(last - first) <= TOLERANCE * first
    print(
        f"Resident memory: {first:.1f} MB after {watch.samples[0][0]:,} calls, {last:.1f} MB after {watch.calls:,}: "
        f"{last / first - 1:+.1%}, {'within' if within else 'NOT within'} {TOLERANCE:.0%}."
    )
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
