"""Replies in the manner of models that were shown worked examples, and answers that are said by what is left."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import choose_metric
from promptdescent.tasks.metrics.brackets import read_brackets
from promptdescent.tasks.reading import ChoiceReader, read_number, without_heading, without_new_example

OPTIONS = "Which of these is a metal?\nOptions:\n(A) oak wood\n(B) tin\n(C) glass"
TASKS = {
    "letter": ("choice", ["(B)", "(A)", "(C)"], OPTIONS),
    "yes": ("boolean", ["yes", "no"], "Is tin a metal?"),
    "number": ("number", ["7"], "What is 5 + 2?"),
    "label": ("choice", ["bad", "fair", "good"], "The soup was cold."),
    "words": ("list:ordered", ["fig nut pear", "a b"], "Sort these words: pear fig nut"),
    "brackets": ("brackets", ["] }"], "Input: { ["),
}


def read(task: str, reply: str) -> str | None:
    name, targets, question = TASKS[task]
    metric = choose_metric(name, targets, read=None)
    return metric.score(reply, Example(id="1", inputs=(("text", question),), target=targets[0])).answer


@pytest.mark.parametrize(
    ("task", "reply", "answer"),
    [
        ("letter", "The answer is (B).\n\nQ: Which one flies?\n(A) a hen\n(C) a pen\nThe answer is (A).", "(B)"),
        ("letter", "It is (B).\nQuestion: Which one flies?\nThe answer is (A).", "(B)"),
        ("yes", "So the answer is yes.\n\nQ: Is a hen a plant?\nA: So the answer is no.", "yes"),
        ("number", "#### 7\n\nQuestion: Bo has 8 pens. How many is that?\nAnswer: 8\n#### 8", "7"),
        ("label", "bad\n\nQ: I like it.\nAnswer: good", "bad"),
        ("words", "fig, nut, pear\n\nQuestion: Sort these: nut fig\nAnswer: fig, nut", "fig; nut; pear"),
        ("brackets", "] }\n\nQ: ( <\nThe answer is > )", "] }"),
        # no new example: the question again, a question of its own after another, nothing read before
        ("number", "Let me see.\nQuestion: What is 5 + 2?\nAnswer: 7", "7"),
        ("number", "It takes 4.\nQ: What is 5 + 2? That is it.\nA: The answer is 7", "7"),
        ("number", "Question: What is 5 + 1?\nAnswer: 6\nQuestion: What is 6 + 1?\nAnswer: 7", "7"),
        ("number", "Well.\nQ: Now what?\nA: 7", "7"),
    ],
)
def test_new_example_with_the_lead_of_a_question(task: str, reply: str, answer: str | None) -> None:
    assert read(task, reply) == answer


def test_a_repeated_question_at_the_start_ends_nothing() -> None:
    reply = "Q: Is tin a metal?\nA: yes\n"
    assert without_new_example(reply + "Q: Is a hen a plant?\nA: no", "Is tin a metal?") == reply


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("A: 12\n\nFirst, 2 + 3 = 5, and 6 boxes hold 6 *", "12"),
        ("A: 12\nBo is 9 years old, so 9 + 3 = ", "12"),
        ("**A:** 12.\n\nThis is 6 * 2, and 40 is more.", "12"),
        ("A: 12\n\nA: 12\n\nA: 1", "12"),
        ("$12\n\nThe price was 40 dollars.", "12"),
        ("12\n\nIn this one there are six pens, two hens, and", "12"),
        ("12\n\nThe first is 40. So the answer is 15.", "15"),
        ("12\n\nWait, that is 5 * 3 = 15.", "15"),
        ("A: 12\nSorry, it is 15.", "15"),
        ("1.\n\nTake all of them. There are 15.", "15"),
        ("12\n15", "15"),
        ("12\n+ 3\n= 15", "15"),
        ("A: 12 pens and 3 hens make 15.", "15"),
    ],
)
def test_number_in_the_first_line(reply: str, number: str) -> None:
    assert read_number(reply, "How many pens are there?") == Decimal(number)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("A: (B)", "(B)"),
        ("A: B", "(B)"),
        ("A: (C) glass", "(C)"),
        ("A: tin", "(B)"),
        ("A: Tin is a metal.", "(B)"),
        ("A:", None),
        ("A: oak wood", "(A)"),
        ("A: because it is hard", "(A)"),
        ("B: tin", "(B)"),
        ("A is indeed the correct option, (B) is not.", "(A)"),
        ("A is hardly the best option, so (B).", "(B)"),
        ("After (A), the correct solution is C.", "(C)"),
    ],
)
def test_letter_behind_a_heading(reply: str, label: str | None) -> None:
    assert read("letter", reply) == label


def test_heading_is_the_letter_where_the_texts_do_not_tell() -> None:
    question = "Which?\n(A) oak\n(B) oak wood"
    assert without_heading("A: oak wood", question) == "A: oak wood"
    assert without_heading("A: oak", question) == "A: oak"


TWO = ("ham", "spam")
TOPICS = ("art", "politics", "sports")


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (TWO, "The answer is not spam.", "ham"),
        (TWO, "Not ham.", "spam"),
        (TWO, "It is not **spam**", "ham"),
        (TWO, "Answer: not spam, since it is from a friend", "ham"),
        (TWO, "The answer is not spam. No, the answer is spam.", "spam"),
        (TWO, "The answer is not spam, but odd.", None),
        (TWO, "Not spam. Or is it?", None),
        (TWO, "One should not spam, as friends say.", None),
        (("art", "not art"), "The answer is not art.", "not art"),
        (("(A)", "(B)"), "The answer is not (A).", None),  # a third option may never be right
        (TOPICS, "The answer is not art.", None),
        (TOPICS, "The topic is art, but it is not politics.", "art"),
        (TOPICS, "The topic is art, but it is not a matter of politics.", "art"),
        (TOPICS, "It is art and has not been related to sports or politics.", "art"),
        (TOPICS, "This is art, not about sports.", "art"),
        (TOPICS, "It is art, but it is also sports.", None),
    ],
)
def test_label_that_is_left(labels: tuple[str, ...], reply: str, label: str | None) -> None:
    assert ChoiceReader(labels=labels).read(reply) == label


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The words in order are: fig, nut, pear, and kiwi.", "fig; nut; pear; kiwi"),
        ('The words "fig," "nut," and "pear" are all words for food.', "fig; nut; pear"),
        ('The words "fig," "nut," and "kiwi" are all words for food.', "fig; nut; kiwi"),
        ("The words are fig, nut, pear, and I like them.", "fig; nut; pear"),
        ("Fig, nut, and kiwi are words.", None),
    ],
)
def test_last_word_of_a_list(reply: str, answer: str | None) -> None:
    assert read("words", reply) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('The answer is "The answer is [The answer is]".', None),
        ("The answer is (the answer is plain) ] }", "]}"),
    ],
)
def test_brackets_about_a_cue(reply: str, answer: str | None) -> None:
    assert read_brackets(reply, question="Input: { [") == answer
