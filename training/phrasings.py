"""More instructions for jobs that sort: openings and endings that weak models were found to follow, put together."""

from __future__ import annotations

import random
from collections.abc import Sequence

OPENINGS = (
    "Classify {noun} as {labels}.",
    "Classify {noun}: {labels}?",
    "Classify {noun} into one of {count} categories: {labels}.",
    "Categorize {noun} as {labels}.",
    "Determine whether {noun} is {labels}.",
    "Decide whether {noun} is {labels}.",
    "Say whether {noun} is {labels}.",
    "Judge whether {noun} is {labels}.",
    "Is {noun} {labels}?",
    "Is {noun} best described as {labels}?",
    "Is {noun} about {labels}?",
    "Would you call {noun} {labels}?",
    "Would you say {noun} is {labels}?",
    "Does {noun} fit {labels}?",
    "Which label fits {noun}, {labels}?",
    "What is the label of {noun}, {labels}?",
    "Which word fits {noun} better, {labels}?",
    "Tag {noun} as {labels}.",
)

ENDINGS = (
    "",
    "",
    "Reply with the label only.",
    "Give only the label.",
    "Only the label.",
    "Answer with one word.",
    "One word only.",
    "Write nothing else.",
)

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}

PER_JOB = 8


def phrasings(name: str, labels: Sequence[str], inputs: Sequence[str]) -> tuple[str, ...]:
    """Instructions for sorting ``inputs`` into ``labels``; the job's name decides which."""
    chance = random.Random(f"phrasings of {name}")
    found: dict[str, None] = {}
    while len(found) < PER_JOB:
        order = chance.sample(labels, len(labels))
        opening = chance.choice(OPENINGS).format(
            noun=chance.choice(_nouns(inputs)),
            labels=f"{', '.join(order[:-1])} or {order[-1]}",
            count=COUNTS[len(labels)],
        )
        found[f"{opening} {chance.choice(ENDINGS)}".strip()] = None
    return tuple(found)


def _nouns(inputs: Sequence[str]) -> tuple[str, ...]:
    """What the inputs can be called, by their length."""
    longest = max(len(text.split()) for text in inputs)
    if longest == 1:
        return ("the text", "this text", "the word", "this word", "the text above")
    if longest <= 4:
        return ("the text", "this text", "the phrase", "this phrase", "the text above")
    return ("the text", "this text", "the sentence", "this sentence", "the message", "the text above")
