"""What a writer's proposals are worth on jobs that it was not trained on, without a search around it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from promptdescent import LocalLLM
from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.parts.raw_job import RawJob, read_raw_reply
from promptdescent.parts.sections import shown_score
from promptdescent.parts.writer import render_form
from promptdescent.text import word_edit_distance
from training.examples import WORTH_WRITING, worth_from
from training.jobs import Job
from training.scoring import TASK_MODEL, Scored, best_of, right_on, shown_rows, task_of

PROPOSALS = 8
BUDGETS = (40, 20, 10, 6)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of the eight proposals for a form, or means over forms."""

    usable: float
    """Proposals of eight that get at least 0.25 of the rows right, and 0.6 of what the job's best few do."""
    distinct: float
    """Different proposals of eight."""
    obedient: float
    """Share of the proposals within the word budget."""
    score: float
    """Mean score of the proposals."""

    @classmethod
    def mean(cls, measured: Collection[Measured]) -> Measured:
        """Of at least one."""
        return cls(
            **{field.name: sum(getattr(one, field.name) for one in measured) / len(measured) for field in fields(cls)}
        )


def worth_measuring(job: Job, scored: Sequence[Scored]) -> bool:
    """Whether some instruction does the job, and there are prompts to show: two poor ones and one in between."""
    best = best_of(job, scored)
    return best >= WORTH_WRITING and len(_poor(scored, best)) > 1 and bool(_between(scored, best))


def _poor(scored: Sequence[Scored], best: float) -> list[Scored]:
    return [one for one in scored if one.score <= best / 3]


def _between(scored: Sequence[Scored], best: float) -> list[Scored]:
    return [one for one in scored if best / 2 <= one.score <= best]


async def measure(
    adapter: str, jobs: Sequence[Job], scores: Mapping[str, Sequence[Scored]], *, shuffled: bool = False
) -> dict[str, Measured]:
    """By job, means over the budgets; all jobs are worth measuring. ``adapter``: ``writer`` or the path of one.
    ``shuffled``: of the two past prompts that are shown, a poor and a better one, each has the other's score.
    Raises ValueError for no jobs.
    """
    if not jobs:
        raise ValueError("no job to measure on")
    task_model = LocalLLM(TASK_MODEL.removeprefix("local:"))
    writer = LocalLLM(f"{TASK_MODEL.removeprefix('local:')}+{adapter}", beside=(task_model,))
    await task_model.prepare()
    await writer.prepare()
    measured = {
        job.name: Measured.mean(
            [await _of_form(job, scores[job.name], words, task_model, writer, shuffled=shuffled) for words in BUDGETS]
        )
        for job in jobs
    }
    await task_model.close()
    await writer.close()
    return measured


async def _of_form(
    job: Job, scored: Sequence[Scored], words: int, task_model: LocalLLM, writer: LocalLLM, *, shuffled: bool
) -> Measured:
    chance = random.Random(f"{job.name}/{words}")
    best = best_of(job, scored)
    current, low = chance.sample(_poor(scored, best), 2)
    middle = chance.choice(_between(scored, best))
    shown = [low.score, middle.score]
    if shuffled:
        shown.reverse()
    form = render_form(
        RawJob(
            verb="write",
            labels=job.labels,
            rows=tuple((row.input, row.answer) for row in chance.sample(shown_rows(job), 3)),
            scored=(
                (low.text, shown_score(shown[0])),
                (middle.text, shown_score(shown[1])),
                (current.text, shown_score(current.score)),
            ),
            words=words,
        )
    )
    replies = await asyncio.gather(*(proposal(writer, form, place) for place in range(PROPOSALS)))
    task = task_of(job)
    texts = [text for text in dict.fromkeys(replies) if text]
    right = await right_on(task, texts, task.dev, task_model)
    values = {text: right.get(text, 0.0) / len(task.dev) for text in replies}
    return Measured(
        usable=sum(values[text] >= worth_from(best) for text in replies),
        distinct=len(values),
        obedient=sum(word_edit_distance(current.text, text) <= words for text in replies) / PROPOSALS,
        score=sum(values[text] for text in replies) / PROPOSALS,
    )


async def proposal(writer: LLM, form: str, place: int) -> str:
    """One of the proposals for a form; ``place`` tells them apart."""
    completion = await writer.complete(
        Request(
            role="optimizer",
            messages=(),
            text=form,
            temperature=0.9,
            max_tokens=48,
            stop=("\n",),
            draw=Draw(seed=0, step=0, slot="proposal", index=place),
        )
    )
    return read_raw_reply(completion.replies[0].text)
