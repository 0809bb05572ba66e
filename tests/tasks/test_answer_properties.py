"""Readers on generated answers: a target in any of many phrasings is read back, another answer never passes for it, and
no text raises.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptdescent.records import Example
from promptdescent.tasks.metrics import Metric, choose_metric
from promptdescent.tasks.metrics.maths import check_answer, prepare_worker

PHRASINGS: dict[str, Callable[[str], str]] = {
    "bare": lambda answer: answer,
    "full stop": lambda answer: f"{answer}.",
    "bold": lambda answer: f"**{answer}**",
    "italics": lambda answer: f"_{answer}_",
    "code": lambda answer: f"`{answer}`",
    "quotes": lambda answer: f'"{answer}"',
    "spaces": lambda answer: f"  {answer}\n\n",
    "answer is": lambda answer: f"The answer is {answer}.",
    "answer is colon": lambda answer: f"So the correct answer is: {answer}",
    "answer colon": lambda answer: f"Answer: {answer}",
    "bold answer": lambda answer: f"**Answer:** **{answer}**",
    "capitals": lambda answer: f"THE ANSWER IS {answer}",
    "own line": lambda answer: f"I looked at it with care.\n\nFinal answer:\n{answer}",
    "hashes": lambda answer: f"I looked at it with care.\n#### {answer}",
}
"""How models write an answer of any kind."""

WORDS = ("pear", "fig", "apple", "plum", "it&t", "o'neil", "sub-zero", "syndrome", "and", "quince")

unhurried = settings(deadline=None)
"""No limit for one case: it says more of the machine, or of sympy's first use, than of a reader."""

phrased = st.sampled_from(sorted(PHRASINGS))


def value(metric: Metric, reply: str, target: str, question: str = "Which one?") -> float:
    return metric.score(reply, Example(id="1", inputs=(("text", question),), target=target)).value


# Option letters

LETTERS = ("(A)", "(B)", "(C)", "(D)", "(E)")
LETTER_FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda label: label,
    "small": lambda label: label.lower(),
    "bare": lambda label: label.strip("()"),
    "half": lambda label: label.strip("("),
    "stop": lambda label: f"{label.strip('()')}.",
    "with text": lambda label: f"{label} the red one",
    "boxed": lambda label: f"\\boxed{{{label.strip('()')}}}",
}


@unhurried
@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from(sorted(LETTER_FORMS)), phrased)
def test_letters(label: str, other: str, form: str, phrasing: str) -> None:
    metric = choose_metric("choice", LETTERS, read=None)
    reply = PHRASINGS[phrasing](LETTER_FORMS[form](label))
    assert value(metric, reply, other) == float(label == other)


@unhurried
@given(st.sampled_from(LETTERS), st.lists(st.sampled_from(LETTERS), min_size=1, unique=True))
def test_letters_after_the_options_are_named(label: str, named: list[str]) -> None:
    metric = choose_metric("choice", LETTERS, read=None)
    for reply in (
        f"Between {' and '.join(named)}, I choose {label}.",
        f"Options: {', '.join(named)}. The answer is {label} as said.",
        "\n".join(f"{one} is wrong." for one in named) + f"\nAnswer: {label}",
    ):
        assert value(metric, reply, label) == 1


# Yes and no

TRUE, FALSE = ("True", "Yes", "valid", "1"), ("False", "No", "invalid", "0")
EXPLAINED: dict[str, Callable[[str], str]] = {
    "comma": lambda word: f"{word}, since it was said so.",
    "because": lambda word: f"The answer is {word} because it was said so.",
    "stop": lambda word: f"{word}. Whoever says so looked at it with care.",
    "restated": lambda word: f"Is it yes or no, true or false? The answer is {word}",
    "options": lambda word: f"Options:\n- Yes\n- No\nAnswer: {word}",
}


@unhurried
@given(
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([*TRUE, *FALSE]),
    st.sampled_from([str.lower, str.upper, str.capitalize]),
    st.sampled_from(sorted({**PHRASINGS, **EXPLAINED})),
)
def test_booleans(pair: int, word: str, case: Callable[[str], str], phrasing: str) -> None:
    assume(phrasing not in EXPLAINED or not word.isdigit() or phrasing in ("restated", "options"))
    targets = TRUE[pair], FALSE[pair]
    metric = choose_metric("boolean", targets, read=None)
    reply = {**PHRASINGS, **EXPLAINED}[phrasing](case(word))
    assert [value(metric, reply, target) for target in targets] == [float(word in TRUE), float(word in FALSE)]


