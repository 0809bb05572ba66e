"""Readings that the GPO paper's code is known to get wrong, each beside the right one of ours.

Source: method facts, section 2.4, items 12 to 15 and 21.
"""

from __future__ import annotations

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import METRICS, choose_metric
from promptdescent.tasks.scoring import close_metric

LETTERS = ["(A)", "(B)", "(C)"]


def value(name: str, reply: str, target: str, targets: list[str]) -> float:
    metric = choose_metric(name, [*targets, target], read=None)
    question = "Sort the following words: plum pear fig apple"
    return metric.score(reply, Example(id="1", inputs=(("text", question),), target=target)).value


@pytest.mark.parametrize(
    ("ours", "theirs", "reply", "target", "right"),
    [
        ("number", "number", "$18.00.", "18", 1),
        ("number", "number", "(-7)", "-7", 1),
        ("number", "number", "17.5", "18", 0),
        ("number", "number", "2.5", "2", 0),
        ("boolean", "boolean", "Yes, it does.", "Yes", 1),
        ("choice", "boolean", "Yes, it does.", "Yes", 1),
        ("boolean", "boolean", "Answer: No", "No", 1),
        ("choice", "boolean", "Answer: No", "No", 1),
        ("choice", "choice", "Between (A) and (B), I choose (B).", "(B)", 1),
        ("choice", "choice", "Between (A) and (B), I choose (B).", "(A)", 0),
        ("list:ordered", "words", "apple, fig, pear, plum", "apple fig pear plum", 1),
        ("list:ordered", "words", "1. apple\n2. fig\n3. pear\n4. plum", "apple fig pear plum", 1),
        ("brackets", "brackets", "Input: ( [ ( ) ]\nOutput: ( [ ( ) ] )\nSo ) (to close the first).", ")", 1),
    ],
)
def test_known_fault(ours: str, theirs: str, reply: str, target: str, right: float) -> None:
    others = {"choice": LETTERS if theirs == "choice" else ["Yes", "No"], "boolean": ["Yes", "No"]}.get(ours, [])
    assert value(ours, reply, target, others) == right
    if theirs != "brackets":
        assert value(f"reference:{theirs}", reply, target, []) == 1 - right


@pytest.mark.parametrize("reply", ["", " ", "\n\n", "\t"])
def test_an_empty_reply_scores_0_by_every_metric(reply: str) -> None:
    names = {"regex": ["regex:(x)"], "json": ["json:x"], "reference": [], "judge": [], "f1": ["f1", "f1:micro"]}
    kinds = ("choice", "boolean", "number", "brackets", "words", "rouge-l")
    every = [one for name in METRICS for one in names.get(name, [name])]
    every += ["list:same", "list:ordered", "rouge-l:mean", *(f"reference:{kind}" for kind in kinds)]
    for name in every:
        target = ") ]" if name.endswith("brackets") else "1"
        metric = choose_metric(name, [target], read=None)
        try:
            score = metric.score(reply, Example(id="1", inputs=(("text", "?"),), target=target))
        finally:
            close_metric(metric)
        assert score.value == 0, name
