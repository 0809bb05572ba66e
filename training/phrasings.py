"""More instructions for jobs with labels: openings and endings that weak models were found to follow, put together."""

from __future__ import annotations

import random
from collections.abc import Sequence

SORTING = (
    "Classify {noun} as {either}.",
    "Classify {noun} into one of {count} categories: {all}.",
    "Categorize {noun} as {either}.",
    "Identify {noun} as {either}.",
    "Sort {noun} into {all}.",
    "Read {noun} and decide: {either}.",
    "Decide whether {noun} is {either}.",
    "Determine whether {noun} is {either}.",
    "Say whether {noun} is {either}.",
    "Judge whether {noun} is {either}.",
    "Is {noun} {either}?",
    "Would you say {noun} is {either}?",
    "Which label fits {noun}, {either}?",
    "Which word fits {noun} better, {either}?",
    "What is the label of {noun}, {either}?",
    "Which is it: {either}?",
    "Choose one word for {noun}: {either}.",
    "Choose the best option: {all}.",
    "Pick one label: {all}.",
    "Select the correct label from this list: {all}.",
)

ANSWERING = (
    "Read {noun} and answer: {either}.",
    "Read {noun} and decide: {either}.",
    "Answer with {either}.",
    "Is the answer {either}?",
    "Which answer is right, {either}?",
    "Which is it: {either}?",
    "Say whether the answer is {either}.",
    "Decide between these answers: {all}.",
    "Choose one answer: {either}.",
    "Choose the best option: {all}.",
    "Pick one answer: {all}.",
    "Select the correct answer from this list: {all}.",
)
"""Where the question stands in the row, or is asked by other instructions."""

ENDINGS = (
    "",
    "Answer with one word.",
    "One word only.",
    "Give only the {word}.",
    "Only the {word}.",
    "Reply with the {word} only.",
    "Reply with the {word} and nothing else.",
)

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}

PER_JOB = 16


def phrasings(name: str, labels: Sequence[str], inputs: Sequence[str], *, sorting: bool) -> tuple[str, ...]:
    """Instructions for sorting ``inputs`` into ``labels``, or for answering them; the job's name decides which."""
    chance = random.Random(f"phrasings of {name}")
    found: dict[str, None] = {}
    while len(found) < PER_JOB:
        order = chance.sample(labels, len(labels))
        opening = chance.choice(SORTING if sorting else ANSWERING).format(
            noun=chance.choice(_nouns(inputs)),
            either=f"{', '.join(order[:-1])} or {order[-1]}",
            all=", ".join(order),
            count=COUNTS[len(labels)],
        )
        ending = chance.choice(ENDINGS).format(word="label" if sorting else "answer")
        found[f"{opening} {ending}".strip()] = None
    return tuple(found)


def _nouns(inputs: Sequence[str]) -> tuple[str, ...]:
    """What the inputs can be called, by their length."""
    longest = max(len(text.split()) for text in inputs)
    if longest == 1:
        return ("the text", "this text", "the word", "this word", "the text above")
    if longest <= 4:
        return ("the text", "this text", "the phrase", "this phrase", "the text above")
    return ("the text", "this text", "the sentence", "this sentence", "the message", "the text above")
