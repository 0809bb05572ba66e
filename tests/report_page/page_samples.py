"""Searches written by hand, as long and as hostile as a test wants them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptdescent.records import (
    Candidate,
    Effect,
    Evaluation,
    Example,
    Explanation,
    Message,
    ModelSettings,
    OptimizerState,
    Outcome,
    PieceEffect,
    Prompt,
    PromptScore,
    PrunedPrompt,
    RedundantPair,
    RowDoubt,
    RunManifest,
    SentRequest,
    StepRecord,
    Usage,
    Verdict,
    to_json,
)
from promptdescent.store.store import EventKind, Store

START = "Is it good?"
GREEDY = {"part": "Greedy", "accept": "always"}

Events = list[tuple[EventKind, str]]


def manifest(**changes: Any) -> RunManifest:
    """A search on the simulated models."""
    settings: dict[str, Any] = {
        "version": "0.1.0",
        "seed": 7,
        "recipe_name": "gpo",
        "recipe": {"selection": GREEDY, "step_size": {"part": "Cosine", "start": 50, "final": 10}},
        "task_model": ModelSettings(name="simulated:clear", temperature=0.0, max_tokens=16),
        "optimizer_model": ModelSettings(name="simulated:clear", temperature=1.0, max_tokens=64),
        "task_identity": "one",
        "optimizer_identity": "two",
        "prompt": START,
        "placement": "after",
        "metric": "choice",
        "labels": ("yes", "no"),
        "task_fingerprint": "f" * 64,
        "split_sizes": {"dev": 10, "test": 40},
        "similarity": "lexical",
        "total_steps": 3,
        "max_calls": None,
        "max_total_tokens": None,
        "cache": "store",
        "spec": {"data": "rows.csv", "input": ["text"], "prompt": START, "steps": 3},
    }
    return RunManifest(**{**settings, **changes})


def rows(split: str, count: int, *, text: str = "row") -> tuple[Example, ...]:
    return tuple(
        Example(id=f"{split}{number}", inputs=(("text", f"{text} {number}"),), target="yes") for number in range(count)
    )


def outcomes(examples: Sequence[Example], right: int, *, reply: str = "") -> tuple[Outcome, ...]:
    """The first ``right`` rows are right, the others say no."""
    return tuple(
        Outcome(example=row.id, kind="answered", score=1.0, answer="yes", reply=reply or "yes")
        if place < right
        else Outcome(example=row.id, kind="answered", score=0.0, answer="no", reply=reply or "no, it is not")
        for place, row in enumerate(examples)
    )


def start_event(dev: Sequence[Example], right: int, *, prompt: str = START) -> tuple[EventKind, str]:
    score = right / len(dev)
    best = Candidate(id="0.0", prompt=Prompt.of(prompt), parent=None, fate="scored", score=score, rows=len(dev))
    state = OptimizerState(
        step=0,
        total_steps=3,
        survivors=(best,),
        past=(best,),
        best=best,
        row_scores={"0.0": (1.0,) * right + (0.0,) * (len(dev) - right)},
        row_history=(),
        tried=(prompt,),
    )
    evaluation = Evaluation(outcomes=outcomes(dev, right), score=score)
    content = {"evaluation": json.loads(to_json(evaluation)), "state": json.loads(to_json(state)), "used": 100}
    return "start", json.dumps(content)


def steps(
    prompts: Sequence[Sequence[tuple[str, float | None]]], *, dev: int, meta_prompt: str = "Improve it.", said: str = ""
) -> Events:
    """Steps of a greedy search: for each the proposals with their scores, None for a rejected one."""
    found: Events = []
    current, best = "0.0", Candidate(id="0.0", prompt=Prompt.of(START), parent=None, fate="scored", score=0.0, rows=dev)
    for number, proposed in enumerate(prompts, start=1):
        requests = [
            *(
                [SentRequest(purpose="reflection", message=_message("Why?"), parent=current, n=1, text=said)]
                if said
                else []
            ),
            SentRequest(purpose="proposal", message=_message(meta_prompt), parent=current, n=len(proposed)),
        ]
        candidates = tuple(
            Candidate(
                id=f"{number}.{index}",
                prompt=Prompt.of(prompt),
                parent=current,
                fate="rejected" if score is None else "scored",
                reason="tried before" if score is None else "",
                score=score,
                rows=0 if score is None else dev,
                request=len(requests) - 1,
                distance=3,
                tokens=20,
            )
            for index, (prompt, score) in enumerate(proposed, start=1)
        )
        scored = [one for one in candidates if one.score is not None]
        if scored:
            current = max(scored, key=lambda one: one.score or 0.0).id
            best = max([best, *scored], key=lambda one: one.score or 0.0)
        record = StepRecord(
            step=number,
            word_budget=max(10, 50 - number),
            requests=tuple(requests),
            candidates=candidates,
            survivors=(current,),
            best=best,
            total_steps=len(prompts),
            used=Usage(calls=10 * number, tokens_in=1_000 * number, tokens_out=100 * number),
            replies={"task": {"answered": dev}},
        )
        found.append(("step", to_json(record)))
    return found


def _message(text: str) -> Message:
    return Message(role="user", content=(text,))


def verdict(test: Sequence[Example], before: int, after: int, *, reply: str = "", **changes: Any) -> Verdict:
    """Of a start that is right on the first rows and a found prompt that is right on the last ones."""
    best = tuple(
        Outcome(example=row.id, kind="answered", score=1.0, answer="yes", reply=reply or "yes, surely")
        if place >= len(test) - after
        else Outcome(example=row.id, kind="unreadable", score=0.0, reply=reply or "hm")
        for place, row in enumerate(test)
    )
    settings: dict[str, Any] = {
        "start_score": before / len(test),
        "best_score": after / len(test),
        "difference": (after - before) / len(test),
        "interval": (0.1, 0.4),
        "p_value": 0.004,
        "rows": len(test),
        "missing": 0,
        "leaked": 0,
        "test": "exact McNemar",
        "interval_method": "Tango score",
        "gain_shown": True,
        "commonest_answer_score": 0.6,
        "start_outcomes": outcomes(test, before, reply=reply),
        "best_outcomes": best,
    }
    return Verdict(**{**settings, **changes})


def explanation(prompt: str, run: str = "abc") -> Explanation:
    """Two pieces: the first matters, the second does not."""
    cut = prompt.index(" ") + 1
    strong = Effect(difference=0.2, interval=(0.1, 0.3), rows=10)
    weak = Effect(difference=0.01, interval=(-0.05, 0.07), rows=10)
    return Explanation(
        run=run,
        version="0.1.0",
        prompt=prompt,
        score=0.9,
        rows=10,
        prompts=4,
        most_calls=40,
        calls=38,
        pieces=(
            PieceEffect(
                start=0,
                end=cut,
                average=strong,
                removed=strong,
                p_value=0.001,
                matters=True,
                brought_by="0.0",
                gained=(*(f"dev{number}" for number in range(10)), "gone1", "gone2"),
                lost=("dev9",),
            ),
            PieceEffect(
                start=cut, end=len(prompt), average=weak, removed=None, p_value=0.9, matters=False, brought_by=None
            ),
        ),
        pairs=(RedundantPair(first=0, second=1, without_first=weak, without_second=weak, without_both=strong),),
        pruned=PrunedPrompt(prompt=prompt[:cut].strip(), left_out=(1,), effect=weak),
        doubts=(
            RowDoubt(
                example="dev0", split="dev", kind="looks mislabelled", suggested="no", share=1.0, reason="All say no."
            ),
        ),
        notes=("Ten rows tell little.",),
    )


def score_event(test: Sequence[Example], right: int) -> tuple[EventKind, str]:
    score = PromptScore(
        on="test",
        score=right / len(test),
        interval=(0.2, 0.6),
        interval_method="Wilson",
        rows=len(test),
        missing=0,
        leaked=0,
        commonest_answer_score=0.5,
        outcomes=outcomes(test, right),
    )
    return "evaluation", to_json(score)


def status(state: str, reason: str = "") -> tuple[EventKind, str]:
    return "status", json.dumps({"state": state, "reason": reason})


def write(
    store: Store,
    events: Events,
    *,
    of: RunManifest | None = None,
    dev: Sequence[Example] = (),
    test: Sequence[Example] = (),
) -> str:
    """A run with these events. Returns its id."""
    run = store.create_run(of or manifest(), {"dev": dev, "test": test})

    async def append() -> None:
        for kind, payload in events:
            await store.append(run, kind, payload)

    asyncio.run(append())
    store.release(run)
    return run


def whole_run(store: Store, *, text: str = "", found: str = "Say yes or no: is it good?", reply: str = "") -> str:
    """A finished search of three steps with a verdict; ``text`` stands wherever a model or a user could put it."""
    dev, test = rows("dev", 10, text=f"row {text}"), rows("test", 40, text=f"row {text}")
    best = found + text
    proposed = [
        [(f"One.{text}", 0.4), (f"Two.{text}", 0.6), (f"None.{text}", None)],
        [(f"Three.{text}", 0.5)],
        [(best, 0.9), (f"Four.{text}", 0.2)],
    ]
    note = json.dumps({"text": f"48 rows{text}"})
    events: Events = [
        ("note", note),
        status("running"),
        start_event(dev, 5),
        *steps(proposed, dev=10, meta_prompt=f"Improve it.{text}", said=f"It is vague.{text}"),
        ("search ended", json.dumps({"reason": "all steps done"})),
        ("verdict", to_json(verdict(test, 15, 30, reply=reply + text))),
        ("explanation", to_json(explanation(best))),
        status("finished"),
    ]
    labels = ("yes", f"no{text}")
    return write(store, events, of=manifest(labels=labels, metric=f"choice{text}"), dev=dev, test=test)


def long_run(store: Store, *, count: int, candidates: int, dev_rows: int) -> str:
    """A search of many steps, whose prompts grow, with long meta-prompts and replies."""
    random_words = random.Random(3)
    words = [f"word{number}" for number in range(500)]
    dev, test = rows("dev", dev_rows), rows("test", dev_rows, text="a question " * 20)

    def prompt(step: int) -> str:
        return " ".join(random_words.choices(words, k=60 + step))

    def score() -> float:
        return round(dev_rows * (0.3 + 0.5 * random_words.random())) / dev_rows

    proposed = [[(prompt(step), score()) for _ in range(candidates)] for step in range(count)]
    proposed[-1][0] = (
        prompt(count),
        0.9,
    )  # the last step finds the best prompt, so that its lineage is as long as can be
    events: Events = [
        status("running"),
        start_event(dev, dev_rows // 2),
        *steps(proposed, dev=dev_rows, meta_prompt=prompt(400) * 4),
        ("verdict", to_json(verdict(test, dev_rows // 3, dev_rows // 2, reply=prompt(300)))),
        status("finished"),
    ]
    return write(store, events, of=manifest(total_steps=count), dev=dev, test=test)


def open_store(folder: Path) -> Store:
    return Store.open(folder)
