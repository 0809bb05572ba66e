"""How long it takes to open a run of 1.6 million calls, and how large its report is.

    python benchmarks/big_run.py                                  # 200 steps x 8 candidates x 1,000 rows: some minutes
    python benchmarks/big_run.py --steps 20 --store here          # a smaller one, which stays in the folder `here`
    python benchmarks/big_run.py --store postgresql://user@host/empty_database

The run is made by the loop itself with the parts of ``gpo``, on an optimizer model that writes made-up words and on
scores that follow from prompt and row. Only the calls of the task model are not sent: each leaves the rows in the store
that a call would have left, an attempt, its end, a reply and a use, and one in a hundred failed once before.

Each figure is the median of five, or one for the sums, which take long; each in a process of its own whose store was
just opened: seconds of wall time, and of processor time, which a busy machine lengthens less. The page cache of the
system is warm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from promptdescent.assembly import NO_EXTRAS, manifest_of, open_models, recipe_for
from promptdescent.config import RunSpec
from promptdescent.llm.base import Request
from promptdescent.llm.budget import estimate_tokens
from promptdescent.llm.function import FunctionLLM
from promptdescent.optimizer import Surroundings, descend, first_state
from promptdescent.optimizer_model import OptimizerModel
from promptdescent.planning import forecast
from promptdescent.records import Evaluation, Example, Outcome, Prompt, Usage, to_json
from promptdescent.run_record import RunRecord
from promptdescent.store.schema import pack
from promptdescent.store.store import Store
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.task import Task, build_task
from promptdescent.verdict.comparison import compare

REPEATS = 5
TRAIN_ROWS = 100
FAILED = 100
"""One attempt in so many fails and is tried again."""
LABELS = ("complaint", "praise", "question")
TEXT = (
    "read the message with care and name what its writer wants first look for a problem that is told then for thanks or"
    " joy at last a question mark may hide a complaint while polite words often soften one decide by the main sentence"
    " ignore greetings names numbers and dates when two kinds fit choose that which asks for an action give one label"
)
WORDS = TEXT.split()


# --- the run ---------------------------------------------------------------------------------------------------------


class Calls:
    """Writes what calls of the task model leave in the store."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run
        self._attempt = self._use = 0
        self.used = Usage()

    async def add(self, role: str, calls: Sequence[tuple[str, str, Usage]]) -> None:
        """Calls that were answered: key, reply and usage of each."""
        at, own = self._store.clock(), {"run_id": self._run}
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("attempts", "attempt_ends", "replies", "uses")}
        for key, text, usage in calls:
            call, tokens = f"{key}x1", {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}
            tries = 2 if zlib.crc32(key.encode()) % FAILED == 0 else 1
            for left in reversed(range(tries)):
                self._attempt += 1
                numbered = {**own, "attempt": self._attempt, "at": at}
                bounds = {"reserved_in": 2 * usage.tokens_in, "reserved_out": 64}
                rows["attempts"].append({**numbered, "call": call, "role": role, **bounds})
                error = pack("503 Service Unavailable") if left else None
                spent = {"tokens_in": 0, "tokens_out": 0} if left else tokens
                counter = "server error" if left else None
                rows["attempt_ends"].append({**numbered, "error": error, **spent, "counter": counter, "lost": False})
            reply = {"key": key, "attempt": self._attempt, "call": call, "text": pack(text), "finish": "stop"}
            rows["replies"].append({**own, **reply, "thought_chars": 0, **tokens, "created_at": at})
            self._use += 1
            rows["uses"].append({**own, "call": call, "role": role, "calls": 1, **tokens, "number": self._use})
            self.used += usage
        await self._store.database.writer.write(rows)


