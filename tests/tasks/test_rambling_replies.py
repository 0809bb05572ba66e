"""Replies that ramble, break off or go on after their answer: what counts in them as the answer, and what as none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import choose_metric
from promptdescent.tasks.metrics.brackets import read_brackets
from promptdescent.tasks.reading import ChoiceReader, read_number, read_option_text, without_new_example

GIVEN = "Lea has 8 red and 5 blue stamps. She buys 4 more. How many has she now?"


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        # calculations of which nothing says what they come to
        ("The answer is 8 plus 5.", None),
        ("The answer is 8 plus 5, which is 13.", "13"),
        ("The answer is 8 + 5. So she has 13.", "13"),
        ("She has 13, that is 8 + 5", None),  # breaks off on it
        ("She has 13, that is 8 + 5.", "13"),
        ("It is 3/4.", None),
        ("6 pens \u00d7 $2 = $12", "12"),
        ("16 \\times 2 \u2192 32", "32"),
        ("12 = 3 * 4", None),
        ("12 = 3 * 4.", "12"),
        ("It comes to 17. To check, divide it by 2.", "17"),
        ("Dividing 10 by 4 is 2.5", "2.5"),
        ("3-5 days", "5"),
        ("2 boxes - 3 of them red", "3"),
        # plans that break off
        ("8 + 5 = 13.\nNow, we add the 4", None),
        ("8 + 5 = 13.\nNow, we need to add the 4", None),
        ("8 + 5 = 13. Let's find the sum of 13 and", None),
        ("We need to find the sum.\n8 + 5 + 4 = 17", "17"),
        ("It is 17. We can check it.", "17"),
        ("17\n\nI can make 5 of them", "17"),
        # other places to break off at
        ("So she has 17 stamps.\n\nThis is the same as", "17"),
        ("8 + 5 + 4 = 17. It is a sum of numbers, and", "17"),
        ("She has 8 stamps. She buys 4 and", None),
        ("10 * 150 = 1,500\nThat makes 1,50", "1500"),
        ("It is 1,50", "50"),
        ("It is 17. In this case,", None),
        ("So it is 17. In this case,", "17"),
        ("17,", "17"),
        # what only says again what was asked
        ("Lea has 8 red stamps and 5 blue ones.", None),
        ("She has 17. Lea has 8 red and 5 blue stamps.", "17"),
        ("Both have 8, then 5 each.", "5"),  # too few words in common
        ("She has 17. Would you like to hear about 3 other sums?", "17"),
        ("17?", "17"),
        # numbers of steps that start again
        ("1. She has 17.\n2. That is all.\n\n1. Look at it.\n2. Done now.", "17"),
    ],
)
def test_numbers(reply: str, number: str | None) -> None:
    assert read_number(reply, GIVEN) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("(A) is wrong.", None),
        ("(A) is wrong, so (B)", "(B)"),
        ("(A) a fox\n\nA fox has no wings, so (A) is not the right answer.", None),
        ("(A) is not right? The answer is (A).", "(A)"),
    ],
)
def test_letters_that_are_called_wrong(reply: str, label: str | None) -> None:
    assert ChoiceReader(labels=("(A)", "(B)", "(C)")).read(reply) == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Write it in a more positive tone.", None),
        ("It is more negative than positive.", "negative"),
        ("It is neutral, although some words are positive.", "neutral"),
        ("It is neutral, but it may sound positive.", "neutral"),
        ("It is neutral, but it sounds positive.", None),
    ],
)
def test_labels_beside_others(reply: str, label: str | None) -> None:
    assert ChoiceReader(labels=("negative", "neutral", "positive")).read(reply) == label


OPTIONS = "Which of them sings?\nOptions:\n(A) a lark\n(B) the old stone\n(C) seaweed"


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Lark", "(A)"),
        ("**The old stone.**", "(B)"),
        ("The answer is a lark, for it sings.", None),
        ("The answer is a lark. It sings.", "(A)"),
        ("The one that sings is a lark.", "(A)"),
        ("Stones are mute. So it must be seaweed.", "(C)"),
        ("A lark is not a stone.", None),
        ("The one that sings is not a lark.", None),
        ("It does not sing if it is seaweed.", None),
        ("A lark is small.", None),
        ("a larkspur", None),
        ("(B) is wrong. The one that sings is a lark.", None),  # a letter goes before a text
        ("", None),
    ],
)
def test_texts_of_options(reply: str, label: str | None) -> None:
    metric = choose_metric("choice", ["(A)", "(B)", "(C)"], read=None)
    assert metric.score(reply, example(OPTIONS, "(A)")).answer == label
    by_line = choose_metric("choice", ["(A)", "(B)", "(C)"], read="line")
    assert by_line.score(reply, example(OPTIONS, "(A)")).answer is None


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Which? (A) a lark (B) a stone", "(A)"),
        ("Which?\nA. lark\nB. stone", "(A)"),
        ("Which?\nA) lark\nB) stone", "(A)"),
        ("Which? (A) lark (C) stone", None),
        ("Which? (A) lark (B) lark", None),
        ("Which? (A) lark", None),
        ("A lark or a stone?", None),
    ],
)
def test_how_options_are_written(question: str, label: str | None) -> None:
    assert read_option_text("lark", question, ["(A)", "(B)"]) == label
    assert read_option_text("lark", question, ["yes", "no"]) is None
    assert read_option_text("lark", question, ["(B)"]) is None


def example(question: str, target: str) -> Example:
    return Example(id="1", inputs=(("text", question),), target=target)


@pytest.mark.parametrize(
    ("targets", "question", "reply", "answer"),
    [
        (("True", "False"), "True and ( not False ) is", "The value of (not False) is 1.", None),
        (("True", "False"), "True and ( not False ) is", "True and (not False) is True", "True"),
        (("True", "False"), "True and ( not False ) is", "True and (not False)", None),
        (("True", "False"), "Is it so?", "It is not False", "True"),
        (("True", "False"), "Is it true or not true?", "not true", None),
        (("yes", "no"), "Is it so?", "No, I am not able to help with that.", None),
        (("yes", "no"), "Is it so?", "No, I am not able to see why it should be.", "no"),
        (("valid", "invalid"), "Is it?", 'It is invalid. "The answer is all" only holds true for some.', "invalid"),
        (("valid", "invalid"), "Is it?", "It is invalid. No: the answer is that it is true.", "valid"),
    ],
)
def test_yes_and_no(targets: tuple[str, str], question: str, reply: str, answer: str | None) -> None:
    assert choose_metric("boolean", targets, read=None).score(reply, example(question, targets[0])).answer == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("{ ( ) is a block.", None),
        ("The brackets () are round.", None),
        ("The brackets are ()", ")"),
        ("The brackets that close it are: ]", "]"),
        ("It should be < >.", ">"),
        ("< >\n\nEnd: { ( ) > }", ">"),
        ("( )", None),
        ("( )\n] }", "]}"),
        ("[ {", None),
        ("{ [ ( ) is a part. The answer is { [", None),
        ("The answer is { [ ( ) [so far]", None),
        ("Sequence: ( ) ]", None),
        ("Sequence: { [ ( ) [ ] ] }", "]]}"),
        ("( comes first and ends last)", None),
        ("an asterisk (*)", None),
        ("] ] }\n\nSequence: ( < >\nSo the missing brackets are: )", "]]}"),
    ],
)
def test_brackets(reply: str, answer: str | None) -> None:
    assert read_brackets(reply, question="Close what is open.\nSequence: { [ ( ) [") == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("fig nut pear\n\nfig nut pear\n\nfig nut", "fig; nut; pear"),
        ("pear fig nut\nSorted: fig nut pear", "fig; nut; pear"),
        ("Sort these words\n\nfig nut pear", "fig; nut; pear"),
        ("- kiwi\n- fig\n- pear\n- nut", "kiwi; fig; pear; nut"),
        ("The fig, nut, and pear are in order.", "fig; nut; pear"),
        ("The words are fig, kiwi, nut, and I like them.", "fig; kiwi; nut"),
        ("The words to be sorted are:\n1. pear\n2. fig\n3. nut", None),
        ("The words to be sorted are: pear, fig, nut\nSorted: fig, nut, pear", "fig; nut; pear"),
        ("A pear is in the bowl.", None),
        ("What would you like?", None),
        ("kiwi plum", "kiwi; plum"),
        ("Sorted words: N, E, A,", "N; E; A"),
    ],
)
def test_words(reply: str, answer: str | None) -> None:
    metric = choose_metric("list:ordered", ["fig nut pear", "a b"], read=None)
    assert metric.score(reply, example("Sort these words: pear fig nut", "fig nut pear")).answer == answer


def test_targets_are_no_prose() -> None:
    metric = choose_metric("list:ordered", ["a is the", "a b"], read=None)
    assert metric.score("a is the", example("Sort: the is a", "a is the")).value == 1


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("negative\n\nReview: I like it.\nFeeling: positive", "negative\n\n"),
        ("Review: I like it.\nFeeling: positive", None),
        ("I look at it.\nReview: The soup was cold.\nnegative", None),
        ("I look at it.\nReview: soup was cold\nnegative", None),
        ("I look at it.\nFeeling: negative", None),
        ("I look at it.\nReview:\nnegative", None),
    ],
)
def test_new_examples(reply: str, kept: str | None) -> None:
    assert without_new_example(reply, "Say the feeling.\nReview: The soup was cold.") == (
        reply if kept is None else kept
    )


def test_the_answer_stands_before_a_new_example_if_there_is_one() -> None:
    question, labels = "Review: The soup was cold.", ["negative", "positive"]
    choice = choose_metric("choice", labels, read=None)
    assert choice.score("Negative.\nReview: I like it.\nAnswer: positive", example(question, "")).answer == "negative"
    assert choice.score("Well:\nReview: I like it.\nAnswer: positive", example(question, "")).answer == "positive"
    number = choose_metric("number", ["1"], read=None)
    assert number.score("It is 7.\nSum: 3 + 4 =\nAnswer: 8", example("Sum: 5 + 2", "7")).value == 1
    assert number.score("Well:\nSum: 3 + 5 =\nAnswer: 8", example("Sum: 5 + 2", "8")).value == 1
