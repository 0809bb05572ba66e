"""The readers of the GPO paper's code, as far as they are known. Source: method facts, sections 5.3 and 2.4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdescent.errors import ConfigError
from promptdescent.records import Example
from promptdescent.tasks.metrics import Reference, Score, choose_metric
from promptdescent.tasks.metrics.reference import KINDS, Kind, rouge_l


def score(kind: Kind, reply: str, target: str) -> Score:
    return Reference(kind).score(reply, Example(id="1", inputs=(("q", "?"),), target=target))


@pytest.mark.parametrize(
    ("kind", "reply", "target", "value", "answer"),
    [
        ("choice", "(B)", "(B)", 1, "(B)"),
        ("choice", "(b) or (a)", "(B)", 1, "(B)"),
        ("choice", "(A) is wrong, so the Answer is: (B) or (C)", "(B)", 1, "(B)"),
        ("choice", "Not (A) but these are: (B)", "(B)", 1, "(B)"),
        ("choice", "(C) is the correct answer", "(C)", 1, "(C)"),
        ("choice", "Between (A) and (B), I choose (B).", "(B)", 0, "(A)"),
        ("choice", "B", "(B)", 0, None),
        ("choice", "Monsters, Inc", "Monsters, Inc", 0, None),
        ("boolean", "True", "True", 1, "1"),
        ("boolean", " yes. ", "True", 1, "1"),
        ("boolean", "valid", "True", 1, "1"),
        ("boolean", "The answer is No.", "No", 1, "0"),
        ("boolean", "answer: no", "No", 1, "0"),
        ("boolean", "Answer: No", "No", 0, None),
        ("boolean", "Yes, it does.", "Yes", 0, None),
        ("boolean", "No", "Yes", 0, "0"),
        ("number", "18", "18", 1, "18"),
        ("number", "-7", "-7", 1, "-7"),
        ("number", "(-7)", "-7", 0, "7"),
        ("number", "$18.00", "18", 1, "18"),
        ("number", "$18.00.", "18", 0, "0"),
        ("number", "17.5", "18", 1, "18"),
        ("number", "2.5", "2", 1, "2"),
        ("number", "3.5", "4", 1, "4"),
        ("number", "She has 3 and 4.", "4", 1, "4"),
        ("number", "The answer is 3 of 4.", "3", 1, "3"),
        ("number", "3 * 4 = 12", "12", 1, "12"),
        ("number", "1,234 eggs", "1234", 1, "1234"),
        ("number", "There are Twelve", "12", 1, "12"),
        ("number", "#### 5 of 6", "5", 1, "5"),
        ("number", "none", "5", 0, None),
        ("brackets", "] ) }", "])}", 1, "])}"),
        ("brackets", "( [ ( ) ] )", ")", 0, ")])"),
        ("brackets", "] and )", ")", 1, ")"),
        ("brackets", "none", ")", 0, None),
        ("words", "fig pear", "fig pear", 1, "fig pear"),
        ("words", "fig\npear\n", "fig pear", 1, "fig\npear"),
        ("words", "Sure:\nfig pear\nBye", "fig pear", 1, "Sure:\nfig pear\nBye"),
        ("words", "fig, pear", "fig pear", 0, "fig, pear"),
        ("words", "1. fig\n2. pear", "fig pear", 0, "1. fig\n2. pear"),
    ],
)
def test_reply(kind: Kind, reply: str, target: str, value: float, answer: str | None) -> None:
    assert score(kind, reply, target) == Score(value, answer)


@pytest.mark.parametrize(
    ("reply", "reference", "value"),
    [
        ("the cat sat", "the cat sat", 1),
        ("The cat sat", "the cat sat", 2 / 3),  # case counts
        ("the cat sat,", "the cat sat", 2 / 3),  # and so do marks
        ("the cat sat.", "the cat sat", 1),  # but full stops end sentences
        ("a a a a", "a", 1),  # distinct words only
        ("b a", "a b", 0.5),
        ("a x. y b", "a b", 2 * 0.5 * 1 / 1.5),  # of both sentences together
        ("x", "a", 0),
        (".", "a", 0),
        ("...", "...", 0),
    ],
)
def test_rouge(reply: str, reference: str, value: float) -> None:
    assert rouge_l(reply, reference) == pytest.approx(value, abs=1e-7)


def test_rouge_is_the_mean_over_references_and_never_quite_1() -> None:
    assert score("rouge-l", "a b", '["a b", "c d"]').value == pytest.approx(0.5, abs=1e-7)
    assert 0.9999999 < score("rouge-l", "a b", "a b").value < 1


def test_names() -> None:
    for kind in KINDS:
        assert choose_metric(f"reference:{kind}", ["x"], read=None) == Reference(kind)
        assert Reference(kind).name == f"reference:{kind}"
    with pytest.raises(ConfigError, match="write it as reference:KIND, such as reference:choice"):
        choose_metric("reference", ["x"], read=None)
    with pytest.raises(ConfigError, match="--metric reference:nubmer: did you mean 'reference:number'"):
        choose_metric("reference:nubmer", ["x"], read=None)


@given(st.text(max_size=60), st.text(min_size=1, max_size=30))
def test_any_text_scores_between_0_and_1(reply: str, target: str) -> None:
    for kind in KINDS:
        assert 0 <= score(kind, reply, target).value <= 1
