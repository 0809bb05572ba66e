"""Reading a reply: the cases that are known to break parsers, one test each."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptdescent.tasks.reading import ChoiceReader, parse_number, read_number

LETTERS = ("(A)", "(B)", "(C)", "(D)")
FEELINGS = ("negative", "neutral", "positive", "very positive")


def read(labels: tuple[str, ...], reply: str, rule: str = "default") -> str | None:
    return ChoiceReader(labels=labels, rule=rule).read(reply)  # type: ignore[arg-type]


# Option letters


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("(B)", "(B)"),
        ("(b)", "(B)"),
        ("B", "(B)"),
        ("b", "(B)"),
        ("B.", "(B)"),
        ("B)", "(B)"),
        ("**B**", "(B)"),
        ('"B"', "(B)"),
        ("**(B)** because it rains.", "(B)"),
        ("B) Ovid", "(B)"),
        ("B. Ovid", "(B)"),
        ("b) Ovid", "(B)"),
        ("**B.** Ovid", "(B)"),
        ("B\n\nIt is a matter of order.", "(B)"),
        ("Let us see.\nB", "(B)"),
        ("I would pick option C here.", "(C)"),
        ("So it is \\boxed{D}.", "(D)"),
        ("Between (A) and (B), I choose (B).", "(B)"),
        ("The answer is A", "(A)"),
        ("The answer is A.", "(A)"),
        ("The answer is A because a cat is small.", "(A)"),
        ("The correct answer is: B", "(B)"),
        ("Answer: B", "(B)"),
        ("**Answer:** B", "(B)"),
        ("**Answer**: B, as said", "(B)"),
        ("answer is (c).", "(C)"),
        ("Answer:\n\n(D) 01/04/1938", "(D)"),
        ("The answer is option D", "(D)"),
        ("The answer is the letter D", "(D)"),
        ("I choose C over the rest", "(C)"),
        ("#### B", "(B)"),
        ("(A) is wrong and (B) is wrong. The answer is (C).", "(C)"),
        ("The answer is (A). No: the answer is (D).", "(D)"),
        ("The answer is (A).\nNo: the answer is (D).", "(D)"),
        ("The answer is (A). Answer:", "(A)"),
        ("(B) is right.\n(A) is wrong.", "(B)"),  # no cue: the only one in the first line
        ("(A) is wrong.\n(B) is right.", None),  # a list of the options
        ("(A) or (B)\n(B)", None),
        ("(A) or (B)?\n\n(B)", "(B)"),
        ("A dog is a friend of a man.", None),
        ("This is a test, and I am a person.", None),
        ("The answer is a matter of taste.", None),
        ("Answer: A cat", None),
        ("I choose to say nothing.", None),
        ("E", None),
        ("", None),
        ("...", None),
    ],
)
def test_option_letters(reply: str, label: str | None) -> None:
    assert read(LETTERS, reply) == label
    bare = tuple(name.strip("()") for name in LETTERS)
    assert read(bare, reply) == (label and label.strip("()"))


def test_option_letters_beside_a_label_of_words() -> None:
    labels = ("(A)", "(B)", "Monsters, Inc")
    assert read(labels, "The answer is monsters, inc.") == "Monsters, Inc"
    assert read(labels, "The answer is B") == "(B)"


# Words


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Positive", "positive"),
        ("POSITIVE.", "positive"),
        ("_positive_", "positive"),
        ("The review is positive.", "positive"),
        ("It is very positive.", "very positive"),
        ("very\npositive", "very positive"),
        ("Answer: very positive", "very positive"),
        ("Not negative, not neutral. The answer is positive", "positive"),
        ("The answer is not negative but positive.", "positive"),
        ("Answer: positive\n\nOnly the end is negative.", "positive"),
        ("Answer:\npositive", "positive"),
        ("positive\nIt is not negative at all.", "positive"),
        ("positive or negative?\nHard to say.", None),
        ("positive or negative?\nIt is positive.", "positive"),
        ("Sentiment (positive, negative, neutral): Negative.", "negative"),
        ("It is neutral. It shows neither positive nor negative feelings.", "neutral"),
        ("It is neutral. Some may find it negative.", "neutral"),
        ("It is neutral, as positive words are missing.", "neutral"),
        ("It is positive, but it is also neutral.", None),
        ("The answer is positive or neutral.", None),
        ("Positive: the light.\nNegative: the food.", None),
        ("1. Positive\n2. Negative\n\nNegative.", "negative"),
        ("Positive: the light.\n\nNegative: the food.", "positive"),  # apart: an answer and what speaks against it
        ("Positive.\nNegative: the food.", "positive"),
        ("It is nonpositive, un-negative and neutrally put.", None),
        ("super_positive", None),
        ("I cannot tell.", None),
    ],
)
def test_words(reply: str, label: str | None) -> None:
    assert read(FEELINGS, reply) == label


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (("valid", "invalid"), "The argument is invalid.", "invalid"),
        (("valid", "invalid"), "The argument is deductively valid.", "valid"),
        (("valid",), "The argument is invalid.", None),
        (("valid",), "in-valid", None),
        (("Yes", "No"), "Yes, it does.", "Yes"),
        (("Yes", "No"), "Answer: No", "No"),
        (("Yes", "No"), "ANSWER IS NO", "No"),
        (("Yes", "No"), "Nobody knows.", None),
        (("Yes", "No"), "There is no doubt. Yes.", "Yes"),
        (("Yes", "No"), "No fish can read.", None),
        (("Yes", "No"), "No it is not", "No"),
        (("Yes", "No"), "No\nfish can read, yes", "No"),
        (("Yes", "No"), "Yes.\nThere is no doubt.", "Yes"),
        (("yes", "yes, partly"), "Well, yes, partly.", "yes, partly"),
        (("yes", "yes, partly"), "Well, yes.", "yes"),
        (("can", "cannot"), "It can't be said", None),
        (("True", "False"), "not ( True ) is False, so the answer is False", "False"),
        (("1", "2"), "I give it 1.5 stars", None),
        (("1", "2"), "I give it a 2.", "2"),
        (("1", "-1"), "-1", "-1"),
        (("1", "-1"), "It is -1.", "-1"),
        (("1", "2"), "-1 or so, or 12", None),
        (("C", "C++", "Java"), "C++", "C++"),
        (("C", "C++", "Java"), "It is written in C++.", "C++"),
        (("straße", "weg"), "STRASSE", "straße"),
        (("Yes", "yes", "no"), "yes", "Yes"),
    ],
)
def test_word_boundaries_and_labels_in_labels(labels: tuple[str, ...], reply: str, label: str | None) -> None:
    assert read(labels, reply) == label


def test_order_of_the_rules() -> None:
    assert read(("Yes", "No"), "No\nThe answer is Yes") == "Yes"  # a cue goes before the first line
    assert read(("Yes", "No"), "I see.\nYes, yes, yes") == "Yes"  # the only one named, wherever


@pytest.mark.parametrize(
    ("rule", "reply", "label"),
    [
        ("first", "no, yes. The answer is yes", "No"),
        ("first", "maybe", None),
        ("last", "The answer is yes, not no", "No"),
        ("line", " yes. ", "Yes"),
        ("line", "yes, it does", None),
        ("default", "yes, no. The answer is yes", "Yes"),
    ],
)
def test_other_rules(rule: str, reply: str, label: str | None) -> None:
    assert read(("Yes", "No"), reply, rule) == label


# Numbers


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("7", "7"),
        ("= 7", "7"),
        ("$18.00.", "18"),
        ("(-7)", "-7"),
        ("_-1_", "-1"),
        ("\u22127", "-7"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("US$5", "5"),
        ("17.5", "17.5"),
        ("17.50 dollars", "17.5"),
        (".5", "0.5"),
        ("1,234,567.89", "1234567.89"),
        ("1,2345", "2345"),
        ("12%", "12"),
        ("5kg", "5"),
        ("3-5 days", "5"),
        ("x=-3", "-3"),
        ("1e3", "1000"),
        ("eight", "8"),
        ("Twelve apples", "12"),
        ("Zero.", "0"),
        ("I have 3 pens and 2 pencils, so five.", "5"),
        ("There are 9 left, one for each.", "9"),
        ("Just one", "1"),
        ("twenty-one", None),
        ("two hundred", None),
        ("someone phones", None),
        ("CO2", None),
        ("16 - 3 - 4 = 9", "9"),
        ("The answer is 18. She sold 4 of 16.", "18"),
        ("Answer: $1,080 (in 3 months)", "1080"),
        ("The answer is 16 - 7 = 9 eggs.", "9"),
        ("The answer is (16 - 7) \u00d7 2 = 18.", "18"),
        ("The answer is 12, since 3 * 4 = 12.", "12"),
        ("The answer is twelve, since 3 * 4 = 12.", "12"),
        ("First 3, then 4.\n#### 42", "42"),
        ("#### Step 3\nSo we get 42", "42"),
        ("#### Answer: 42 of 50", "42"),
        ("The answer is 5. I mean, the answer is 6, of 7.", "6"),
        ("The answer is 5.\nNo: the answer is 6.\nOf 7.", "6"),
        ("**Answer:**\n\n**18**", "18"),
        ("The answer is clear. 5 + 5 = 10", "10"),
        ("The sum is 9. Now look at these two numbers again.", "9"),
        ("1. Take 3 of 8.\n2. That leaves 5.\n3. Look at it again.", "5"),
        ("Step 1: 3 + 4 is 7\nStep 2: done", "7"),
        ("The result:\n42.", "42"),
        ("7. That is all.", "7"),
        ("12 x 4 =", None),
        ("It costs 2 and then 100 - 7 * ", None),
        ("The price is 5 + 2 = $", None),
        ("*12*", "12"),
        ("It is 12\n-", "12"),
        ("none", None),
        ("", None),
    ],
)
def test_numbers(reply: str, number: str | None) -> None:
    assert read_number(reply) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("42", "42"),
        (" -3.50 ", "-3.5"),
        ("1,000", "1000"),
        ("$18", "18"),
        ("50%", "50"),
        ("18.", "18"),
        ("2 + 2 = <<2+2=4>>4\n#### 4", "4"),
        ("#### 1,000", "1000"),
        ("three", None),
        ("(7)", None),
        ("3 or 4", None),
        ("5 km", None),
        ("#### none", None),
        ("", None),
    ],
)
def test_what_is_a_number(target: str, number: str | None) -> None:
    assert parse_number(target) == (None if number is None else Decimal(number))
