"""What commits a reply to an answer: announcements that agree, statements on the question, and results."""

from __future__ import annotations

from decimal import Decimal
from time import process_time

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import choose_metric
from promptdescent.tasks.metrics.brackets import read_brackets
from promptdescent.tasks.reading import ChoiceReader, read_number, read_option_text

LETTERS = ("(A)", "(B)", "(C)")
FEELINGS = ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        # two announced answers
        (LETTERS, "The answer is (A).\n\nThe answer is (B).", None),
        (LETTERS, "The answer is (A).\n\nThe answer is (A).", "(A)"),
        (LETTERS, "The answer is (A). The answer is (B).", None),
        (LETTERS, "The answer is (A). Wait, the answer is (B).", "(B)"),
        (LETTERS, "The answer is (A). So the final answer is (B).", "(B)"),
        (
            LETTERS,
            "The answer is (A), as a rule that has many exceptions in old books of every kind. Answer: (B)",
            "(B)",
        ),
        (LETTERS, "(C) it is. The answer is (B).", "(B)"),
        (FEELINGS, "The text is neutral, as it is plain. The tone is positive, as it is warm.", None),
        (FEELINGS, "The text is neutral. The tone is neutral, with a positive end.", "neutral"),
        # labels that are denied
        (FEELINGS, "This review is not positive.", None),
        (FEELINGS, "It isn't positive. It is negative.", "negative"),
        (FEELINGS, "It is negative rather than positive.", "negative"),
        (FEELINGS, "It is not only positive.", "positive"),
        (LETTERS, "The answer is not (A).", None),
        (LETTERS, "The answer is (B), not (A).", "(B)"),
        (LETTERS, "The answer is (B) because (A) has no wings.", "(B)"),
        (LETTERS, "(A) an old shoe isn't the right one.", None),
        (LETTERS, "(A) is a bird. (B) is no bird.", "(A)"),
        (LETTERS, "I pick (A) because (B) is wrong.", "(A)"),
        (LETTERS, "So (A) while (B) is wrong.", "(A)"),
        (LETTERS, "(A) beats (B) is wrong.", "(A)"),
        (FEELINGS, "Positive, as negative is not the right label.", "positive"),
        # labels that are called the right one
        (LETTERS, "(A) has wings, (B) has none. (B) is the best choice.", "(B)"),
        (LETTERS, "(A) has wings. C is the correct answer, for (B) has none.", "(C)"),
        (LETTERS, "After (A) and some thought about (C): **B**", None),
        (FEELINGS, "Positive or not? Negative would be the most fitting label, neutral the second one.", "negative"),
        # other forms
        (FEELINGS, "It is a negative-leaning text.", "negative"),
        (FEELINGS, "It is positive-minded.", None),
        (FEELINGS, '{"positive words": 0, "answer": "negative"}', "negative"),
        (FEELINGS, "The answer to the question of the tone is negative, and in no way positive.", "positive"),
    ],
)
def test_labels(labels: tuple[str, ...], reply: str, label: str | None) -> None:
    assert ChoiceReader(labels=labels).read(reply) == label


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The answer is yes. The answer is no.", None),
        ("The answer is yes. No, wait: the answer is no.", "no"),
        ("The answer is no. The answer is no.", "no"),
        ("Cats have four legs.", "yes"),
        ("A cat has four legs.", "yes"),
        ("Most cats have four legs, but some have three.", "yes"),
        ("Cats do not have four legs.", "no"),
        ("Cats have four legs. Cats don't have four legs.", None),
        ("Four legs have cats.", None),  # another order
        ("If cats have four legs, they run well.", None),
        ("Cats have four brown and very long and thin legs.", None),
        ("Cats have legs.", None),
        ("Cats are non-biting and have four legs.", "no"),
        ("", None),
    ],
)
def test_yes_and_no_in_the_words_of_the_question(reply: str, answer: str | None) -> None:
    metric = choose_metric("boolean", ["yes", "no"], read=None)
    for question in ("Do cats have four legs?", "Think about it.\nDo cats have four legs?"):
        assert metric.score(reply, row(question, "yes")).answer == answer
    assert metric.score("Cats have four legs.", row("Don't cats have four legs?", "yes")).answer is None
    assert metric.score("Cats have four legs.", row("How many legs do cats have?", "yes")).answer is None
    other = choose_metric("boolean", ["yes", "no"], read="last")
    assert other.score("Cats have four legs.", row("Do cats have four legs?", "yes")).answer is None


OPTIONS = "Which organ pumps blood through the body?\nOptions:\n(A) the lung\n(B) the heart\n(C) a rib"


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The heart pumps blood through the body.", "(B)"),
        ("The lungs are the organs that pump blood through the whole body.", "(A)"),
        ("The heart is not the organ that pumps blood through the body.", None),
        ("The heart may be the organ that pumps blood through the body.", None),
        ("The heart pumps blood through the body, and the lung is an organ that does, too.", None),
        ("Is the heart the organ that pumps blood through the body?", None),
        ("The heart is red.", None),
        ("An organ pumps blood through the body.", None),
        ("The organ pumps blood through the hearty body.", None),
    ],
)
def test_options_in_a_statement_on_the_question(reply: str, letter: str | None) -> None:
    assert read_option_text(reply, OPTIONS, LETTERS) == letter


