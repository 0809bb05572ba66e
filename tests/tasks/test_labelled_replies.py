"""The readers on real replies of the embedded model that were labelled by hand: see labelled_replies/README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import Metric, choose_metric
from promptdescent.tasks.reading import parse_number

FOLDER = Path(__file__).parent / "labelled_replies"
METRICS = {
    "choice": "choice",
    "boolean": "boolean",
    "number": "number",
    "brackets": "brackets",
    "words": "list:ordered",
    "labels": "choice",
}
LETTERS = tuple(f"({letter})" for letter in "ABCDE")
PAIRS = (("yes", "no"), ("true", "false"), ("valid", "invalid"))

Answer = str | list[str] | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One reply: its label, and what the metric made of it."""

    kind: str
    id: int
    round: int
    implied: bool
    reply: str
    label: Answer
    read: str | None
    agrees: bool
    """What was read is the label."""
    right: bool
    """By the label."""
    scored_right: bool
    """By the metric."""


@cache
def outcomes(kind: str) -> tuple[Outcome, ...]:
    rows = [json.loads(line) for line in (FOLDER / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()]
    targets = [row["target"] for row in rows]
    return tuple(outcome(kind, row, metric_for(kind, row["target"], targets)) for row in rows)


def outcome(kind: str, row: dict, metric: Metric) -> Outcome:  # type: ignore[type-arg]
    example = Example(id=str(row["id"]), inputs=(("input", row["input"]),), target=row["target"])
    score = metric.score(row["reply"], example)
    label = compared(kind, row["read"])
    target = row["target"].split() if kind == "words" else row["target"]
    return Outcome(
        kind=kind,
        id=row["id"],
        round=row["round"],
        implied=row["implied"],
        reply=row["reply"],
        label=row["read"],
        read=score.answer,
        agrees=compared(kind, score.answer) == label,
        right=label is not None and label == compared(kind, target),
        scored_right=score.value == 1,
    )


def metric_for(kind: str, target: str, targets: Sequence[str]) -> Metric:
    """The metric of the reply's task: all letters for options, the target's own pair for yes and no."""
    if kind == "choice":
        targets = LETTERS
    elif kind == "boolean":
        targets = next(pair for pair in PAIRS if target in pair)
    return choose_metric(METRICS[kind], targets, read=None)


def compared(kind: str, answer: Answer) -> object:
    """An answer in the form in which label, target and what was read are compared."""
    if answer is None:
        return None
    if kind == "words":
        items = answer if isinstance(answer, list) else answer.split("; ")
        return [item.casefold() for item in items]
    assert isinstance(answer, str)
    if kind == "number":
        return parse_number(answer)
    if kind == "brackets":  # by definition the metric reads the closing brackets at the end of a run
        closing = re.search(r"[)\]}>]*\Z", "".join(answer.split()))
        return (closing and closing[0]) or None
    return answer.casefold()


def listed_misses() -> set[tuple[str, int]]:
    """Kind and id of each line of the README's table of misses."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return {(match[1], int(match[2])) for match in re.finditer(r"^\| (\w+) \| (\d+) \| `", text, re.MULTILINE)}


@pytest.mark.parametrize("kind", METRICS)
def test_set_is_large_and_labelled(kind: str) -> None:
    found = outcomes(kind)
    assert len(found) >= 60
    assert len({(one.reply, json.dumps(one.label), one.id) for one in found}) == len(found)
    assert [one.id for one in found] == list(range(len(found)))
    assert 0.4 < sum(one.label is not None for one in found) / len(found) < 1


def test_every_miss_is_listed_and_no_other() -> None:
    missed = {(one.kind, one.id) for kind in METRICS for one in outcomes(kind) if not one.agrees}
    assert missed == listed_misses()


@pytest.mark.parametrize(
    ("kind", "least"),
    [("choice", 0.98), ("boolean", 0.98), ("number", 0.91), ("brackets", 0.95), ("words", 0.89), ("labels", 0.98)],
)
def test_answers_that_are_stated_are_read(kind: str, least: float) -> None:
    stated = [one for one in outcomes(kind) if one.label is not None and not one.implied]
    assert sum(one.agrees for one in stated) / len(stated) >= least


@pytest.mark.parametrize(
    ("kind", "least"),
    [("choice", 0.98), ("boolean", 0.95), ("number", 1), ("brackets", 1), ("words", 1), ("labels", 0.97)],
)
def test_scores_are_those_of_the_labels(kind: str, least: float) -> None:
    """Right or wrong, where the answer is not only implied."""
    found = [one for one in outcomes(kind) if not one.implied]
    assert sum(one.scored_right == one.right for one in found) / len(found) >= least


def test_a_changed_label_is_seen() -> None:
    """The comparison itself: no kind takes another answer for the label."""
    others: dict[str, Answer] = {
        "choice": "(Z)",
        "boolean": "maybe",
        "number": "-987",
        "brackets": "}}}]",
        "words": ["zebra"],
        "labels": "mixed",
    }
    for kind, other in others.items():
        assert compared(kind, other) not in [compared(kind, one.label) for one in outcomes(kind)]
        assert compared(kind, None) is None
