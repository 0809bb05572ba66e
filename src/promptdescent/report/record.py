"""A run's record as one JSON object: what ``show --json`` prints, and the part of it that two equal runs share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, TypeAlias

from promptdescent.llm.base import Totals
from promptdescent.records import (
    Candidate,
    Evaluation,
    Example,
    Outcome,
    PromptScore,
    Role,
    RunManifest,
    SentRequest,
    StepRecord,
    Usage,
    Verdict,
    from_json,
    read_step,
)
from promptdescent.report.cost import money, priced_models
from promptdescent.report.evaluation import evaluation_record
from promptdescent.report.failures import failure_record
from promptdescent.report.judging import judge_record
from promptdescent.store.store import Event, RunRow, Store
from promptdescent.store.totals import RunTotals, run_totals
from promptdescent.store.working_time import last_sent, seconds_at_work
from promptdescent.text import word_count, word_edit_distance
from promptdescent.verdict.words import reuse_sentence, sentence

Record: TypeAlias = dict[str, Any]
"""A JSON object."""

CAPS = {"calls": "max_calls", "tokens": "max_total_tokens", "money": "max_money", "minutes": "max_minutes"}
"""The caps of a record, and the settings that they are."""

NOT_CANONICAL = (
    "cache",
    "created",
    "earlier_use_of_test_rows",
    "explanation",  # measured after the run, by calls of another one
    "explains",  # an id
    "failures",
    "forecast",  # it rests on prices, and on rules of thumb that may change
    "id",
    "money",  # prices change with the date
    "notes",  # sentences for the user; they name files, dates and earlier runs
    "origin",
    "reason",  # of an interruption or failure
    "replies_from_earlier_runs",
    "seconds",
)


def run_record(store: Store, run: str) -> Record:
    """All that is known of a run; ``run`` is a prefix of its id or ``latest``.

    Raises :class:`~promptdescent.errors.StoreError` if there is no such run.
    """
    row = store.find_run(run)
    manifest, events = row.manifest, store.events(row.id)
    steps = [read_step(event.payload) for event in _of(events, "step")]
    scored_start, best = _start(events)
    best = steps[-1].best if steps else best
    verdicts = [from_json(Verdict, event.payload) for event in _of(events, "verdict")]
    verdict = verdicts[-1] if verdicts else None
    counted = run_totals(store, row.id)
    totals = counted.by_role()
    cost = money(priced_models(manifest, changed_settings(events)), totals, at=row.created_at)
    earlier_runs = _earlier_use(store, row)
    return {
        **_head(row, events, seconds=seconds_at_work(events, last_sent(store, row.id))),
        "models": _models(manifest),
        "task": {
            "fingerprint": manifest.task_fingerprint,
            "labels": list(manifest.labels),
            "length_cost": manifest.length_cost,
            "metric": manifest.metric,
            "objective": manifest.objective,
            "placement": manifest.placement,
            **_second_round(manifest),
            "split_sizes": dict(manifest.split_sizes),
        },
        "start": {
            "prompt": manifest.prompt,
            "dev_score": scored_start.score if scored_start else None,
            "rows": scored_start.rows if scored_start else 0,
            "words": word_count(manifest.prompt),
        },
        "best": _best(manifest.prompt, best),
        "verdict": _verdict(verdict, manifest.prompt, best, earlier_runs),
        "evaluation": evaluation_record(manifest, *_evaluation(store, row, events)),
        "explanation": _explanation(events),
        "search": {
            "steps_done": steps[-1].step if steps else 0,
            "total_steps": manifest.total_steps,
            "ended_because": _ended_because(events),
        },
        "steps": [_step(step) for step in steps],
        "replies": _reply_counts(scored_start, verdict),
        "judge": judge_record(manifest, scored_start, verdict),
        "usage": {
            role: {
                "used": asdict(totals[role].used),
                "paid": asdict(totals[role].paid),
                "lost": asdict(totals[role].lost),
            }
            for role in manifest.models
        },
        "failures": failure_record(
            manifest.models, counted.failures, _outcomes_outside_steps(scored_start, verdict), steps
        ),
        "money": cost,
        "forecast": _forecast(events, totals, cost),
        "earlier_use_of_test_rows": earlier_runs,
        "replies_from_earlier_runs": _foreign_replies(counted),
    }


def canonical(record: Record) -> Record:
    """The part of a record that is the same for every run of one seed on one task.

    Without ids of runs, clocks, paths, what was paid, attempts and faults, and what earlier runs in the store did.
    """
    kept = {key: value for key, value in record.items() if key not in NOT_CANONICAL}
    if record["evaluation"] is None:  # as before there were any
        del kept["evaluation"]
    kept["models"] = {role: _without_path(model) for role, model in record["models"].items()}
    kept["usage"] = {role: {"used": counters["used"]} for role, counters in record["usage"].items()}
    if record["verdict"] is not None:
        reuse = " " + reuse_sentence(record["earlier_use_of_test_rows"])
        kept["verdict"] = {**record["verdict"], "sentence": record["verdict"]["sentence"].removesuffix(reuse)}
    return kept


def as_text(record: Record) -> str:
    """The record as JSON in ASCII, keys sorted, so that nothing in it can act on a terminal."""
    return json.dumps(record, sort_keys=True, indent=2)


# --- sections --------------------------------------------------------------------------------------------------------


def _head(row: RunRow, events: Sequence[Event], *, seconds: float) -> Record:
    """What the run is, and how it stands. The caps are those in force, which a resumption may have raised."""
    manifest = row.manifest
    settings = {**manifest.spec, **changed_settings(events)}
    return {
        "id": row.id,
        "created": date(row.created_at),
        "version": manifest.version,
        "status": row.status.state,
        "reason": row.status.reason,
        "seed": manifest.seed,
        "later_seeds": [list(one) for one in settings.get("later_seeds", ())],
        "origin": _origin(manifest),
        "explains": manifest.explains or None,
        "recipe": manifest.recipe_name,
        "recipe_data": dict(manifest.recipe),
        "similarity": manifest.similarity,
        "cache": manifest.cache,
        "caps": {name: settings.get(setting) for name, setting in CAPS.items()},
        "seconds": seconds,
        "notes": [json.loads(event.payload)["text"] for event in _of(events, "note")],
    }


def changed_settings(events: Sequence[Event]) -> Record:
    """Settings that were changed when the run was resumed."""
    return {name: value for event in _of(events, "caps") for name, value in json.loads(event.payload).items()}


def _origin(manifest: RunManifest) -> Record | None:
    """Which run this one repeats, and from which step on a fork goes its own way; None if it repeats none."""
    return {"run": manifest.origin, "forked_at": manifest.forked_at} if manifest.origin else None


def _models(manifest: RunManifest) -> Record:
    return {
        role: {**asdict(settings), "stop": list(settings.stop), "identity": identity}
        for role, (settings, identity) in manifest.models.items()
    }


def _second_round(manifest: RunManifest) -> Record:
    """What the task model was asked after its first reply; no entry for one round, as before there were any."""
    asked = manifest.spec.get("second_round")
    return {"second_round": asked} if asked else {}


def _without_path(model: Record) -> Record:
    """A model without the path of its file; its identity says which file it is."""
    return {**model, "name": "local"} if model["name"].startswith("local:") else model


def _start(events: Sequence[Event]) -> tuple[Evaluation | None, Candidate | None]:
    """The starting prompt on the dev rows, and as the best prompt so far."""
    starts = _of(events, "start")
    if not starts:
        return None, None
    payload = json.loads(starts[-1].payload)
    evaluation = from_json(Evaluation, json.dumps(payload["evaluation"]))
    return evaluation, from_json(Candidate, json.dumps(payload["state"]["best"]))


def _evaluation(store: Store, row: RunRow, events: Sequence[Event]) -> tuple[PromptScore | None, dict[str, Example]]:
    """What the prompt scores, where nothing is searched for, and the run's rows by id."""
    scores = [from_json(PromptScore, event.payload) for event in _of(events, "evaluation")]
    if not scores:
        return None, {}
    return scores[-1], {example.id: example for rows in store.examples(row.id).values() for example in rows}


