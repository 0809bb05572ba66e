"""How much faster the embedded model searches when its engines take the calls row by row, not in the order of asking.

    .venv/bin/python benchmarks/row_by_row.py --data $DATA

One search per order and repetition in a store of its own: the demo's short rows, and with ``--data`` the longer ones of
a shared task. Both orders must find the same prompts with the same scores and counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from promptdescent import RunSpec, assembly, optimize
from promptdescent.llm.concurrency import FIRST_LEVEL, FixedSlots
from promptdescent.llm.prefix_slots import PrefixSlots
from promptdescent.tasks.demo import demo_settings

LONGER = {"prompt": "Which option is right?", "input": "input", "target": "target", "task_max_tokens": 8}
"""Of date_understanding in BBH, whose rows have some 200 characters."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of shared rows")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", choices=["demo", "longer rows"])
    options = parser.parse_args()
    demo = {**demo_settings(seed=0), "test_rows": 40}
    jobs: dict[str, dict[str, Any]] = {"demo": demo}
    if options.data is not None:
        file = str(options.data / "bbh" / "date_understanding.json")
        jobs["longer rows"] = {**demo, **LONGER, "data": file, "steps": 1, "failure_limit": ("cut off=1",)}
    if missing := set(options.jobs or ()) - set(jobs):
        parser.error(f"{', '.join(missing)}: needs --data")
    for name in options.jobs or jobs:
        settings = jobs[name]
        ratios = []
        for repetition in range(options.repetitions):
            # Each order goes first in turn: machines get slower and faster.
            found = {
                by_prefix: search(settings, by_prefix=by_prefix)
                for by_prefix in (bool(repetition % 2), not repetition % 2)
            }
            asked, prefix = found[False], found[True]
            if asked[1:] != prefix[1:]:
                raise SystemExit(f"{name}: the two orders found different things: {asked[1:]}, {prefix[1:]}")
            ratios.append(asked[0] / prefix[0])
            print(f"{name}, {repetition + 1}: {asked[0]:.1f} s in the order of asking, {prefix[0]:.1f} s row by row")
        print(f"{name}: {statistics.median(ratios):.2f} times as fast (median of {options.repetitions})")


def search(settings: dict[str, Any], *, by_prefix: bool) -> tuple[float, Any, Any, Any]:
    """Seconds, and what was found, with which scores and how many calls."""
    setattr(assembly, "PrefixSlots", PrefixSlots if by_prefix else _in_order_of_asking)  # noqa: B010
    with tempfile.TemporaryDirectory() as store:
        began = time.monotonic()
        result = optimize(RunSpec().with_settings(settings), store=store)
        seconds = time.monotonic() - began
    verdict = result.verdict
    return seconds, result.best_prompt, (verdict.start_score, verdict.best_score), result.used


def _in_order_of_asking(level: int, *, on_change: Any) -> FixedSlots:
    return FixedSlots(FIRST_LEVEL, on_change=on_change)


if __name__ == "__main__":
    main()
