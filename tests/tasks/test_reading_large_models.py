"""Replies in the manner of large models: Markdown, LaTeX, JSON, reasoning first and the answer announced at the end."""

from __future__ import annotations

import pytest

from promptdescent.records import Example
from promptdescent.tasks.metrics import choose_metric

SUM = "Ann has 16 eggs, eats 3 and uses 4. She sells the rest for $2 each. How many dollars does she make?"
OPTIONS = "Which of these is a metal?\nOptions:\n(A) oak wood\n(B) tin\n(C) glass"


def read(name: str, targets: list[str], question: str, reply: str) -> str | None:
    metric = choose_metric(name, targets, read=None)
    return metric.score(reply, Example(id="1", inputs=(("text", question),), target=targets[0])).answer


@pytest.mark.parametrize(
    "reply",
    [
        "**Answer: 18**",
        "**Final answer: 18 dollars**",
        "**Final Answer:** $18",
        "Final answer: **$18.00**.",
        "### Answer\n\n**18**",
        "Therefore, the total is $18.00.",
        "So Ann makes **$18** every day.",
        "\\[ 9 \\times 2 = 18 \\]\n\nAnn makes **\\$18**.",
        "16 - 3 - 4 = 9 eggs are left. 9 * 2 = 18.\n\n\\boxed{18}",
        "The answer is $\\boxed{18}$.",
        "She has $16 - 3 - 4 = 9$ eggs.\nShe makes $9 \\times \\$2 = \\$18$.",
        "1. Eggs left: 16 - 3 - 4 = 9\n2. Money: 9 * $2 = $18\n\nAnn makes $18.",
        "1. **Eggs eaten and used:** 3 + 4 = 7\n2. **Eggs left:** 16 - 7 = 9\n3. **Money:** 9 \u00d7 2 = **18**",
        "To find this, we first take 3 and 4 from 16, which leaves 9. Then we multiply 9 by 2 to get 18.",
        "Ann has 16 eggs. She eats 3 and uses 4. So 9 are left, and at $2 each she makes $18.",
        "9 eggs * $2/egg = $18",
        "She sells 9 eggs at $2 each, for a total of $18.",
        'Here it is:\n```json\n{"answer": 18}\n```',
        '{"answer": "18"}',
        "Answer: Ann eats 3 and uses 4, so 16 - 7 = 9 eggs are left. She makes 9 * 2 = $18.",
        "Answer:\n\nAnn has 16 - 3 - 4 = 9 eggs left.\nShe makes 9 * $2 = $18.",
        "The answer is 18, since 9 eggs at 2 dollars are sold.",
        "Ann makes 18 dollars. Let me know if you would like to see it in another way!",
        "So, the answer to the question is 18. I took 16, 3 and 4 for it.",
        "Solution: first take 7 from 16, which is 9, then double it: 18.",
        "At $2 an egg, she makes $18 with the 16 eggs of the 3 or 4 hens.",
        "It takes her 18 dollars to sell the rest for $2 each.",
        "Result: 18\n\nThis is 9 eggs at 2 dollars.",
    ],
)
def test_number(reply: str) -> None:
    assert read("number", ["18"], SUM, reply) == "18" or read("number", ["18"], SUM, reply) == "18.00"


@pytest.mark.parametrize(
    "reply",
    [
        "This cannot be determined: the price of 16 eggs is not given.",
        "There is not enough information to say what the 16 eggs cost.",
        "To solve this, we need to take 3 and 4 from 16 and multiply by 2.",
        "Let's break it down. Ann has 16 eggs, eats 3 and uses 4.\n\nLet's take",
        "I can help with that! Do you want the sum of 3 and 4?",
    ],
)
def test_number_that_is_not_said(reply: str) -> None:
    assert read("number", ["18"], SUM, reply) is None


@pytest.mark.parametrize(
    "reply",
    [
        "**Answer: (B)**",
        "**(B) tin**",
        "The correct answer is **(B) tin**.",
        "Therefore, the correct option is (B), not (A) or (C).",
        "(A) is wood, (C) is glass. Option (B) is the correct answer.",
        "- (A) Oak wood comes from a tree.\n- (B) Tin is a metal.\n- (C) Glass is none.\n\n**Answer:** B",
        "Wood (A) and glass (C) are none, so **B** is the best choice.",
        "\\boxed{\\text{B}}",
        "The answer is $\\boxed{B}$.",
        '{"answer": "B", "why": "(A) and (C) are no metals."}',
        "```\n(B)\n```",
        "Final Answer: B) tin",
        "Tin is a metal.",
        "Of these, tin is the one that is a metal.",
        "(A) is not the right choice, and (C) glass isn't a suitable answer either. (B)",
        "The answer to the question is (B). Unlike (A), it is mined.",
    ],
)
def test_choice(reply: str) -> None:
    assert read("choice", ["(B)", "(A)", "(C)"], OPTIONS, reply) == "(B)"