def _explanation(events: Sequence[Event]) -> Record | None:
    """What was last measured of the prompt's pieces; its fields are those of ``records.Explanation``."""
    found = _of(events, "explanation")
    return json.loads(found[-1].payload) if found else None


def _best(start: str, best: Candidate | None) -> Record:
    """The best prompt so far; ``distance`` is the one from the starting prompt, in words."""
    if best is None:
        return {
            "id": None,
            "prompt": start,
            "dev_score": None,
            "rows": 0,
            "distance": 0,
            "words": word_count(start),
        }
    return {
        "id": best.id,
        "prompt": best.prompt.text,
        "dev_score": best.score,
        "rows": best.rows,
        "distance": word_edit_distance(start, best.prompt.text),
        "words": word_count(best.prompt.text),
    }


def _verdict(verdict: Verdict | None, start: str, best: Candidate | None, earlier_runs: int) -> Record | None:
    if verdict is None:
        return None
    found = best.prompt.text if best else start
    return {
        "start_score": verdict.start_score,
        "best_score": verdict.best_score,
        "difference": verdict.difference,
        "interval": list(verdict.interval),
        "p_value": verdict.p_value,
        "rows": verdict.rows,
        "missing": verdict.missing,
        "leaked": verdict.leaked,
        "objective": verdict.objective,
        "test": verdict.test,
        "interval_method": verdict.interval_method,
        "commonest_answer_score": verdict.commonest_answer_score,
        "gain_shown": verdict.gain_shown,
        "sentence": sentence(verdict, same_prompt=found == start, earlier_runs=earlier_runs),
    }


