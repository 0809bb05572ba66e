"""Answers by pattern and by JSON field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdescent.errors import ConfigError
from promptdescent.records import Example
from promptdescent.tasks.metrics import JsonField, RegexMatch, Score


def row(target: str) -> Example:
    return Example(id="1", inputs=(("text", "?"),), target=target)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "reply", "target", "value", "answer"),
    [
        (r"#### (.+)", "6 + 1\n#### 7", "7", 1, "7"),
        (r"#### (.+)", "#### 8, no:\n#### 1,000", "1000", 1, "1,000"),  # the last one; numbers are compared as such
        (r"#### (.+)", "#### 17.5", "17.50", 1, "17.5"),
        (r"#### (.+)", "#### 17.5", "18", 0, "17.5"),
        (r"#### (.+)", "it is 7", "7", 0, None),
        (r"verdict: (\w+)", "verdict: Guilty.", "guilty", 1, "Guilty"),
        (r"(x)|(?P<answer>\w+)!", "x yes!", "yes", 1, "yes"),  # the named group goes before the first one
        (r"is (\w+)", "it is two", '["one", "two"]', 1, "two"),
        (r"a(b)?", "a", "b", 0, None),
        (r"a(\s*)", "a  ", "b", 0, None),
    ],
)
def test_group_of_the_last_match(pattern: str, reply: str, target: str, value: float, answer: str | None) -> None:
    metric = RegexMatch(pattern)
    assert metric.needs_target
    assert metric.score(reply, row(target)) == Score(value, answer)


def test_without_a_group_the_pattern_itself_is_the_metric() -> None:
    metric = RegexMatch(r"(?i)^dear\b")
    assert not metric.needs_target
    assert metric.score("Dear Ann", row("")) == Score(1.0, "Dear")
    assert metric.score("Hi Ann", row("")) == Score(0.0, "Hi Ann")  # an answer, though a wrong one
    assert RegexMatch("(?=x)").score("ax", row("")).answer == "ax"


def test_pattern_that_does_not_compile() -> None:
    with pytest.raises(ConfigError, match=r"--metric regex:a\(b: no regular expression: .*position 1"):
        RegexMatch("a(b")


# JSON


@pytest.mark.parametrize(
    ("path", "reply", "target", "value", "answer"),
    [
        ("label", '{"label": "Praise"}', "praise", 1, "Praise"),
        ("label", 'Sure:\n```json\n{"why": "so", "label": "praise"}\n```', "praise", 1, "praise"),
        ("label", 'For {x}: {"label": "a"} or rather {"label": "b"} {"other": 1}', "b", 1, "b"),
        ("label", '{"label": "praise"}', '{"label": "praise", "n": 1}', 1, "praise"),
        ("result.label", '{"result": {"label": "a"}}', "a", 1, "a"),
        ("result.label", '{"result": {"label": "a"}}', '{"result": {"label": "b"}}', 0, "a"),
        ("a.b", '{"a.b": "x"}', "x", 1, "x"),
        ("n", '{"n": 17.5}', "17.50", 1, "17.5"),
        ("n", '{"n": true}', "True", 1, "true"),
        ("n", '{"n": "1,000"}', "1000", 1, "1,000"),
        ("n", '{"n": "b"}', '["a", "b"]', 1, "b"),
        ("n", '{"n": ["a", "b"]}', '["a", "b"]', 1, '["a", "b"]'),
        ("n", '{"n": ["b", "a"]}', '["a", "b"]', 0, '["b", "a"]'),
        ("n", '{"n": {"k": 1.0}}', '{"n": {"k": 1}}', 1, '{"k": 1.0}'),
        ("n", '{"n": "\u00e9"}', "\u00c9", 1, "\u00e9"),
        ("n", '{"n": null}', "null", 0, None),
        ("n", '{"m": 1}', "1", 0, None),
        ("n", '{"n": 1', "1", 0, None),
        ("n", "1", "1", 0, None),
    ],
)
def test_field(path: str, reply: str, target: str, value: float, answer: str | None) -> None:
    assert JsonField(path).score(reply, row(target)) == Score(value, answer)


def test_field_that_no_target_has_is_found_early() -> None:
    targets = ['{"label": "a", "meta": {"lang": "en"}}', '{"label": "b"}']
    JsonField("label").check(targets)
    JsonField("meta.lang").check(targets)
    JsonField("lable").check(["a", "b"])  # plain targets fit any field
    with pytest.raises(ConfigError, match=r"--metric json:lable: no target has this field; did you mean 'label'"):
        JsonField("lable").check(targets)
    with pytest.raises(ConfigError, match=r"did you mean 'meta\.lang'"):
        JsonField("meta.long").check(targets)


@pytest.mark.slow
def test_braces_without_end_take_no_time() -> None:
    assert JsonField("n").score("{" * 100_000, row("1")).answer is None
    assert JsonField("n").score('{"a":' * 50_000, row("1")).answer is None


@given(st.text(alphabet='{}[]":,n1ab \\', max_size=60))
def test_any_reply_can_be_scored(reply: str) -> None:
    assert JsonField("n").score(reply, row("1")).value in (0.0, 1.0)