# Numbers

NUMBER_FORMS: dict[str, Callable[[int], str]] = {
    "plain": str,
    "thousands": lambda number: f"{number:,}",
    "cents": lambda number: f"{number}.00",
    "thousands and cents": lambda number: f"{number:,}.00",
    "dollars": lambda number: f"-${-number:,}" if number < 0 else f"${number:,}",
    "dollars and cents": lambda number: f"-${-number}.00" if number < 0 else f"${number}.00",
    "unit": lambda number: f"{number:,} eggs",
    "brackets": lambda number: f"({number})",
    "boxed": lambda number: f"\\boxed{{{number}}}",
    "calculation": lambda number: f"{number - 7} + 7 = {number}",
    "minus sign": lambda number: str(number).replace("-", "\u2212"),
}


@unhurried
@given(st.integers(-(10**7), 10**7), st.integers(-(10**7), 10**7), st.sampled_from(sorted(NUMBER_FORMS)), phrased)
def test_numbers(number: int, other: int, form: str, phrasing: str) -> None:
    metric = choose_metric("number", ["1"], read=None)
    reply = PHRASINGS[phrasing](NUMBER_FORMS[form](number))
    assert value(metric, reply, str(number)) == 1
    assert value(metric, reply, f"{number:,}") == 1
    assert value(metric, reply, str(other)) == float(number == other)
    assert value(metric, reply, f"{number}.5") == 0


# Brackets

PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}


def closing(opened: str) -> str:
    """What closes the brackets of ``opened`` that are still open."""
    stack: list[str] = []
    for bracket in opened:
        if bracket in PAIRS:
            stack.append(PAIRS[bracket])
        else:
            stack.pop()
    return "".join(reversed(stack))


@st.composite
def sequences(draw: st.DrawFn) -> str:
    """Brackets of which some at the end of the stack are open."""
    text, stack = "", ""
    for opens in draw(st.lists(st.booleans(), min_size=1, max_size=14)):
        if opens or not stack:
            bracket = draw(st.sampled_from("([{<"))
            text, stack = text + bracket, PAIRS[bracket] + stack
        else:
            text, stack = text + stack[0], stack[1:]
    return text if stack else text + "["


BRACKET_FORMS: dict[str, Callable[[str, str], str]] = {
    "bare": lambda opened, target: " ".join(target),
    "tight": lambda opened, target: target,
    "whole": lambda opened, target: " ".join(opened + target),
    "input and output": lambda opened, target: f"Input: {' '.join(opened)}\nOutput: {' '.join(target)}",
    "restated": lambda opened, target: f"{' '.join(opened)} is closed by {' '.join(target)}",
    "commas": lambda opened, target: ", ".join(target),
    "remark": lambda opened, target: f"{' '.join(target)} (that is {len(target)} in all)",
}


@unhurried
@given(sequences(), st.sampled_from(sorted(BRACKET_FORMS)), phrased, st.sampled_from(")]}>"))
def test_brackets(opened: str, form: str, phrasing: str, other: str) -> None:
    target = " ".join(closing(opened))
    metric = choose_metric("brackets", [target], read=None)
    question = f"Close what is open. Input: {' '.join(opened)}"
    reply = PHRASINGS[phrasing](BRACKET_FORMS[form](opened, closing(opened)))
    assert value(metric, reply, target, question) == 1
    wrong = PHRASINGS[phrasing](BRACKET_FORMS[form](opened, closing(opened) + other))
    assert value(metric, wrong, target, question) == 0


# Lists of words

