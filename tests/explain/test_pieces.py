"""Cutting a prompt into pieces, and putting it together without some of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdescent.explain.pieces import MOST_PIECES, Pieces, cut
from promptdescent.text import placeholders


def texts(prompt: str, *, template: bool = False) -> list[str]:
    found = cut(prompt, template=template)
    return [found.text(place) for place in range(len(found.pieces))]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Do it. Be kind! Why not? Go on.", ["Do it.", "Be kind!", "Why not?", "Go on."]),
        (
            "Use e.g. Fig. 3 of it. The limit is 3.5 points. Ask Dr. Who. J. Smith agrees.",
            ["Use e.g. Fig. 3 of it.", "The limit is 3.5 points.", "Ask Dr. Who.", "J. Smith agrees."],
        ),
        (
            'Say "Yes. No." only. Or (see above. There.) stop. End it. Now.',
            ['Say "Yes. No." only.', "Or (see above. There.) stop.", "End it.", "Now."],
        ),
        (
            "Rules:\n1. Read. Slowly.\n2. Answer\n- one\n- two",
            ["Rules:", "1. Read.", "Slowly.", "2. Answer", "- one", "- two"],
        ),
        ("# Task\n\nDecide.\n\nBe brief.\n\nDone.", ["# Task", "Decide.", "Be brief.", "Done."]),
        (
            "A paragraph that an editor has wrapped at about seventy characters of\nwidth is one. Two. Three. Four.",
            [
                "A paragraph that an editor has wrapped at about seventy characters of\nwidth is one.",
                "Two.",
                "Three.",
                "Four.",
            ],
        ),
        (
            "Go.\n```\ncode. Here. Stop.\n```\nThen. Answer. End.",
            ["Go.", "```\ncode. Here. Stop.\n```", "Then.", "Answer.", "End."],
        ),
        (
            "Look.\n\nInput: a. B.\nOutput: x\n\nInput: c\nOutput: y\n\nAnswer. Now.",
            ["Look.", "Input: a. B.\nOutput: x", "Input: c\nOutput: y", "Answer.", "Now."],
        ),
        (
            "\u5148\u8bfb\u3002\u518d\u7b54\uff01\u5bf9\u5417\uff1f\u597d\u3002",
            ["\u5148\u8bfb\u3002", "\u518d\u7b54\uff01", "\u5bf9\u5417\uff1f", "\u597d\u3002"],
        ),
        (
            'Use:\n{\n  "label": "x. Y.",\n  "why": {"a": 1}\n}\nBe brief. Go. End.',
            ["Use:", '{\n  "label": "x. Y.",\n  "why": {"a": 1}\n}', "Be brief.", "Go.", "End."],
        ),
        (
            "Say 'Yes. It is.' or 'No. It's not.' Users' texts. Be kind. Don't rush. It's so.",
            ["Say 'Yes. It is.' or 'No. It's not.'", "Users' texts.", "Be kind.", "Don't rush.", "It's so."],
        ),
        ("~~~\na. B. C.\n~~~\nDo. Well. Now.", ["~~~\na. B. C.\n~~~", "Do.", "Well.", "Now."]),
        (
            "<example>\nOne. More.\nLabel x\n</example>\nRead. Think. Answer.",
            ["<example>\nOne. More.\nLabel x\n</example>", "Read.", "Think.", "Answer."],
        ),
        (
            "\u092a\u0922\u094b\u0964 \u0938\u094b\u091a\u094b\u0964 \u0915\u0939\u094b\u0964 \u092c\u0938\u0964",
            [
                "\u092a\u0922\u094b\u0964",
                "\u0938\u094b\u091a\u094b\u0964",
                "\u0915\u0939\u094b\u0964",
                "\u092c\u0938\u0964",
            ],
        ),
        (
            "\u0645\u0627\u061f \u0644\u0627. \u06cc\u06c1\u06d4 \u0648\u06c1\u06d4",
            ["\u0645\u0627\u061f", "\u0644\u0627.", "\u06cc\u06c1\u06d4", "\u0648\u06c1\u06d4"],
        ),
        (
            "\u300c\u597d\u3002\u5427\u3002\u300d\u5417\uff1f\uff01\u8bfb\u3002\u7b54\u3002\u597d",
            ["\u300c\u597d\u3002\u5427\u3002\u300d\u5417\uff1f\uff01", "\u8bfb\u3002", "\u7b54\u3002", "\u597d"],
        ),
    ],
    ids=[
        *("marks", "abbreviations", "quotations", "list", "headings", "wrapped", "code", "examples", "wide marks"),
        *("nested braces", "single quotes", "tildes", "tags", "dandas", "arabic marks", "corner brackets"),
    ],
)
def test_sentences_items_and_lines_are_pieces(prompt: str, expected: list[str]) -> None:
    assert texts(prompt) == expected


def test_few_sentences_are_cut_into_phrases_but_not_within_a_list_of_words() -> None:
    found = cut(
        "Read the text with care, then say whether it is praise, blame or neither, and use one word", template=False
    )
    assert found.phrases
    assert [found.text(place) for place in found.free] == [
        "Read the text with care,",
        "then say whether it is praise, blame or neither,",
        "and use one word",
    ]
    assert found.without({2}) == "Read the text with care, then say whether it is praise, blame or neither."


@pytest.mark.parametrize(
    "sentence",
    [
        "Label the text with sports, politics, science depending on its topic.",
        "Label the text with sports, politics, and science depending on its topic.",
        "Label the text with sports, world politics and science depending on its topic.",
    ],
    ids=["commas", "comma and", "and"],
)
def test_no_phrase_ends_within_a_list_of_labels(sentence: str) -> None:
    assert texts(sentence) == [sentence]


def test_a_clause_between_commas_is_no_item_of_a_list() -> None:
    assert texts("Read the whole text, then think hard, and then say in one word what it is.") == [
        "Read the whole text,",
        "then think hard,",
        "and then say in one word what it is.",
    ]


def test_a_bracket_that_is_never_closed_holds_nothing_together() -> None:
    assert texts("Go (on. Stop. Be kind :) now. {Look. End.") == ["Go (on. Stop. Be kind :) now.", "{Look.", "End."]
    assert texts("Go [on. Stop. Be kind. Now.") == ["Go [on.", "Stop.", "Be kind.", "Now."]


def test_a_placeholder_locks_its_piece_in_a_template_only() -> None:
    prompt = "Be kind. Read {text} well. Answer. Stop."
    assert cut(prompt, template=True).free == (0, 2, 3)
    assert cut(prompt, template=False).free == (0, 1, 2, 3)
    with pytest.raises(ValueError, match="placeholder"):
        cut(prompt, template=True).without({1})


def test_white_space_is_tidied_where_a_piece_goes() -> None:
    found = cut("First.\n\n- one\n- two\n\nLast. End.", template=False)
    assert found.without({0}) == "- one\n- two\n\nLast. End."
    assert found.without({1, 2}) == "First.\n\nLast. End."
    assert found.without({4}) == "First.\n\n- one\n- two\n\nLast."
    assert cut("Do it. Then\nlist:\n- a\n- b", template=False).without({1, 2}) == "Do it.\n- a\n- b"


def test_many_sentences_are_joined_to_a_bounded_number() -> None:
    found = cut(" ".join(f"Rule number {n} holds." for n in range(60)), template=False)
    assert found.joined
    assert len(found.pieces) == MOST_PIECES


_TEXT = st.lists(
    st.sampled_from(
        [
            "Do it.",
            "e.g. this",
            "\n",
            "\n\n",
            "- item",
            "1. ",
            '"a. B"',
            "{text}",
            "```\nx. Y\n```",
            "and so",
            ", ",
            "Q: a\nA: b",
            "(c. D)",
            " ",
        ]
    ),
    max_size=14,
).map(" ".join) | st.text(max_size=60)


@settings(max_examples=40, deadline=None)
@given(prompt=_TEXT, template=st.booleans(), data=st.data())
def test_pieces_joined_are_the_prompt_and_placeholders_survive(
    prompt: str, template: bool, data: st.DataObject
) -> None:
    found: Pieces = cut(prompt, template=template)
    assert "".join(prompt[piece.start : piece.end] for piece in found.pieces) == prompt
    assert found.without(()) == prompt
    gone = data.draw(st.sets(st.sampled_from(found.free))) if found.free else set()
    rest = found.without(gone)
    if template:
        assert placeholders(rest) == placeholders(prompt)
    kept = "".join(found.text(place) for place in range(len(found.pieces)) if place not in gone)
    assert sorted("".join(rest.split()).rstrip(",;:.-")) == sorted("".join(kept.split()).rstrip(",;:.-"))
