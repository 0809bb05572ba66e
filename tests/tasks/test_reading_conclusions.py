"""What a reply denies, what it only supposes, what it concludes in the end, and how it checks that."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import choose_metric
from promptdescent.tasks.reading import ChoiceReader, read_number

LETTERS = ("(A)", "(B)", "(C)", "(D)")
FEELINGS = ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        # denied
        ("The argument cannot be valid.", "invalid"),
        ("The argument can't be valid", "invalid"),
        ("The argument cannot be invalid.", "valid"),
        ("The argument is neither sound nor valid.", "invalid"),
        ("The argument is neither valid nor sound.", "invalid"),
        ("It is no longer valid.", "invalid"),
        ("It is never valid.", "invalid"),
        ("The argument fails to be valid.", "invalid"),
        ("It is impossible for this to be valid.", "invalid"),
        ("It is impossible for the argument to be valid.", "invalid"),
        ("It is neither valid nor invalid.", None),
        # supposed
        (
            "For the argument to be valid, the premises must entail it. They do not. So the argument is invalid.",
            "invalid",
        ),
        ("For it to be valid, the shapes would have to be red. Therefore, it is invalid.", "invalid"),
        ("If it were valid, some shapes would be red. It is invalid.", "invalid"),
        ("To be valid, the conclusion must follow. It does not. Invalid.", "invalid"),
        ("The argument would be valid if all shapes were red. As they are not, it is invalid.", "invalid"),
        ("The argument would be valid only if all shapes were red. It is invalid.", "invalid"),
        ("An argument is valid if the conclusion follows. Here it does not. The argument is invalid.", "invalid"),
        ("If the argument is invalid, I am a fox. It is valid.", "valid"),
        ("To determine if the given argument is valid or invalid, we need to examine the conclusion", None),
        ("It is considered to be valid.", "valid"),
        # concluded
        ("The argument is valid at first sight. One shape is blue. So the argument is invalid.", "invalid"),
        ("It is invalid, one may think. All shapes are red. Thus it is clearly valid.", "valid"),
        ("The argument is valid. One may say that it is invalid.", "valid"),
    ],
)
def test_valid_or_invalid(reply: str, answer: str | None) -> None:
    example = Example(id="1", inputs=(("text", "Is the argument valid or invalid?"),), target="valid")
    assert choose_metric("boolean", ["valid", "invalid"], read=None).score(reply, example).answer == answer


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("24 - 16 = 8\nCheck: 8 + 16 = 24", 8),
        ("We get 8. Check: 15 + 1 + 8 = 24.", 8),
        ("We get 8.\n\n(Check: 8 + 1 + 15 = 24.)", 8),
        ("He has 8 rolls left. To verify: 8 + 15 + 1 = 24.", 8),
        ("He has 8 rolls left. To check this, 8 + 15 + 1 = 24.", 8),
        ("He has 8 rolls left.\n**Verification:** 8 + 15 + 1 = 24", 8),
        ("To check how many are left: 24 - 16 = 8", 8),  # nothing stands before it
        ("8 (24 minus 15 minus 1)", 8),
        ("8 (24 - 15 - 1 = 8).", 8),
        ("5 (small)\n3 (large)", 3),
    ],
)
def test_checks_and_remarks_are_no_answer(reply: str, number: int) -> None:
    assert read_number(reply, "He has 24 rolls, sells 15 and eats 1. How many are left?") == Decimal(number)


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (LETTERS, "I'd go with C.", "(C)"),
        (LETTERS, "I would say C.", "(C)"),
        (LETTERS, "It is C.", "(C)"),
        (LETTERS, "C, since bats fly.", "(C)"),
        (LETTERS, "C - a bat", "(C)"),
        (LETTERS, "<answer>C</answer>", "(C)"),
        (LETTERS, "Therefore: C", "(C)"),
        (LETTERS, "Therefore (C).", "(C)"),
        (LETTERS, "(A) Dogs cannot fly. (B) Ostriches cannot fly. (D) Whales cannot fly. So it's (C).", "(C)"),
        (LETTERS, "(A) Dogs can't fly, (B) ostriches can't, (C) bats can. Therefore (C).", "(C)"),
        (LETTERS, "It is A cat.", None),
        (LETTERS, "A - a dog\nB - a hen\nC - a bat", None),
        (LETTERS, "(A) is a dog. (B) is a hen. So far, (C) is left.", "(A)"),
        (FEELINGS, "While there is a positive part about the staff, the overall sentiment is negative.", "negative"),
        (FEELINGS, "It has a positive part and a negative part. Overall: negative.", "negative"),
        (FEELINGS, "It is positive in part. Overall, it is neither positive nor negative.", "positive"),
    ],
)
def test_labels(labels: tuple[str, ...], reply: str, label: str | None) -> None:
    assert ChoiceReader(labels=labels).read(reply) == label