LAYOUTS: dict[str, Callable[[list[str]], str]] = {
    "spaces": " ".join,
    "commas": ", ".join,
    "comma and": lambda words: f"{', '.join(words[:-1])}, and {words[-1]}",
    "lines": "\n".join,
    "numbered": lambda words: "\n".join(f"{place}. {word}" for place, word in enumerate(words, 1)),
    "numbered in a line": lambda words: " ".join(f"{place}. {word}" for place, word in enumerate(words, 1)),
    "bullets": lambda words: "\n".join(f"- {word}" for word in words),
    "bold bullets": lambda words: "\n".join(f"* **{word}**" for word in words),
    "arrows": " -> ".join,
    "json": lambda words: "[" + ", ".join(f'"{word}"' for word in words) + "]",
    "quoted": lambda words: ", ".join(f"'{word}'" for word in words),
}
AROUND: dict[str, Callable[[str], str]] = {
    "bare": lambda listed: listed,
    "lead": lambda listed: f"Here are the sorted words:\n\n{listed}",
    "lead and goodbye": lambda listed: f"Sure! Here is the list:\n{listed}\n\nLet me know if you need more.",
    "cue": lambda listed: f"Answer:\n{listed}",
    "capitals": str.upper,
}


@unhurried
@given(
    st.lists(st.sampled_from(WORDS), min_size=3, max_size=7, unique=True),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(AROUND)),
    st.randoms(use_true_random=False),
)
def test_words_in_order(words: list[str], layout: str, around: str, random) -> None:  # type: ignore[no-untyped-def]
    target = " ".join(sorted(words))
    metric = choose_metric("list:ordered", [target, "a b"], read=None)
    question = f"Sort the following words alphabetically: List: {' '.join(words)}"
    assert value(metric, AROUND[around](LAYOUTS[layout](sorted(words))), target, question) == 1
    shuffled = random.sample(words, len(words))
    reply = AROUND[around](LAYOUTS[layout](shuffled))
    assert value(metric, reply, target, question) == float(shuffled == sorted(words))
    assert value(metric, AROUND[around](LAYOUTS[layout](sorted(words)[1:])), target, question) == 0
    restated = f"List: {' '.join(shuffled)}\nSorted: {target}"
    assert value(metric, restated, target, question) == 1


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_an_and_among_the_words(layout: str) -> None:
    """It is a word of the list, and may stand before the last one besides."""
    metric = choose_metric("list:ordered", ["and fig pear", "a b"], read=None)
    question = "Sort the following words alphabetically: List: pear fig and"
    for words in permutations(("pear", "fig", "and")):
        for around in AROUND.values():
            reply = around(LAYOUTS[layout](list(words)))
            assert value(metric, reply, "and fig pear", question) == float(words == ("and", "fig", "pear"))


# Mathematics

MATHS_FORMS: dict[str, Callable[[int, int], str]] = {
    "boxed": lambda top, bottom: f"\\boxed{{\\frac{{{top}}}{{{bottom}}}}}",
    "dollars": lambda top, bottom: f"$\\frac{{{top}}}{{{bottom}}}$",
    "slash": lambda top, bottom: f"{top}/{bottom}",
    "cue": lambda top, bottom: f"The answer is $\\dfrac{{{top}}}{{{bottom}}}$.",
    "not cut down": lambda top, bottom: f"So it is \\boxed{{\\frac{{{3 * top}}}{{{3 * bottom}}}}}.",
    "sentence": lambda top, bottom: f"We have 5 of 9, and so \\(\\frac{{{top}}}{{{bottom}}}\\) remains.",
}


@unhurried
@given(st.integers(1, 500), st.integers(2, 500), st.integers(1, 500), st.sampled_from(sorted(MATHS_FORMS)))
def test_fractions(top: int, bottom: int, other: int, form: str) -> None:
    prepare_worker()
    reply = MATHS_FORMS[form](top, bottom)
    assert check_answer(reply, [f"\\frac{{{top}}}{{{bottom}}}"])[0]
    assert check_answer(reply, [f"\\frac{{{other}}}{{{bottom}}}"])[0] == (other == top)


# Any text

NAMES = ["exact", "choice", "boolean", "number", "list", "list:ordered", "json:x", "rouge-l", "rouge-l:mean"]
marks = st.text(alphabet="()[]{}<>.,;:#$%*_`\"'\\-=/ \n\t0123abAByesno", max_size=60)


@pytest.mark.parametrize("name", [*NAMES, "brackets"])
@unhurried
@given(reply=st.one_of(st.text(max_size=80), marks), question=marks)
def test_any_text_scores_between_0_and_1(name: str, reply: str, question: str) -> None:
    target = ") ]" if name == "brackets" else "1"
    metric = choose_metric(name, [target, "0"] if name in ("choice", "boolean") else [target], read=None)
    assert 0 <= value(metric, reply, target, question) <= 1
