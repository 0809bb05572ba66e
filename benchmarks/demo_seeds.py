"""The demo on several seeds, each in an empty store, beside what needs no search.

    .venv/bin/python benchmarks/demo_seeds.py            # seeds 0 to 4, about 3 minutes each on two cores
    .venv/bin/python benchmarks/demo_seeds.py --seeds 7
    .venv/bin/python benchmarks/demo_seeds.py --optimizer-model local:smollm2+writer --optimizer-style writer
    .venv/bin/python benchmarks/demo_seeds.py --out seeds.jsonl    # a line of JSON for each seed, too

For each seed: starting and found prompt on the test rows with the 95 % interval of the gain, calls, seconds, and
on the same rows the commonest label, the empty prompt and a one-line prompt written by hand. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from promptdescent import LocalLLM, RunSpec, optimize
from promptdescent.assembly import NO_EXTRAS, load_task
from promptdescent.llm.base import Draw
from promptdescent.phases import RunResult
from promptdescent.records import Prompt
from promptdescent.stats import Interval, compare_paired
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store
from promptdescent.tasks.demo import BY_HAND, demo_settings
from promptdescent.tasks.metrics import Choice
from promptdescent.tasks.reading import label_key
from promptdescent.tasks.target import PromptTarget
from promptdescent.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Line:
    """One seed."""

    seed: int
    result: RunResult
    calls: int
    seconds: float
    commonest: float
    over_commonest: Interval
    empty: float
    by_hand: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--optimizer-model", help="in place of the demo's")
    parser.add_argument("--optimizer-style", help="in place of the demo's")
    parser.add_argument("--out", type=Path, help="file that a line of JSON is added to for each seed")
    options = parser.parse_args()
    changes = {"optimizer_model": options.optimizer_model, "optimizer_style": options.optimizer_style}
    changes = {name: value for name, value in changes.items() if value is not None}
    print(
        "| seed | start | found | gain, 95 % interval | found - commonest, 95 % interval | calls | seconds "
        "| commonest label | empty prompt | by hand |"
    )
    print("| --- " * 10 + "|", flush=True)
    lines = []
    for seed in options.seeds:
        lines.append(line := run(seed, changes))
        verdict = line.result.verdict
        low, high = verdict.interval
        print(
            f"| {line.seed} | {verdict.start_score:.3f} | {verdict.best_score:.3f} | {low:+.3f} to {high:+.3f} "
            f"| {line.over_commonest.low:+.3f} to {line.over_commonest.high:+.3f} | {line.calls} | {line.seconds:.0f} "
            f"| {line.commonest:.3f} | {line.empty:.3f} | {line.by_hand:.3f} |",
            flush=True,
        )
        if options.out is not None:
            with options.out.open("a") as file:
                file.write(json.dumps(changes | record(line)) + "\n")
    print()
    for line in lines:
        print(f"Seed {line.seed} found: {line.result.best_prompt!r}")
    gains = sum(line.result.verdict.interval[0] > 0 for line in lines)
    above = sum(line.over_commonest.low > 0 for line in lines)
    print(f"Gain above 0 in {gains} of {len(lines)} seeds; found above the commonest label in {above} of {len(lines)}.")


def record(line: Line) -> dict[str, object]:
    """What is measured of a seed, for a file."""
    verdict = line.result.verdict
    return {
        "seed": line.seed,
        "found": line.result.best_prompt,
        "start score": verdict.start_score,
        "found score": verdict.best_score,
        "gain": list(verdict.interval),
        "found - commonest": [line.over_commonest.low, line.over_commonest.high],
        "calls": line.calls,
        "seconds": round(line.seconds, 1),
        "commonest": line.commonest,
        "empty": line.empty,
        "by hand": line.by_hand,
    }


def run(seed: int, changes: dict[str, object]) -> Line:
    """The demo with one seed and these settings changed, then the prompts that need no search on its test rows."""
    spec = RunSpec().with_settings({**demo_settings(seed), **changes})
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        result = optimize(spec, store=folder)
        seconds = time.monotonic() - begin
        calls = used_calls(Path(folder), result.run)
    task = load_task(spec, NO_EXTRAS)
    commonest = max(set(task.labels), key=[row.target for row in task.verdict_rows].count)
    always = [float(label_key(row.target) == label_key(commonest)) for row in task.verdict_rows]
    found = [outcome.score or 0.0 for outcome in result.verdict.best_outcomes]
    empty, by_hand = asyncio.run(scores(spec, task, ["", BY_HAND]))
    return Line(
        seed=seed,
        result=result,
        calls=calls,
        seconds=seconds,
        commonest=sum(always) / len(always),
        over_commonest=compare_paired(always, found, seed=seed).interval,
        empty=empty,
        by_hand=by_hand,
    )


def used_calls(folder: Path, run_id: str) -> int:
    """Calls of both roles."""
    store = Store.open(folder)
    try:
        return sum(totals.used.calls for totals in totals_of(store, run_id).values())
    finally:
        store.close()


async def scores(spec: RunSpec, task: Task, prompts: list[str]) -> list[float]:
    """Mean score of each prompt on the test rows."""
    model = LocalLLM("smollm2")
    await model.prepare()
    target = PromptTarget(model, spec.model("task").settings, task.placement)
    draw = Draw(seed=spec.seed, step=0, slot="benchmark", index=0)
    metric = task.metric
    assert isinstance(metric, Choice)

    async def score(text: str) -> float:
        rows = task.verdict_rows
        replies = await asyncio.gather(*(target(Prompt.of(text), row, draw) for row in rows))
        return sum(metric.score(reply.text, row).value for reply, row in zip(replies, rows, strict=True)) / len(rows)

    try:
        return [await score(prompt) for prompt in prompts]
    finally:
        await model.close()


if __name__ == "__main__":
    main()
