"""What somebody needs to use a prompt elsewhere: its text alone, or one JSON object."""

from __future__ import annotations

import json
from typing import Any

from promptdescent.errors import StoreError
from promptdescent.report.record import Record

FORMAT = 1
"""Of the JSON object; a key that changes its meaning or goes raises it."""


_OF_THE_TASK = ("metric", "objective", "labels", "length_cost", "second_round", "fingerprint")


def prompt_text(record: Record) -> str:
    """The best prompt, exactly. Raises :class:`StoreError` while there is none."""
    return str(_best(record)["prompt"])


def export_json(record: Record) -> str:
    """The JSON object that docs/export.md describes, in ASCII. Raises :class:`StoreError` while there is no prompt."""
    return json.dumps(export(record), indent=2)


def export(record: Record) -> dict[str, Any]:
    """The prompts with where they stand, how they were scored, and what they were found with."""
    best, evaluation = _best(record), record["evaluation"]
    return {
        "format": FORMAT,
        "prompt": best["prompt"],
        "placement": record["task"]["placement"],
        "start_prompt": record["start"]["prompt"],
        "dev": None
        if evaluation
        else {
            "score": best["dev_score"],
            "rows": best["rows"],
            "start_score": record["start"]["dev_score"],
        },
        "verdict": record["verdict"],
        "evaluation": _without_rows(evaluation),
        "task": {key: record["task"][key] for key in _OF_THE_TASK if key in record["task"]},
        "split_sizes": record["task"]["split_sizes"],
        "models": {role: _model(record["models"][role]) for role in record["usage"]},
        "recipe": None if evaluation else {"name": record["recipe"], "parts": record["recipe_data"]},
        "steps": record["search"]["steps_done"],
        "seed": record["seed"],
        "usage": record["usage"],
        "money": record["money"],
        "run": {key: record[key] for key in ("id", "created", "version", "status")},
    }


def _best(record: Record) -> Record:
    """The best prompt so far, which an unfinished run has as soon as its starting prompt is scored."""
    best: Record = record["best"]
    if best["dev_score"] is None and not record["evaluation"]:
        raise StoreError(
            f"run {record['id']} ended before its starting prompt was scored, so it has no best prompt; go on with "
            f"`promptdescent resume {record['id']}`"
        )
    return best


def _without_rows(evaluation: Record | None) -> Record | None:
    return evaluation and {key: value for key, value in evaluation.items() if key != "outcomes"}


def _model(model: Record) -> Record:
    """A model as it is called, without the identity that only a cache needs."""
    return {key: value for key, value in model.items() if key != "identity"}