def _step(step: StepRecord) -> Record:
    return {
        "step": step.step,
        "word_budget": step.word_budget,
        "requests": [_request(request) for request in step.requests],
        "candidates": [_candidate(candidate) for candidate in step.candidates],
        "failed_proposals": step.failed_proposals,
        "survivors": list(step.survivors),
        "stop": step.stop,
    }


def _request(request: SentRequest) -> Record:
    return {**_fields_of(request), "message": {"role": request.message.role, "text": request.message.text}}


def _candidate(candidate: Candidate) -> Record:
    """``distance`` is the one from the parent, in words."""
    return {**_fields_of(candidate), "prompt": candidate.prompt.text}


def _fields_of(part: SentRequest | Candidate) -> Record:
    """The fields as they are. ``asdict`` copies what they hold, which takes longer than reading the whole run."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _ended_because(events: Sequence[Event]) -> str | None:
    ends = _of(events, "search ended")
    return str(json.loads(ends[-1].payload)["reason"]) if ends else None


def _reply_counts(start: Evaluation | None, verdict: Verdict | None) -> Record:
    """What became of the rows, by kind of outcome, for each evaluation whose rows are in the record."""
    counts: Record = {"start_on_dev": _kinds(start.outcomes) if start else {}}
    counts["start_on_test"] = _kinds(verdict.start_outcomes) if verdict else {}
    counts["best_on_test"] = _kinds(verdict.best_outcomes) if verdict else {}
    return counts


def _outcomes_outside_steps(start: Evaluation | None, verdict: Verdict | None) -> list[Outcome]:
    """The rows of the starting prompt and of the verdict; those of one prompt count once."""
    found = list(start.outcomes) if start else []
    if verdict is not None:
        found += verdict.start_outcomes
        if verdict.best_outcomes != verdict.start_outcomes:
            found += verdict.best_outcomes
    return found


def _kinds(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(Counter(outcome.kind for outcome in outcomes))


def _forecast(events: Sequence[Event], totals: Mapping[Role, Totals], cost: Record | None) -> Record | None:
    """What was forecast before the first call, with what was used; None in a run of an older version."""
    stored = _of(events, "forecast")
    if not stored:
        return None
    forecast: Record = json.loads(stored[-1].payload)
    roles = {role: {**part, "used": _used(totals[role].used, cost, role)} for role, part in forecast["roles"].items()}
    used = sum((totals[role].used for role in forecast["roles"]), Usage())
    return {**forecast, "roles": roles, "total": {**forecast["total"], "used": _used(used, cost, "total")}}


def _used(usage: Usage, cost: Record | None, part: str) -> Record:
    """Used calls, tokens and US dollars of a role or of all of them."""
    return {"calls": usage.calls, "tokens": usage.tokens, "money": 0.0 if cost is None else cost[part]["used"]}


def _earlier_use(store: Store, row: RunRow) -> int:
    """How many earlier runs have a verdict on some of this run's test rows."""
    leaked = set(row.manifest.leaked)
    tested = [example for example in store.example_ids(row.id, "test") if example not in leaked]
    return store.earlier_verdicts_on(row.id, tested)


def _foreign_replies(totals: RunTotals) -> Record:
    oldest = totals.oldest_foreign
    return {"count": totals.foreign, "oldest": None if oldest is None else date(oldest)}


# --- events ----------------------------------------------------------------------------------------------------------


def _of(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind]


def date(at: float) -> str:
    """A Unix time in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="seconds")
