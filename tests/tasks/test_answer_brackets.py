"""Brackets that close a sequence, among words, restated sequences and marks."""

from __future__ import annotations

import pytest

from promptdescent.errors import DataError
from promptdescent.records import Example
from promptdescent.tasks.metrics import Brackets, Score, choose_metric
from promptdescent.tasks.metrics.brackets import read_brackets

QUESTION = "Close the sequence (mind the order). Input: { ( [ < >"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("] ) }", "])}"),
        ("])}", "])}"),
        ("`] ) }`.", "])}"),
        ('"]", ")", "}"', "])}"),
        ("{ ( [ < > ] ) }", "])}"),
        ("{([<>])}", "])}"),
        ("Input: { ( [ < >\nOutput: ] ) }", "])}"),
        ("{ ( [ < >\n] ) }", "])}"),
        ("We close { ( [ < > with ] ) }", "])}"),
        ("We close [ with ], then ( with ), then { with }.\nAnswer: ] ) }", "])}"),
        ("The answer is ] ) }. The first one closes the [ and so on (see above) as > would not.", "])}"),
        ("The answer is { ( [ < > with ] ) } behind it.", "])}"),
        ("\\boxed{] ) }}", "])}"),
        ("It is ] ) } (three of them).", "])}"),
        ("It is <b>] ) }</b>", "])}"),
        ("] ) > }", "])>}"),
        ("[ ( ) ] }", ")]}"),  # not the question's sequence: what follows the last opening bracket
        ("They are `]`, `)` and `}`.", "])}"),
        ("The missing brackets are: ] ) }\n\nEnd: > >", "])}"),
        ("{ ( [ < >", None),
        ("{ ( [", None),
        ("(none of them)", None),
        ("three brackets", None),
        ("", None),
    ],
)
def test_reply(reply: str, answer: str | None) -> None:
    assert read_brackets(reply, question=QUESTION) == answer


def test_a_sequence_that_is_closed_within_does_not_count_twice() -> None:
    """The paper's reading takes all four for the answer."""
    assert read_brackets("( [ ( ) ] )", question="( [ ( ) ]") == ")"


def test_score() -> None:
    metric = choose_metric("brackets", ["] ) }", ")"], read=None)
    assert metric == Brackets()
    example = Example(id="1", inputs=(("text", QUESTION),), target=" ]  ) }")
    assert metric.score("]) }", example) == Score(1.0, "] ) }")
    assert metric.score("] )", example) == Score(0.0, "] )")
    assert metric.score("none", example) == Score(0.0, None)


@pytest.mark.parametrize("target", ["", "( )", "] x", "]."])
def test_targets_that_do_not_fit(target: str) -> None:
    with pytest.raises(DataError, match=r"--metric brackets: the target .* is no run of closing brackets"):
        choose_metric("brackets", ["]", target], read=None)