@pytest.mark.parametrize(
    "reply",
    [
        "(A) oak wood is not an option.",
        "(C) is not a suitable answer.",
        "None of (A), (B) and (C).",
        "Which of these would you like me to look at?",
        "Tin is found in the ground.",
        "Oak wood is no metal.",
        "Glass is not a metal.",
    ],
)
def test_choice_that_is_not_made(reply: str) -> None:
    assert read("choice", ["(B)", "(A)", "(C)"], OPTIONS, reply) is None


@pytest.mark.parametrize(
    "reply",
    [
        "**Sentiment: Negative**",
        "The sentiment of this review is **negative**.",
        "The sentiment is best described as negative. There is nothing positive or neutral in it.",
        "Label: negative\n\nThe positive words are few.",
        "While it has a positive word, negative is the most fitting label.",
        "Negative is the best choice, since the positive word is meant as a joke.",
        "The review has positive and neutral parts.\n\n**Overall: negative**",
        "I would classify this as negative, although it starts on a positive note.",
        '{"sentiment": "negative"}',
        "This is a negative-leaning review.",
        "Final label: **negative** (neither positive nor neutral).",
    ],
)
def test_label(reply: str) -> None:
    assert read("choice", ["negative", "neutral", "positive"], "Review: What a day.", reply) == "negative"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("**Yes**, it is.", "yes"),
        ("**Answer:** No. It is true that it is small.", "no"),
        ("Lead is heavier than gold? Not quite.\n\n**Answer: No**", "no"),
        ('{"answer": "no"}', "no"),
        ("\\boxed{\\text{no}}", "no"),
        ("Lead is not heavier than gold.", "no"),
        ("Lead isn't heavier than gold, which has a density of 19.", "no"),
        ("Lead is heavier than gold.", "yes"),
        ("Lead is, in fact, heavier than gold.", "yes"),
        ("Is lead heavier than gold?", None),
        ("To see if lead is heavier than gold, we weigh both.", None),
        ("Lead may be heavier than gold.", None),
        ("Lead is a metal.", None),
        ("Some say that lead is heavier than gold.", None),
    ],
)
def test_boolean(reply: str, answer: str | None) -> None:
    assert read("boolean", ["yes", "no"], "Is lead heavier than gold?", reply) == answer


@pytest.mark.parametrize(
    "reply",
    [
        "**Answer:** `] ) }`",
        "The remaining brackets are `] ) }`.",
        "We need to close the brackets in the reverse order: `]`, `)`, `}`",
        "- `[` is closed by `]`\n- `(` is closed by `)`\n- `{` is closed by `}`\n\nSo we add: ] ) }",
        "Therefore, the sequence is completed with **] ) }**",
        "The complete sequence is: `{ ( [ ] ) }`",
        "\\boxed{] ) }}",
        "```\n] ) }\n```",
        "Output: ] ) }\n\nHere [ is closed first, then (.",
        "So the final answer is: **] ) }**. The stack was { ( [.",
    ],
)
def test_brackets(reply: str) -> None:
    assert read("brackets", ["] ) }"], "Close the brackets. Input: { ( [", reply) == "] ) }"


@pytest.mark.parametrize(
    "reply",
    [
        "**fig nut pear**",
        "Answer: fig, nut, pear",
        "Here are the words in alphabetical order:\n\n1. fig\n2. nut\n3. pear\n\nLet me know if you need more!",
        "Sure! Here is the sorted list:\n- **fig**\n- **nut**\n- **pear**",
        "The sorted list is: `fig`, `nut`, and `pear`.",
        "**Sorted list:** fig, nut, pear",
        "```\nfig\nnut\npear\n```",
        '```json\n["fig", "nut", "pear"]\n```',
        '{"sorted": ["fig", "nut", "pear"]}',
        "fig nut pear\n\nThis is the order of their first letters.",
        "First I look at the letters: p, f, n.\n\n**Answer:**\nfig nut pear",
        "In alphabetical order, they are fig, nut, and pear.",
        "fig < nut < pear",
        "The answer is fig, nut, and pear, which are all words for food.",
        "The answer to this question is: fig nut pear",
        "Sorted: fig, nut, pear.\n\nNote that nut and pear come last.",
    ],
)
def test_words(reply: str) -> None:
    targets = ["fig nut pear", "a b"]
    assert read("list:ordered", targets, "Sort these words: pear fig nut", reply) == "fig; nut; pear"


@pytest.mark.parametrize(
    "reply",
    [
        "Answer: Answer: Answer:",
        "A: A:",
        "Fig:\n\nNut:\n\nPear:\n",
        "Fig, nut, and pear are all good to eat.",
        "fig, or nut",
        "The answer is a fig or a nut.",
        "Answer: ...",
        "I am ready to help you.",
    ],
)
def test_words_that_are_no_answer(reply: str) -> None:
    assert read("list:ordered", ["fig nut pear", "a b"], "Sort these words: pear fig nut", reply) is None
