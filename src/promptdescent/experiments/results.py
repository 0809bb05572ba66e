"""What a run of a study came to, read from its record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from promptdescent.llm.choose import SIMULATED
from promptdescent.llm.simulated import SimulatedTask, simulated
from promptdescent.prices import total_of
from promptdescent.records import Candidate, Prompt, RunManifest, StepRecord, Verdict, from_json, read_step
from promptdescent.report.cost import charge, priced_models
from promptdescent.report.study.record import CurvePoint, Move, Status, StudyRun
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Event, RunRow, Store
from promptdescent.store.working_time import last_sent, seconds_at_work
from promptdescent.text import fill, placeholders


def study_run(store: Store, run: RunRow, named: StudyRun) -> StudyRun:
    """``named``, which says what the run is, with all that its record tells.

    A failed run keeps the reason in ``named`` if its record has none of its own.
    """
    events = store.events(run.id)
    quality = _TrueQuality(run.manifest)
    used = {role: totals.used for role, totals in totals_of(store, run.id).items() if totals.used.calls}
    seconds = seconds_at_work(events, last_sent(store, run.id))
    models = priced_models(run.manifest)
    money = total_of([charge(models[role], usage, at=run.created_at) for role, usage in used.items()])
    measured = replace(named, run=run.id, used=used, seconds=seconds, money=money)
    verdict = next((from_json(Verdict, event.payload) for event in events if event.kind == "verdict"), None)
    if verdict is None:
        status: Status = "failed" if run.status.state == "failed" else "interrupted"
        return replace(measured, status=status, reason=run.status.reason or named.reason)
    steps = [read_step(event.payload) for event in events if event.kind == "step"]
    found = _best_so_far(events, steps)
    best = found[-1][1]
    return replace(
        measured,
        status="finished",
        reason="",
        prompt=best.prompt.text,
        dev_score=best.score,
        test_score=verdict.best_score,
        start_test_score=verdict.start_score,
        quality=quality(best.prompt),
        steps=steps[-1].step if steps else 0,
        ended_because=next(json.loads(event.payload)["reason"] for event in events if event.kind == "search ended"),
        curve=tuple(
            CurvePoint(tokens=tokens, dev_score=one.score, quality=quality(one.prompt)) for tokens, one in found
        ),
        moves=tuple(move for step in steps if (move := _move(step)) is not None),
    )


def _best_so_far(events: Sequence[Event], steps: Sequence[StepRecord]) -> list[tuple[int, Candidate]]:
    """Tokens used and the best prompt, after the starting prompt was scored and after each step."""
    start = next(json.loads(event.payload) for event in events if event.kind == "start")
    first = (start["used"], from_json(Candidate, json.dumps(start["state"]["best"])))
    return [first, *((step.used.tokens, step.best) for step in steps)]


def _move(step: StepRecord) -> Move | None:
    """How far the step's proposals went; None if none has a parent."""
    distances = [one.distance for one in step.candidates if one.distance is not None]
    if not distances:
        return None
    return Move(step=step.step, budget=step.word_budget, distance=sum(distances) / len(distances))


class _TrueQuality:
    """Expected share of right answers under a prompt; None for a model of which nobody knows it."""

    def __init__(self, manifest: RunManifest) -> None:
        self._model: SimulatedTask | None = None
        name = manifest.task_model.name
        if name.startswith(SIMULATED):
            model = simulated(name, role="task", rows=(), labels=manifest.labels)
            self._model = model if isinstance(model, SimulatedTask) else None

    def __call__(self, prompt: Prompt) -> float | None:
        if self._model is None:
            return None
        # Of a template, the model reads as instruction what is left without the row.
        text = fill(prompt.text, dict.fromkeys(placeholders(prompt.text), ""))
        return self._model.accuracy(" ".join(text.split()))
