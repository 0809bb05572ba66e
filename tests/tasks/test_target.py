"""What is sent to a model: placements, and templates with braces of every kind."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdescent.errors import ConfigError
from promptdescent.llm.base import Completion, Draw, Request
from promptdescent.records import Example, Message, ModelSettings, Placement, Prompt, Reply, Usage
from promptdescent.tasks.target import (
    PromptTarget,
    check_template,
    choose_placement,
    compose,
)
from promptdescent.text import fill, placeholders

ONE = Example(id="0", inputs=(("text", "Is {it} so?"),), target="yes")
TWO = Example(id="1", inputs=(("text", "a"), ("date", "b")), target="yes")
DRAW = Draw(seed=1, step=0, slot="task/0", index=0)


def messages(prompt: str, example: Example, placement: Placement) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in compose(Prompt.of(prompt), example, placement)]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("after", [("user", "Is {it} so?\nSay {it}.")]),
        ("before", [("user", "Say {it}.\nIs {it} so?")]),
        ("system", [("system", "Say {it}."), ("user", "Is {it} so?")]),
    ],
)
def test_prompt_beside_the_question(placement: Placement, expected: list[tuple[str, str]]) -> None:
    assert messages("Say {it}.", ONE, placement) == expected


def test_prompt_around_the_question() -> None:
    assert messages("Read: {text}\nIs it {x}?", ONE, "template") == [("user", "Read: Is {it} so?\nIs it {x}?")]
    assert messages("{date}/{text}/{date}", TWO, "template") == [("user", "b/a/b")]


def test_several_columns_are_labelled_in_a_question() -> None:
    assert messages("Go.", TWO, "after") == [("user", "text: a\ndate: b\nGo.")]


@pytest.mark.parametrize("placement", ["before", "after", "system", "template"])
def test_an_empty_prompt_leaves_the_question(placement: Placement) -> None:
    assert messages("", ONE, placement) == [("user", "Is {it} so?")]


class Recorder:
    """A model that keeps what it was sent."""

    identity = "recorder"
    context_tokens = None
    serves_n = True
    refuses_temperature = False

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def prepare(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        return Completion(replies=(Reply(text="yes"),), usage=Usage(calls=1))

    async def close(self) -> None: ...


@pytest.mark.anyio
async def test_target_sends_one_request_and_gives_its_reply() -> None:
    llm = Recorder()
    settings = ModelSettings(name="m", temperature=0.3, max_tokens=17, stop=("\n",))
    target = PromptTarget(llm, settings, "after")
    assert await target(Prompt.of("Go."), ONE, DRAW) == Reply(text="yes")
    expected = Request(
        role="task",
        messages=(Message(role="user", content=("Is {it} so?\nGo.",)),),
        temperature=0.3,
        max_tokens=17,
        stop=("\n",),
        n=1,
        draw=DRAW,
    )
    assert llm.requests == [expected]
    assert target.request(Prompt.of("Go."), ONE, draw=DRAW) == expected


# Placeholders


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{text}", ("text",)),
        ("{b} {a} {b}", ("b", "a")),
        ("{_x1} {überschrift}", ("_x1", "überschrift")),
        ("no braces", ()),
        ("{} {1} {a b} {a.b} {a!r} {a:>3} { a }", ()),
        ("{{text}}", ()),
        ("{{{text}}}", ("text",)),
        ('{"label": "{text}"}', ("text",)),
        ('{"a": {"b": {text}}}', ("text",)),
        ("{²}", ()),
        ("{text", ()),
        ("", ()),
    ],
)
def test_only_identifiers_in_single_braces_are_placeholders(template: str, names: tuple[str, ...]) -> None:
    assert placeholders(template) == names


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<{text}>", "<T>"),
        ("{{text}}", "{text}"),
        ("{{{text}}}", "{T}"),
        ("{{ and }}", "{ and }"),
        ('{{"label": {{"x": "{text}"}}}}', '{"label": {"x": "T"}}'),
        ('{"label": {"x": "{text}"}}', '{"label": {"x": "T"}}'),
        ('{"a": {"b": {text}}}', '{"a": {"b": T}}'),
        ("{other} {text}", "{other} T"),
        ("a } b { c {}", "a } b { c {}"),
    ],
)
def test_fill(template: str, text: str) -> None:
    assert fill(template, {"text": "T"}) == text


def test_values_are_not_looked_at_for_braces() -> None:
    assert fill("{a}{b}", {"a": "{b} {{ }}", "b": "\\1 {a}"}) == "{b} {{ }}\\1 {a}"


names = st.text(alphabet=string.ascii_letters + "_", min_size=1, max_size=6)
json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(pieces=st.lists(st.tuples(st.text(max_size=8), names), max_size=6), values=st.lists(st.text(), min_size=6))
def test_escaped_text_around_placeholders_comes_out_as_it_was(pieces: list[tuple[str, str]], values: list[str]) -> None:
    template = "".join(text.replace("{", "{{").replace("}", "") + f"{{{name}}}" for text, name in pieces)
    filled = {name: value for (_, name), value in zip(pieces, values, strict=False)}
    assert fill(template, filled) == "".join(text.replace("}", "") + filled[name] for text, name in pieces)
    assert placeholders(template) == tuple(dict.fromkeys(name for _, name in pieces))


@given(template=st.text(alphabet="{}ab ", max_size=20))
def test_what_has_no_double_braces_changes_at_placeholders_alone(template: str) -> None:
    plain = template.replace("{{", "{")
    if "{{" not in plain:
        expected = plain
        for name in placeholders(plain):
            expected = expected.replace(f"{{{name}}}", "X")
        assert fill(plain, dict.fromkeys(placeholders(plain), "X")) == expected


@given(value=json_values.filter(lambda value: "{" not in json.dumps(value).replace('{"', "").replace("{}", "")))
def test_json_passes(value: object) -> None:
    text = json.dumps(value)
    assert fill(text + " {text}", {"text": text}) == f"{text} {text}"
    assert fill(text, {}) == text


# Choosing and checking


@pytest.mark.parametrize(
    ("prompt", "given_placement", "placement"),
    [
        ("Sort {text}.", None, "template"),
        ("Sort it.", None, "after"),
        ("Sort {{text}}.", None, "after"),
        ('Say {"label": "x"}.', None, "after"),
        ("Sort {text}.", "before", "before"),
        ("Sort it.", "system", "system"),
    ],
)
def test_default_placement(prompt: str, given_placement: Placement | None, placement: Placement) -> None:
    assert choose_placement(prompt, ["text", "date"], given_placement) == placement


def test_template_with_a_placeholder_that_is_no_column() -> None:
    with pytest.raises(ConfigError) as caught:
        check_template("Sort {text} by {dat}.", ["text", "date"])
    for part in ("{dat}", "did you mean 'date'?", "{{dat}}", "--placement after"):
        assert part in str(caught.value)


def test_template_without_a_column() -> None:
    with pytest.raises(ConfigError, match=r"the model would see no question; put in one of \{text\}, \{date\}"):
        check_template("Sort it.", ["text", "date"])


def test_template_that_is_fine() -> None:
    check_template('Sort {text} into {"a": {"b": 1}} or {{c}}.', ["text", "date"])