GIVEN = "Tom has 6 red and 9 blue balls. He buys 20% more. How many has he then?"


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        # given numbers
        ("The numbers 6 and 9 are not far apart. That is plain.", None),
        ("He has 15 at first.\n\nThis takes care. By adding the numbers 6 and 9 one learns a lot. It is fun.", "15"),
        ("He has some balls. They are red. He has 9 balls.", "9"),
        ("He has some balls. They are red. So it is 9 and 6.", "6"),
        ("He has some balls. The red ones are 6 and the blue ones are 9, which he knows.", None),
        ("He has some balls. He cuts them into 6 equal", None),
        ("He has some balls. He cuts them, so he has = 6", "6"),
        ("9", "9"),
        ("He has 18 with the 9 blue ones.", "18"),
        ("He has 18 of them, and we take 9 to get 6.", "6"),
        ("We need to calculate 20% of 15.", None),
        ("20% of 15 is 3. So he has 18.", "18"),
        ("The difference between 6 and 9 is 3.", "3"),
        ("To find the answer, we multiply 9 by 6.", None),
        ("To find the answer, we multiply 9 by 6, which is 54.", "54"),
        ("It is 18. So we have 3 * 6 balls", None),
        # no answer
        ("The answer cannot be determined from 6 red and 11 blue balls.", None),
        ("We can't really calculate it without the price of 4 balls.", None),
        ("It cannot be determined at once. But it is 18.", "18"),
        ("It is 18. Let's break it", None),
        ("18 balls *", None),
        ("9 * 2 = 18.\n\nNow", None),
        ("9 * 2 = 18. He looks at", "18"),
        # cues
        ("Answer: Tom has 6 + 9 = 15. With 20% more he has 18.", "18"),
        ("Answer: 9 balls. He had 6.", "9"),
        ("Answer: He has 18 balls, of which 11 are blue.", "18"),
        ("\\boxed{18}\n\nThis is 15 and 3.", "18"),
        ("The correct answer to this question is 18. He had 15.", "18"),
        ("**Result:** 18\nHe had 15.", "18"),
    ],
)
def test_numbers(reply: str, number: str | None) -> None:
    assert read_number(reply, GIVEN) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The last open bracket is [ and before it ].", None),
        ("The last open bracket is [. It is closed by ]", "]"),
        ("( { -> > } )", ">})"),
        ("[ => ]", "]"),
        ("] }\n} ]", None),
        ("] }\n] }", "]}"),
        ("They are closed in this order:\n\n1. `]`\n2. `}`", "]}"),
        ("]\n}\n\nThese are two of them.", "]}"),
        ("Step 1: the closing bracket is ]. So, the final answer is", None),
        ("The answer is ]. So, the final answer is", "]"),
    ],
)
def test_brackets(reply: str, answer: str | None) -> None:
    assert read_brackets(reply, question="Close it.\nSequence: { [") == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The answer is fig, which comes first of all.", "fig"),
        ("The answer to this question is: fig pear\n\nThe answer to the next one is: hat", "fig; pear"),
        ("The answer is fig, kiwi, and pear.", "fig; kiwi; pear"),
        ("The answer is fig, nut or pear.", None),
        ("fig kiwi pear nut\n\nThis is all there is to say about it.", "fig; kiwi; pear; nut"),
        ("Fruits are sold here\n\nThis is all there is to say about it.", None),
        ("Fig, nut, and pear are in alphabetical order.", "Fig; nut; pear"),
        ("Fig, nut, and pear are words.", None),
        ("The given words are: pear, fig, nut\nSorted: fig, nut, pear", "fig; nut; pear"),
        ("The original list: pear, fig, nut", None),
        ("Sorted:", None),
        ("The answer is a b d.", "a; b; d"),
        ("Fig:\nNut:", None),
    ],
)
def test_words(reply: str, answer: str | None) -> None:
    metric = choose_metric("list:ordered", ["fig nut pear", "a b"], read=None)
    assert metric.score(reply, row("Sort these words: pear fig nut", "fig nut pear")).answer == answer


def test_an_or_that_is_a_word_of_the_question_is_an_item() -> None:
    metric = choose_metric("list:ordered", ["in or to", "a b"], read=None)
    assert metric.score("The answer is in or to.", row("Sort: to or in", "in or to")).value == 1


@pytest.mark.parametrize(
    "text", ["(A) is ", "not ", "the last ", "1 + ", "answer is ", "and, ", "[ ", "It is (A). ", "3 "]
)
def test_long_replies_are_read_in_time(text: str) -> None:
    """At most ten seconds of processor time, where less than one is usual."""
    reply = (text * 20_000)[:30_000]
    start = process_time()
    for name, targets in {
        "choice": ["(A)", "(B)"],
        "boolean": ["yes", "no"],
        "number": ["1"],
        "brackets": ["]"],
    }.items():
        metric = choose_metric(name, targets, read=None)
        metric.score(reply, row("Which of these is it?\n(A) a fox\n(B) a hen", targets[0]))
    metric = choose_metric("list:ordered", ["a b"], read=None)
    metric.score(reply, row("Sort: b a", "a b"))
    assert process_time() - start < 10


def row(question: str, target: str) -> Example:
    return Example(id="1", inputs=(("text", question),), target=target)
