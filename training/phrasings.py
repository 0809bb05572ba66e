"""More instructions for jobs with labels: openings, the job's own questions, and endings that weak models follow."""

from __future__ import annotations

import random
from collections.abc import Sequence

SORTING = (
    "Classify {noun} as {either}.",
    "Classify {noun} into one of {count} categories: {all}.",
    "Categorize {noun} as {either}.",
    "Identify {noun} as {either}.",
    "Read {noun} and decide: {either}.",
    "Decide whether {noun} is {either}.",
    "Determine whether {noun} is {either}.",
    "Say whether {noun} is {either}.",
    "Judge whether {noun} is {either}.",
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

CLOSE = (
    "Is {noun} {either}?",
    "Say whether {noun} is {either}.",
    "Determine whether {noun} is {either}.",
    "Decide whether {noun} is {either}.",
    "Categorize {noun} as {either}.",
    "Classify {noun} as {either}.",
    "What is the label of {noun}, {either}?",
)

CLOSE_ENDINGS = ("Answer with one word.", "Give only the {word}.", "Reply with the {word} only.")

PLAIN = (
    "Classify {noun} as {either}.",
    "Please classify {noun} as {either}.",
    "Classify {noun} as being {either}.",
    "Say whether {noun} is {either}.",
    "Identify {noun} as {either}.",
    "Describe {noun} as {either}.",
    "Which word describes {noun}: {either}?",
)

PLAIN_NOUNS = ("this text", "the text", "the text above")
"""What an input can be called whatever it is."""

ENDINGS = (
    "Answer with one word.",
    "One word only.",
    "Give only the {word}.",
    "Only the {word}.",
    "Reply with the {word} only.",
    "Reply with the {word} and nothing else.",
)

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}

EDITS = 8
"""Questions of the job's own with an ending: what a small edit adds, and how much."""

OPENED = 8
CLOSE_PER_JOB = 24
PLAIN_PER_JOB = 20

LONGEST = 12
"""Words of a question that gets an ending."""


def phrasings(name: str, labels: Sequence[str], noun: str, written: Sequence[str], *, sorting: bool) -> tuple[str, ...]:
    """Instructions for sorting inputs, each of which is called ``noun``, into ``labels``, or for answering them; some
    are questions out of ``written`` with an ending. The job's name decides which.
    """
    chance = random.Random(f"phrasings of {name}")
    word = "label" if sorting else "answer"
    endings = [ending.format(word=word) for ending in ENDINGS]
    questions = [text for text in written if text.endswith("?") and len(text.split()) <= LONGEST]
    if sorting:
        questions += [f"Is this {noun} {_either(labels)}?", f"Is this {noun} {_either(labels[::-1])}?"]
    edits = [f"{question} {ending}" for question in questions for ending in endings]
    found = dict.fromkeys(chance.sample(edits, min(EDITS, len(edits))))
    most = len(found) + OPENED
    while len(found) < most:
        order = chance.sample(labels, len(labels))
        opening = chance.choice(SORTING if sorting else ANSWERING).format(
            noun=f"{chance.choice(('this', 'the'))} {noun}",
            either=_either(order),
            all=", ".join(order),
            count=COUNTS[len(labels)],
        )
        found[f"{opening} {chance.choice(('', *endings))}".strip()] = None
    return tuple(found)


def close_phrasings(name: str, labels: Sequence[str], noun: str) -> tuple[str, ...]:
    """Instructions for sorting that differ in little, of which some do and some do not: what a small model does depends
    on every word. The job's name decides which.
    """
    chance = random.Random(f"close phrasings of {name}")
    made = _combined(CLOSE, (f"this {noun}", f"the {noun}"), labels, CLOSE_ENDINGS)
    return tuple(chance.sample(made, CLOSE_PER_JOB))


def plain_phrasings(name: str, labels: Sequence[str]) -> tuple[str, ...]:
    """The same where an input is called a text, whatever it is: a small model often does better with that than with a
    name that says more. The job's name decides which.
    """
    chance = random.Random(f"plain phrasings of {name}")
    made = _combined(PLAIN, PLAIN_NOUNS, labels, ("", *CLOSE_ENDINGS))
    return tuple(chance.sample(made, PLAIN_PER_JOB))


def _combined(
    openings: Sequence[str], nouns: Sequence[str], labels: Sequence[str], endings: Sequence[str]
) -> list[str]:
    """Every opening with every noun, order of the labels and ending."""
    return [
        f"{opening.format(noun=noun, either=_either(order))} {ending.format(word='label')}".strip()
        for opening in openings
        for noun in nouns
        for order in (labels, labels[::-1])
        for ending in endings
    ]


def _either(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:-1])} or {labels[-1]}"