class Scoring:
    """Scores prompts by rule, and has each call put in the store. Implements ``Evaluate``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        async for prompt in prompts:
            yield await self.evaluation(prompt, examples)

    async def evaluation(self, prompt: Prompt, examples: Sequence[Example]) -> Evaluation:
        """One prompt on some rows."""
        outcomes, calls = [], []
        ability = 0.45 + 0.4 * random.Random(prompt.text).random()
        words = estimate_tokens(len(prompt.text))
        for example in examples:
            right = zlib.crc32(f"{prompt.text}/{example.id}".encode()) % 1000 < 1000 * ability
            answer = example.target if right else LABELS[(LABELS.index(str(example.target)) + 1) % len(LABELS)]
            reply = f"Its writer speaks of {example.question[:40]!r} and wants that to be settled, so it is a {answer}."
            outcomes.append(
                Outcome(example=example.id, kind="answered", score=float(right), answer=answer, reply=reply)
            )
            usage = Usage(calls=1, tokens_in=words + estimate_tokens(len(example.question)), tokens_out=len(reply) // 4)
            calls.append((sha256(f"{prompt.text}/{example.id}".encode()).hexdigest(), reply, usage))
        await self._calls.add("task", calls)
        return Evaluation(outcomes=tuple(outcomes), score=statistics.fmean(one.score or 0.0 for one in outcomes))


def task_of(rows: int) -> Task:
    """Made-up messages with three labels: so many dev rows, and as many test rows."""

    def made(split: str, count: int) -> tuple[Example, ...]:
        return tuple(
            Example(
                id=sha256(f"{split} {number}".encode()).hexdigest()[:16],
                inputs=(("text", f"Message {number} of {split}: {' '.join(random.Random(number).sample(WORDS, 20))}"),),
                target=LABELS[number % len(LABELS)],
            )
            for number in range(count)
        )

    splits = Splits(
        train=made("train", TRAIN_ROWS), dev=made("dev", rows), test=made("test", rows), unused=0, leaked=(), notes=()
    )
    return build_task(splits, prompt="What kind of message is this?", metric="choice", labels=LABELS)


def rewrite(messages: list[dict[str, str]], *, request: Request) -> str:
    """A prompt of about 80 words that follow from the draw."""
    chance = random.Random(request.draw.model_seed())
    sentences = (" ".join(chance.sample(WORDS, 13)).capitalize() + "." for _ in range(6))
    return f"<prompt>{' '.join(sentences)} {chance.getrandbits(32)}</prompt>"


async def make(store: Store, *, steps: int, candidates: int, rows: int) -> str:
    """Put the run into the store. Returns its id."""
    spec = RunSpec(
        recipe="gpo",
        task_model="simulated:plain",
        optimizer_model="simulated:plain",
        steps=steps,
        candidates=candidates,
    )
    task, recipe = task_of(rows), recipe_for(spec, NO_EXTRAS)
    recipe = replace(recipe, stopping=(), search=replace(recipe.search, rounds=steps))
    manifest = manifest_of(spec, recipe, task, open_models(spec, task, NO_EXTRAS), steps)
    record = RunRecord(store, store.create_run(manifest, {"train": task.train, "dev": task.dev, "test": task.test}))
    calls = Calls(store, record.id)
    scoring = Scoring(calls)
    around = Surroundings(
        brief=task.brief,
        dev=task.dev,
        evaluate=scoring,
        model=OptimizerModel(llm=FunctionLLM(rewrite, name="words"), settings=manifest.optimizer_model),
        similarity=open_models(spec, task, NO_EXTRAS).similarity,
        seed=0,
    )
    await record.append("forecast", json.dumps(forecast(spec, recipe, task).as_data()))
    await record.set_status("running")
    evaluation = await scoring.evaluation(task.start, task.dev)
    state = first_state(recipe, task.start, evaluation, total_steps=steps)
    start = {"evaluation": json.loads(to_json(evaluation)), "state": json.loads(to_json(state))}
    await record.append("start", json.dumps({**start, "used": calls.used.tokens}))
    async for step, after in descend(recipe, state, around):
        asked = [
            (
                sha256(f"{step.step}/{one.id}".encode()).hexdigest(),
                one.prompt.text,
                Usage(calls=1, tokens_in=900, tokens_out=120),
            )
            for one in step.candidates
        ]
        await calls.add("optimizer", asked)
        await record.add_step(replace(step, used=calls.used), after)
        state = after
        if step.step % 20 == 0:
            print(f"step {step.step} of {steps}", file=sys.stderr)
    await record.append("search ended", json.dumps({"reason": "all steps done"}))
    first, best = [await scoring.evaluation(prompt, task.test) for prompt in (task.start, state.best.prompt)]
    await record.append("verdict", to_json(compare(first, best, task, seed=0)))
    await record.finish()
    store.release(record.id)
    return record.id


# --- what is measured ------------------------------------------------------------------------------------------------


def open_record(store: Store) -> Any:
    """What ``promptdescent show --json`` reads."""
    from promptdescent.report.record import run_record

    return lambda: run_record(store, "latest")


def open_page(store: Store) -> Any:
    """What a page of the report or the dashboard is made from."""
    from promptdescent.report.page.content import read_page

    return lambda: read_page(store, "latest")


def write_report(store: Store) -> Any:
    """The report as a file."""
    from promptdescent.report.html.render import report_html
    from promptdescent.report.page.content import read_page

    return lambda: report_html(read_page(store, "latest"))


def sum_again(store: Store) -> Any:
    """The totals without those on record: what a reader of an older run has to do."""
    from promptdescent.store.totals import RunTotals, later_totals

    run = store.find_run("latest").id
    return lambda: later_totals(store, run, RunTotals())


JOBS: Mapping[str, Callable[[Store], Callable[[], Any]]] = {
    "run_record": open_record,
    "read_page": open_page,
    "report_html": write_report,
    "sums without totals on record": sum_again,
}


def timed(job: str, where: str) -> dict[str, float]:
    """Seconds that a job takes in this process, and the size in bytes if its result is a text."""
    store = Store.open(where)
    work = JOBS[job](store)
    began, began_work = time.perf_counter(), time.process_time()
    result = work()
    seconds, at_work = time.perf_counter() - began, time.process_time() - began_work
    store.close()
    return {"seconds": seconds, "processor": at_work, "bytes": len(result.encode()) if isinstance(result, str) else 0}


def measured(job: str, where: str, *, repeats: int = REPEATS) -> dict[str, float]:
    """Medians of a job over processes of its own: seconds, seconds of the processor, and bytes."""
    found = []
    for _ in range(repeats):
        program = [sys.executable, __file__, "--job", job, "--store", where]
        done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def fill(where: str, *, steps: int, candidates: int, rows: int) -> None:
    """Make the run, unless the store holds one."""
    store = Store.open(where)
    try:
        if not store.runs():
            asyncio.run(make(store, steps=steps, candidates=candidates, rows=rows))
    finally:
        store.close()
    if "://" not in where:
        with sqlite3.connect(Path(where) / "store.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def main() -> None:
    """Make, measure and print a Markdown table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--steps", type=int, default=200)
    options.add_argument("--candidates", type=int, default=8)
    options.add_argument("--rows", type=int, default=1_000, help="dev rows, and as many test rows; at least 20")
    options.add_argument("--store", help="folder or address; a run that is there is only measured")
    options.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.job:
        print(json.dumps(timed(given.job, given.store)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        where = given.store or temporary
        fill(where, steps=given.steps, candidates=given.candidates, rows=given.rows)
        print("| | seconds | processor seconds | MB |\n| --- | ---: | ---: | ---: |")
        for job in JOBS:
            found = measured(job, where, repeats=1 if JOBS[job] is sum_again else REPEATS)
            size = f"{found['bytes'] / 1e6:.2f}" if found["bytes"] else ""
            print(f"| {job} | {found['seconds']:.2f} | {found['processor']:.2f} | {size} |", flush=True)


if __name__ == "__main__":
    main()
