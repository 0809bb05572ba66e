"""Lists: the forms in which a reply may write one, and how it is compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdescent.records import Example
from promptdescent.tasks.metrics import ListMatch
from promptdescent.tasks.metrics.lists import has_marks, read_items

THREE = ["pear", "fig", "red plum"]


@pytest.mark.parametrize(
    "text",
    [
        '["pear", "fig", "red plum"]',
        'Here you are:\n```json\n["pear", "fig", "red plum"]\n```\nBye!',
        'The list is ["pear", "fig", "red plum"].',
        "['pear', 'fig', 'red plum']",
        "pear, fig, red plum",
        "pear, fig, and red plum.",
        "pear, fig and red plum",
        "pear; fig; red plum",
        "pear\nfig\nred plum",
        "The fruits:\n\npear\nfig\nred plum\n",
        "1. pear\n2. fig\n3. red plum",
        "1) pear\n2) fig\n3) red plum",
        "- pear\n- fig\n- red plum",
        "Sure! Three fruits are in it.\n* **pear**\n* fig\n* red plum\nAnything else?",
        "\u2022 pear\n\u2022 fig\n\u2022 red plum",
        "The fruits are: pear, fig, red plum",
        "Not nuts, seeds or roots. Answer: pear, fig, red plum",
        "I think of nuts.\n**Answer:** pear, fig, red plum",
        '"pear", "fig", "red plum"',
    ],
)
def test_forms_of_one_list(text: str) -> None:
    assert read_items(text) == THREE


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("pear fig plum", ["pear", "fig", "plum"]),
        ("The sorted words are: pear fig plum", ["pear", "fig", "plum"]),
        ("pear, fig, plum", ["pear", "fig", "plum"]),
        ("1. pear\n2. fig", ["pear", "fig"]),
        ("Sorted words:\npear, fig,\n\nThey are sorted now.", ["pear", "fig"]),
        ("Sorted words: pear, fig\n\nThese are sorted, as was asked.", ["pear", "fig"]),
        ("1. First I look at the words.\n2. pear", None),
        ("A pear, which stands before all the others, and a fig", None),
    ],
)
def test_words_with_spaces_between_them(text: str, items: list[str] | None) -> None:
    assert read_items(text, words=True) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("New York", ["New York"]),
        ("salt and pepper", ["salt", "pepper"]),
        ("The two are: salt and pepper", ["salt", "pepper"]),
        ("[1, 2, 3]", ["1", "2", "3"]),
        ("[7]", ["7"]),
        ("pear [1], fig [2]", ["pear [1]", "fig [2]"]),
        ("[]", []),
        ("", None),
        (" \n**\n", None),
        ("[" * 20_000, ["[" * 20_000]),
    ],
)
def test_what_is_one_item_or_none(text: str, items: list[str] | None) -> None:
    assert read_items(text) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("salt and pepper", ["salt and pepper"]),
        ("bread, salt and pepper", ["bread", "salt and pepper"]),
        ("salt and pepper, and bread", ["salt and pepper", "bread"]),
    ],
)
def test_an_and_that_may_stand_inside_items(text: str, items: list[str]) -> None:
    assert read_items(text, joined=True) == items


def test_the_target_tells_whether_an_and_joins_items_or_stands_inside_one() -> None:
    assert score(ListMatch("same"), "salt and pepper", "pepper, salt") == 1
    assert score(ListMatch("same"), "bread, salt and pepper", '["bread", "salt and pepper"]') == 1
    assert score(ListMatch("same"), "salt and pepper", "salt and pepper") == 1
    assert score(ListMatch("same"), "pear, fig and plum", "fig, plum and pear") == 1


def test_marks_tell_how_targets_are_written() -> None:
    assert all(has_marks(text) for text in ('["a"]', "a, b", "a\nb", "a; b"))
    assert not has_marks("pear fig")


def score(metric: ListMatch, reply: str, target: str) -> float:
    return metric.score(reply, Example(id="1", inputs=(("q", "?"),), target=target)).value


@pytest.mark.parametrize(
    ("reply", "share", "same", "ordered"),
    [
        ("pear, fig, plum", 1, 1, 1),
        ("Pear, FIG, 'plum'", 1, 1, 1),
        ("plum, fig, pear", 1, 1, 0),
        ("pear, fig", 4 / 5, 0, 0),
        ("pear, fig, plum, nut", 6 / 7, 0, 0),
        ("pear, pear, fig, plum", 6 / 7, 0, 0),
        ("nut", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_comparisons(reply: str, share: float, same: float, ordered: float) -> None:
    target = '["pear", "fig", "plum"]'
    assert score(ListMatch(), reply, target) == pytest.approx(share)
    assert score(ListMatch("same"), reply, target) == same
    assert score(ListMatch("ordered"), reply, target) == ordered


def test_an_empty_list_is_an_answer() -> None:
    assert score(ListMatch(), "[]", "[]") == score(ListMatch("ordered"), "[]", "[]") == 1
    assert score(ListMatch(), "[]", '["a"]') == score(ListMatch(), "a, b", "[]") == 0


def test_the_answer_is_what_was_read() -> None:
    found = ListMatch().score("1. pear\n2. fig", Example(id="1", inputs=(("q", "?"),), target="pear"))
    assert found.answer == "pear; fig"
    assert ListMatch().score("  ", Example(id="1", inputs=(("q", "?"),), target="pear")).answer is None


@given(st.text(max_size=60), st.text(min_size=1, max_size=30), st.booleans())
def test_any_text_scores_between_0_and_1(reply: str, target: str, words: bool) -> None:
    for metric in (ListMatch(words=words), ListMatch("same", words=words), ListMatch("ordered", words=words)):
        assert 0 <= score(metric, reply, target) <= 1
