"""Replies that go on and on: they are read in the event loop, so that none may take long."""

from __future__ import annotations

from time import process_time

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import Metric, choose_metric
from promptdescent.tasks.reading import ChoiceReader, excerpt

LENGTH = 50_000
"""Characters of a reply."""
OPTIONS = "Which of these can fly?\nOptions:\n(A) a fox\n(B) a hen\n(C) a bat"
TRUTH = "Is the argument valid or invalid?"
KINDS = {
    "choice": ("choice", ["(A)", "(B)", "(C)"], OPTIONS),
    "labels": ("choice", ["negative", "neutral", "positive"], "Is the tone positive, neutral or negative?"),
    "boolean": ("boolean", ["valid", "invalid"], TRUTH),
    "number": ("number", ["8"], "He has 24 rolls, sells 15 and eats 1. How many are left?"),
    "brackets": ("brackets", ["] }"], "Input: { [ ( )"),
    "words": ("list:ordered", ["fig pear"], "Sort: pear fig"),
    "list": ("list", ["fig, pear"], "Which fruits are these?"),
}
TEXTS = {
    "spaces": " ",
    "newlines": "\n",
    "option-lines": "(A) x\n(B) y\n",
    "option-letters": "(A) (B) (C) ",
    "denied-options": "(B) tin isn't a suitable answer. ",
    "cues": "answer is ",
    "bracket-cues": "closing bracket is ",
    "opening": "(",
    "in-brackets": "(a ",
    "json": "[1,",
    "digits": "1",
    "digits-with-commas": "1,",
    "number-words": "seven ",
    "sums": "1 + ",
    "steps": "1. x\n2. y\n",
    "if": "if it ",
    "for": "for the ",
    "so": "So ",
    "check": "Check: 1.\n",
    "colons": ": ",
    "marks": "*",
    "letters": "a",
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_reply_takes_long(kind: str, text: str) -> None:
    """At most two seconds of processor time, where half a second is usual at the most."""
    name, targets, question = KINDS[kind]
    metric: Metric = choose_metric(name, targets, read=None)
    reply = "I think (" + TEXTS[text] * (LENGTH // len(TEXTS[text])) + "!"
    example = Example(id="1", inputs=(("text", question),), target=targets[0])
    start = process_time()
    metric.score(reply, example)
    assert process_time() - start < 2


@pytest.mark.parametrize("reply", ["I think." + "\n" * 4_000, "(A) x\n(B) y\n" * 1_600], ids=["newlines", "options"])
def test_reader_of_labels_is_quick_by_itself(reply: str) -> None:
    start = process_time()
    ChoiceReader(labels=("(A)", "(B)", "(C)")).read(reply)
    assert process_time() - start < 1


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("one  two\n\nthree", "one  two\n\nthree"),
        ("one     two \t three", "one  two  three"),
        ("one\n\n\n \n\ntwo", "one\n\ntwo"),
        ("a" * 20_000, "a" * 20_000),
        ("b " * 5_000 + "c " * 50_000, "b " * 998 + "b\n" + "c " * 8_999),
    ],
    ids=["short", "spaces", "lines", "as-long-as-may-be", "long"],
)
def test_excerpt(reply: str, read: str) -> None:
    """What of a reply is read: its beginning and its end, without long runs of white space."""
    assert excerpt(reply) == read


@pytest.mark.parametrize("kind", KINDS)
def test_answer_at_the_end_of_a_long_reply_is_read(kind: str) -> None:
    name, targets, question = KINDS[kind]
    example = Example(id="1", inputs=(("text", question),), target=targets[0])
    reply = "Let me think about it once more.\n" * 2_000 + f"The answer is: {targets[0]}"
    assert choose_metric(name, targets, read=None).score(reply, example).value == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "list"])  # all its lines are items
def test_answer_at_the_start_of_a_long_reply_is_read(kind: str) -> None:
    name, targets, question = KINDS[kind]
    example = Example(id="1", inputs=(("text", question),), target=targets[0])
    reply = f"The answer is: {targets[0]}\n" + "That is all there is to say of it.\n" * 2_000
    assert choose_metric(name, targets, read=None).score(reply, example).value == 1


def test_long_list_is_read_whole() -> None:
    target = ", ".join(f"item {number}" for number in range(5_000))
    example = Example(id="1", inputs=(("text", "List them."),), target=target)
    assert choose_metric("list", [target], read=None).score(target, example).value == 1
