"""GEPA: reflective mutation with a Pareto front, as the package of that name has it. Contestant: gepa.

    ENVIRONMENT/bin/python -I run_gepa.py JOB.json

A candidate is the system message; the row is the user's. It is recorded when it was scored on the dev rows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
if TYPE_CHECKING:
    from promptdescent.experiments.race.peers._peer import (
        STAND_IN,
        Found,
        Job,
        Message,
        Proxy,
        Row,
        feedback,
        mean,
        or_end,
        run,
    )
else:
    from _peer import STAND_IN, Found, Job, Message, Proxy, Row, feedback, mean, or_end, run

PART = "system_prompt"
"""Name of the one text that is optimized."""

MOST_METRIC_CALLS = 1_000_000
"""More than any race pays for."""


class Client:
    """The models in the form in which GEPA calls those that it has clients for."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def batch_complete(self, messages_list: Sequence[Sequence[Message]], **_: object) -> list[str]:
        """Replies of the task model."""
        return [reply.strip() for reply in self._proxy.chats("task", messages_list)]

    def reflect(self, prompt: str | list[Message]) -> str:
        """A reply of the optimizer model."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return or_end(lambda: self._proxy.chat("optimizer", messages))


class Recorder:
    """Hears of each candidate that was scored on the dev rows."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        """Record a candidate; the name is GEPA's."""
        if event["num_examples_evaluated"] == event["total_valset_size"]:
            prompt = event["candidate"][PART]
            self._found.add(prompt, mean(list(event["scores_by_val_id"].values())), layout(prompt))


def layout(prompt: str) -> list[Message]:
    """The messages of a row."""
    return [{"role": "system", "content": prompt}, {"role": "user", "content": STAND_IN}]


def search(job: Job, proxy: Proxy, found: Found) -> None:
    """Run GEPA until the tokens are used up."""
    from gepa import optimize
    from gepa.adapters.default_adapter.default_adapter import DefaultAdapter, EvaluationResult

    def evaluate(data: dict[str, Any], reply: str) -> Any:
        row = Row(input=data["input"], target=data["answer"])
        score = proxy.score(reply, row)
        return EvaluationResult(score=score, feedback=feedback(score, row, job.perfect_score))

    found.start(job.start, layout(job.start))
    client = Client(proxy)
    adapter = DefaultAdapter(model=client.reflect, evaluator=evaluate)
    # A model that is given as a function would be asked for one row after the other.
    adapter._lm = client
    optimize(
        seed_candidate={PART: job.start},
        trainset=rows(job.train),
        valset=rows(job.dev),
        adapter=adapter,
        reflection_lm=client.reflect,
        perfect_score=job.perfect_score,
        max_metric_calls=MOST_METRIC_CALLS,
        callbacks=[Recorder(found)],
        seed=job.seed,
    )


def rows(given: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as GEPA's default adapter takes them."""
    return [{"input": row.input, "additional_context": {}, "answer": row.target} for row in given]


if __name__ == "__main__":
    run(search)
