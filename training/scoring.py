"""How good every instruction of the corpus is: measured with the embedded task model on rows of its job."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent import LocalLLM
from promptdescent.llm.base import Draw
from promptdescent.records import Example, ModelSettings, Prompt
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.target import PromptTarget
from promptdescent.tasks.task import Task, build_task
from training.jobs import Job, Row

TASK_MODEL = "local:smollm2"

SHOWN = 10
"""Rows of a job that an optimizer may see; instructions are scored on others."""

STAGES = ((2, 0.0), (8, 0.25), (16, 0.6))
"""Rows that an instruction is scored on, and what share of those before it has to get right for that: most instructions
fail at once, and of those that do well some were lucky.
"""

BEST = 5
"""Instructions whose mean score is what the task model can do in a job."""

REPLY_TOKENS = 8
"""Tokens of a reply: an instruction has to bring the model to the point."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An instruction and what it got right."""

    text: str
    right: float
    rows: int

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return self.right / self.rows


def meant(job: Job, scored: Sequence[Scored]) -> tuple[Scored, ...]:
    """Those that are meant for the job. A weak instruction that asks another question with the same answers scores by
    luck as well as a right one.
    """
    weak = {one.text for one in job.weak}
    return tuple(one for one in scored if one.text not in weak)


def best_of(job: Job, scored: Sequence[Scored]) -> float:
    """Mean score of the best few instructions that are meant for the job. The very best of dozens on few rows is partly
    luck.
    """
    best = sorted((one.score for one in meant(job, scored)), reverse=True)[:BEST]
    return sum(best) / len(best)


def shown_rows(job: Job) -> tuple[Row, ...]:
    """The rows that an optimizer may see."""
    return _shuffled(job)[:SHOWN]


def scored_rows(job: Job) -> tuple[Row, ...]:
    """The rows that instructions are scored on."""
    return _shuffled(job)[SHOWN : SHOWN + STAGES[-1][0]]


def _shuffled(job: Job) -> tuple[Row, ...]:
    """The job's rows, label after label in turn, so that every share of them holds all labels."""
    rows = random.Random(job.name).sample(job.rows, len(job.rows))
    if not job.labels:
        return tuple(rows)
    waiting = {label: [row for row in rows if row.answer == label] for label in job.labels}
    return tuple(waiting[label].pop() for _ in rows for label in job.labels if waiting[label])


async def score_jobs(jobs: Sequence[Job], path: Path) -> dict[str, tuple[Scored, ...]]:
    """The scores of all instructions, by job. What stands in the file ``path`` already is not measured again, provided
    that job, rows, model and the release of llama.cpp are the same; what is new is added to it job by job.
    """
    llm = LocalLLM(TASK_MODEL.removeprefix("local:"))
    model = await llm.identify()
    keys = {job.name: key_of(job) for job in jobs}
    entries = _entries(path)
    known = {entry["key"]: entry for entry in entries if entry.get("model") == model}
    others = {entry["job"] for entry in entries if entry.get("model") != model}
    path.parent.mkdir(parents=True, exist_ok=True)
    began, missing = time.monotonic(), [job for job in jobs if keys[job.name] not in known]
    if missing and others:
        print(f"scoring: {len(others)} jobs in {path} were scored by another llama.cpp or model", flush=True)
    if missing:
        await llm.prepare()
    for done, job in enumerate(missing, start=1):
        entry = {"key": keys[job.name], "model": model, "job": job.name, "scores": await _score(job, llm)}
        known[entry["key"]] = entry
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        left = (time.monotonic() - began) / done * (len(missing) - done)
        print(f"scoring: {done} of {len(missing)} jobs, {left / 60:.0f} min left ({job.name})", flush=True)
    if missing:
        await llm.close()
    return {
        job.name: tuple(
            Scored(text=text, right=right, rows=rows) for text, right, rows in known[keys[job.name]]["scores"]
        )
        for job in jobs
    }


async def _score(job: Job, llm: LocalLLM) -> list[tuple[str, float, int]]:
    task = task_of(job)
    found = dict.fromkeys(job.instructions, (0.0, 0))
    done = 0
    for upto, least in STAGES:
        texts = [text for text, (right, rows) in found.items() if rows == done and right >= least * done]
        more = await right_on(task, texts, task.dev[done:upto], llm)
        found |= {text: (found[text][0] + more[text], upto) for text in texts}
        done = upto
    return [(text, right, rows) for text, (right, rows) in found.items()]


async def right_on(task: Task, texts: Sequence[str], rows: Sequence[Example], llm: LocalLLM) -> dict[str, float]:
    """How many of the rows each text gets right; with a graded metric the sum of the scores."""
    target = PromptTarget(llm, ModelSettings(name=TASK_MODEL, temperature=0.0, max_tokens=REPLY_TOKENS), "after")

    async def right(text: str, row: Example) -> float:
        reply = await target(Prompt.of(text), row, Draw(seed=0, step=0, slot=row.id, index=0))
        return task.metric.score(reply.text, row).value

    # Row by row: the row is what requests begin with, and llama.cpp goes on from a beginning that it has read.
    values = await asyncio.gather(*(right(text, row) for row in rows for text in texts))
    return {text: sum(values[place :: len(texts)]) for place, text in enumerate(texts)}


def task_of(job: Job) -> Task:
    """The rows that are scored as the dev set of a task. A number is read out of the reply, a label too; of other
    answers the reply has to be nearly nothing else (ROUGE-L).
    """
    examples = tuple(
        Example(id=f"{job.name}-{place}", inputs=(("input", row.input),), target=row.answer)
        for place, row in enumerate(scored_rows(job))
    )
    splits = Splits(train=(), dev=examples, test=(), unused=0, leaked=(), notes=())
    metric = "choice" if job.labels else "number" if all(row.answer.isdecimal() for row in job.rows) else "rouge-l"
    return build_task(splits, prompt=job.instructions[0], placement="after", metric=metric, labels=job.labels or None)


def key_of(job: Job) -> str:
    """What a job's scores depend on, besides the model."""
    rows = [(row.input, row.answer) for row in scored_rows(job)]
    what = [job.labels, rows, job.instructions, STAGES, REPLY_TOKENS]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _entries(path: Path) -> list[dict[str, Any]]:
    """What a file holds. A last line that was cut off is taken out of it: what is added next begins a line."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        path.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]
