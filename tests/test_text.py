"""Word-level text tools: hand-made cases, and properties over arbitrary text."""

import hashlib
import math
import time
from functools import cache
from itertools import pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdescent.text import (
    DiffPart,
    LexicalSimilarity,
    cosine,
    extract_tagged,
    fingerprint,
    normalized,
    shared_beginning,
    shared_run,
    tidy_prompt,
    word_count,
    word_diff,
    word_edit_distance,
    word_runs,
    words,
)

# Few words, so that texts share some; white space of several kinds between them.
small_texts = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([" ", "\n", "  ", "\t\n"])), max_size=9).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)
any_texts = st.one_of(small_texts, st.text(max_size=60))


# Words


def test_words_are_split_on_any_white_space() -> None:
    assert words("  Think\tstep by\u00a0step.\n\nThen answer ") == ["Think", "step", "by", "step.", "Then", "answer"]
    assert words(" \n") == []
    assert word_count("a  b\nc") == 3
    assert word_count("") == 0


# Edit distance


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [
        ("", "", 0),
        ("", "one two", 2),
        ("one two", "", 2),
        ("a b c", "a  b\nc", 0),
        ("think step by step", "think carefully step by step", 1),
        ("think step by step", "think step by", 1),
        ("answer with one word", "answer with one number", 1),
        ("k i t t e n", "s i t t i n g", 3),
        ("a a", "a a a", 1),
        ("a b", "b a", 2),
        ("Answer", "answer", 1),
    ],
)
def test_edit_distance_by_hand(before: str, after: str, distance: int) -> None:
    assert word_edit_distance(before, after) == distance


def recursive_distance(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """The definition of the Levenshtein distance, without tables or shortcuts."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        if a[i - 1] == b[j - 1]:
            return distance(i - 1, j - 1)
        return 1 + min(distance(i - 1, j), distance(i, j - 1), distance(i - 1, j - 1))

    return distance(len(a), len(b))


@settings(deadline=None)
@given(a=small_texts, b=small_texts)
def test_edit_distance_matches_its_definition(a: str, b: str) -> None:
    assert word_edit_distance(a, b) == recursive_distance(tuple(words(a)), tuple(words(b)))


@settings(deadline=None)
@given(a=any_texts, b=any_texts, c=any_texts)
def test_edit_distance_is_a_metric_over_words(a: str, b: str, c: str) -> None:
    assert (word_edit_distance(a, b) == 0) == (words(a) == words(b))
    assert word_edit_distance(a, b) == word_edit_distance(b, a)
    assert word_edit_distance(a, c) <= word_edit_distance(a, b) + word_edit_distance(b, c)
    longer, shorter = max(word_count(a), word_count(b)), min(word_count(a), word_count(b))
    assert longer - shorter <= word_edit_distance(a, b) <= longer


def test_an_edit_in_a_long_prompt_is_measured_at_once() -> None:
    """Without trimming the shared ends, the table would have 400 million cells."""
    shared = " ".join(str(k) for k in range(10_000))
    start = time.process_time()
    assert word_edit_distance(f"{shared} old {shared}", f"{shared} new words {shared}") == 2
    assert time.process_time() - start < 5.0


# Difference


def test_diff_of_a_replaced_an_added_and_a_removed_word() -> None:
    assert word_diff("Answer the question\nin a word.", "Answer this question\nin just a word. Now.") == (
        DiffPart(kind="equal", text="Answer "),
        DiffPart(kind="delete", text="the "),
        DiffPart(kind="insert", text="this "),
        DiffPart(kind="equal", text="question\nin "),
        DiffPart(kind="insert", text="just "),
        DiffPart(kind="equal", text="a word. "),
        DiffPart(kind="insert", text="Now. "),
    )
    assert word_diff("one two", "one") == (DiffPart(kind="equal", text="one "), DiffPart(kind="delete", text="two "))


def test_diff_ignores_white_space_and_keeps_the_new_one() -> None:
    assert word_diff("a b", "a\n\nb\n") == (DiffPart(kind="equal", text="a\n\nb "),)
    assert word_diff("", " \n") == ()


def test_diff_keeps_words_that_are_frequent_in_long_texts() -> None:
    """By default difflib ignores words that make up over 1% of a text of 200 words or more."""
    frequent = " ".join(["the"] * 300)
    kinds = [part.kind for part in word_diff(f"old {frequent}", f"new {frequent}")]
    assert kinds == ["delete", "insert", "equal"]


@settings(deadline=None)
@given(before=any_texts, after=any_texts)
def test_diff_rebuilds_both_texts(before: str, after: str) -> None:
    parts = word_diff(before, after)
    assert "".join(part.text for part in parts if part.kind != "delete").strip() == after.strip()
    assert words("".join(part.text for part in parts if part.kind != "insert")) == words(before)
    assert all(words(part.text) for part in parts)
    assert all(first.kind != second.kind for first, second in pairwise(parts))
    changed = sum(word_count(part.text) for part in parts if part.kind != "equal")
    assert changed >= word_edit_distance(before, after)
    assert (changed == 0) == (words(before) == words(after))


# Lexical similarity


def test_similarity_by_hand() -> None:
    """In the corpus of two texts, df(cat) = 2, df(dog) = 1 and df(fish) = 0."""
    cat, dog, fish = (math.log(3 / (1 + df)) + 1 for df in (2, 1, 0))
    expected = (2 * cat * cat) / (math.hypot(2 * cat, dog) * math.hypot(cat, fish))
    lexical = LexicalSimilarity(["the cat", "cat dog cat"])
    assert lexical.similarity("Cat, cat: dog!", "fish (cat)") == pytest.approx(expected, rel=1e-12)


def test_a_rare_shared_word_counts_more_than_a_common_one() -> None:
    lexical = LexicalSimilarity(["the answer", "the question", "the proof", "the lemma"])
    assert lexical.similarity("the lemma", "a lemma") > lexical.similarity("the lemma", "the proof")


def test_similarity_at_the_ends() -> None:
    lexical = LexicalSimilarity(["some text"])
    assert lexical.similarity("Some text, twice.", "twice some TEXT") == 1.0
    assert lexical.similarity("", "") == 1.0
    assert lexical.similarity("?!", "") == 1.0
    assert lexical.similarity("", "text") == 0.0
    assert lexical.similarity("text", "") == 0.0
    assert lexical.similarity("one", "two") == 0.0


def test_similarity_of_proportional_counts_is_not_rounded_above_one() -> None:
    assert LexicalSimilarity(["a f a"]).similarity("g c e f g", "g c e f g " * 3) == pytest.approx(1.0, rel=1e-15)
    for texts in (["a f a"], ["a", "b c"], []):
        for times in (2, 3, 5):
            assert LexicalSimilarity(texts).similarity("g c e f g", "g c e f g " * times) <= 1.0


def test_a_corpus_may_be_empty_or_read_only_once() -> None:
    assert LexicalSimilarity([]).similarity("a b", "a c") == pytest.approx(0.5)
    once = LexicalSimilarity(text for text in ("a b", "a c"))
    assert once.similarity("a b", "a d") == LexicalSimilarity(["a b", "a c"]).similarity("a b", "a d")


@settings(deadline=None)
@given(corpus=st.lists(any_texts, max_size=4), a=any_texts, b=any_texts)
def test_similarity_properties(corpus: list[str], a: str, b: str) -> None:
    lexical = LexicalSimilarity(corpus)
    assert 0.0 <= lexical.similarity(a, b) <= 1.0
    assert lexical.similarity(a, b) == lexical.similarity(b, a)
    assert lexical.similarity(a, a) == 1.0


# Cosine


def test_cosine_by_hand() -> None:
    assert cosine([1, 0], [0, 2]) == 0.0
    assert cosine([1, 1], [3, 0]) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert cosine([1, 2], [-2, -4]) == pytest.approx(-1.0, rel=1e-15)
    assert cosine([0, 0], [1, 2]) == 0.0
    assert cosine([1, 2], [0, 0]) == 0.0


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_cosine_of_very_long_and_very_short_vectors(unit: float) -> None:
    assert cosine([3 * unit, 4 * unit], [4 * unit, 3 * unit]) == pytest.approx(24 / 25, rel=1e-12)


components = st.floats(-10, 10)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(components, components), min_size=1, max_size=8))
def test_cosine_matches_numpy(pairs: list[tuple[float, float]]) -> None:
    u, v = [x for x, _ in pairs], [y for _, y in pairs]
    assert -1.0 <= cosine(u, v) <= 1.0
    assert cosine(u, v) == cosine(v, u)
    norms = float(np.linalg.norm(u) * np.linalg.norm(v))
    if norms > 1e-100:
        assert cosine(u, v) == pytest.approx(float(np.dot(u, v)) / norms, abs=1e-12)
        assert cosine(u, u) == pytest.approx(1.0, abs=1e-12)


def test_cosine_refuses_vectors_without_a_common_meaning() -> None:
    with pytest.raises(ValueError, match="2 and 3 components"):
        cosine([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="0 and 0 components"):
        cosine([], [])
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            cosine([1.0, bad], [1.0, 1.0])
        with pytest.raises(ValueError, match="finite"):
            cosine([1.0, 1.0], [bad, 1.0])


# Tagged replies


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param("<p>text</p>", "text", id="one pair"),
        pytest.param("Sure!\n<p>\n two\n lines \n</p>\nDone.", "two\n lines", id="text around it"),
        pytest.param("<p>draft</p> Better: <p>final</p> ok", "final", id="the last pair"),
        pytest.param("<P>text</p >", "text", id="case and space after the name"),
        pytest.param("< p >text< / P >", "text", id="inner spaces"),
        pytest.param("<p></p>", "", id="empty"),
        pytest.param("<p> \n </p>", "", id="only white space"),
        pytest.param("so:\n<p>cut off in the mid", "cut off in the mid", id="no end tag"),
        pytest.param("<p>not a slash<p>", "not a slash", id="start tag for end tag"),
        pytest.param("prefilled</p> That is all.", "prefilled", id="no start tag"),
        pytest.param("one</p> two</p>", "one", id="end tags only: the first"),
        pytest.param("<p>whole</p> and <p>cut off", "whole", id="a pair is preferred to a cut-off one"),
        pytest.param("x</p> y <p>z", "z", id="an end tag, then a start tag"),
        pytest.param("<p>a <p>b</p> c</p>", "a b c", id="nested: the outermost"),
        pytest.param("I use <p> here: <p>b</p>", "b", id="a start tag mentioned before"),
        pytest.param("<p>b</p> I closed with </p>", "b", id="an end tag mentioned after"),
        pytest.param("<p>a <q>b</q> <pre>c</pre></p>", "a <q>b</q> <pre>c</pre>", id="other tags stay"),
        pytest.param("no tags, 1 < 2 and <pp>", None, id="none"),
        pytest.param("", None, id="empty reply"),
    ],
)
def test_extract_tagged(reply: str, expected: str | None) -> None:
    assert extract_tagged(reply, "p") == expected


def test_extract_tagged_takes_the_tag_literally_and_in_any_case() -> None:
    assert extract_tagged("<a.b>x</a.b> <aXb>y</aXb>", "a.b") == "x"
    assert extract_tagged("<new_prompt>x</new_prompt>", "NEW_PROMPT") == "x"
    with pytest.raises(ValueError, match="tag is empty"):
        extract_tagged("<>x</>", "")


def test_extract_tagged_reads_degenerate_replies_in_linear_time() -> None:
    start = time.process_time()
    assert extract_tagged("<" + " " * 100_000 + "/" + " " * 100_000, "p") is None
    assert extract_tagged("<p>" * 30_000, "p") == ""
    assert time.process_time() - start < 5.0


@settings(deadline=None)
@given(before=st.text(alphabet="ab <>/\n", max_size=9), content=st.text(max_size=30), after=st.text(max_size=9))
def test_extract_tagged_finds_any_content(before: str, content: str, after: str) -> None:
    assert extract_tagged(f"{before}<tag>{content}</tag>{after}", "tag") == content.strip()


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(["<p>", "</p>", "a", "b", " "]), max_size=12))
def test_extract_tagged_leaves_no_tag_and_invents_nothing(pieces: list[str]) -> None:
    reply = "".join(pieces)
    content = extract_tagged(reply, "p")
    assert (content is None) == ("p>" not in reply)
    if content is not None:
        assert "<" not in content
        assert content == content.strip()
        assert content in reply.replace("<p>", "").replace("</p>", "")


# Tidying of proposed prompts


@pytest.mark.parametrize(
    ("proposed", "tidied"),
    [
        ("  Think.\n", "Think."),
        ('"Think."', "Think."),
        ("'Think.'", "Think."),
        ("\u201cThink.\u201d", "Think."),
        ("\u2018Think.\u2019", "Think."),
        ("`Think.`", "Think."),
        ("**Think.**", "Think."),
        ("```\nThink.\n```", "Think."),
        ("```markdown\nThink.\nAnswer.\n```", "Think.\nAnswer."),
        ("```Think.```", "Think."),
        ("````\nUse ```code```.\n````", "Use ```code```."),
        ("Prompt: Think.", "Think."),
        ("New prompt: Think.", "Think."),
        ("NEW PROMPT:\nThink.", "Think."),
        ("Instruction: Think.", "Think."),
        ("instructions : Think.", "Think."),
        ("Improved Prompt: Think.", "Think."),
        ("Here is the improved prompt:\n\nThink.", "Think."),
        ("Here\u2019s a better instruction: Think.", "Think."),
        ("**New prompt:** Think.", "Think."),
        ("**New prompt**: Think.", "Think."),
        ("**Prompt: Think.**", "Think."),
        ('Prompt: "Think."', "Think."),
        ('"Prompt: Think."', "Think."),
        ("```\nNew prompt: **'Think.'**\n```", "Think."),
        ("'Don't guess.'", "Don't guess."),
        ("a\n\n\nb\n\n\n\n\nc\n\nd\ne", "a\n\nb\n\nc\n\nd\ne"),
        ('""', ""),
        ("Prompt:", ""),
        ("", ""),
    ],
)
def test_tidy_prompt_removes_what_surrounds_the_prompt(proposed: str, tidied: str) -> None:
    assert tidy_prompt(proposed) == tidied


@pytest.mark.parametrize(
    "prompt",
    [
        "Question: {question}\nAnswer:",
        '{"answer": {value}}',
        '"yes" or "no"',
        "'a' or 'b'",
        "\u201cyes\u201d or \u201cno\u201d",
        "\u201cSay \u201cyes\u201d",
        "\u201cyes\u201d is right\u201d",
        "`x` and `y`",
        "**Task** and **goal**",
        "**Task: think** hard",
        "```\na\n```\nthen\n```\nb\n```",
        "Prompt the user for a name: then stop.",
        "Promptly: answer.",
        "Prompts are texts: read them.",
        "Follow the prompt: think.",
        "Say 'yes",
        'Say "yes"',
        "def f(x):\n    return x  # two  spaces\n\n- item",
        '"',
        "**",
        "`",
    ],
)
def test_tidy_prompt_leaves_the_prompt_itself_alone(prompt: str) -> None:
    assert tidy_prompt(prompt) == prompt


marks = st.lists(
    st.sampled_from(
        ['"', "'", "`", "```", "**", "\n", " ", "Prompt:", "New prompt:", "word", "{x}", "\u201c", "\u201d"]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(text=st.one_of(marks, st.text(max_size=60)))
def test_tidying_twice_changes_nothing_more(text: str) -> None:
    tidied = tidy_prompt(text)
    assert tidy_prompt(tidied) == tidied
    assert tidied == tidied.strip()
    assert "\n\n\n" not in tidied
    assert len(tidied) <= len(text)


@settings(deadline=None)
@given(
    prompt=st.lists(st.sampled_from(["Think", "step", "{question}", "a: b", "x = 1\n    y", "don't"]), min_size=1).map(
        " ".join
    ),
    wrap=st.lists(st.sampled_from(["'{}'", '"{}"', "`{}`", "**{}**", "Prompt: {}", "```text\n{}\n```"]), max_size=3),
)
def test_any_nesting_of_different_wrappers_comes_off(prompt: str, wrap: list[str]) -> None:
    wrapped = prompt
    for wrapper in dict.fromkeys(wrap):
        if not (wrapper == "`{}`" and "```" in wrapped):
            wrapped = wrapper.replace("{}", wrapped)
    assert tidy_prompt(wrapped) == prompt


def test_tidy_prompt_reads_degenerate_proposals_fast() -> None:
    start = time.process_time()
    for text in ("`" * 20_000, '"' * 20_000, "new " * 20_000, "prompt: " * 2_000, "\n" * 20_000, "*" * 20_000):
        tidy_prompt(text)
    assert time.process_time() - start < 5.0


# Shared runs


@given(st.text(alphabet="ab"), st.text(alphabet="ab"))
def test_shared_beginning_is_the_longest(a: str, b: str) -> None:
    assert shared_beginning(a, b) == sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def test_shared_run_ignores_case_punctuation_and_white_space() -> None:
    a = "Q: How many apples does Tom have?"
    b = 'For example, "how many\napples - does" he own?'
    assert shared_run(a, b, 4) == "how many apples does"
    assert shared_run(a, b, 5) is None


def test_shared_run_needs_consecutive_words() -> None:
    assert shared_run("a b c d", "a b x c d", 3) is None
    assert shared_run("a b c d", "a b x c d", 2) == "a b"
    assert shared_run("x b c", "a b c", 2) == "b c"
    assert shared_run("ab c", "a bc", 1) is None


def test_shared_run_of_short_texts_and_symbols() -> None:
    assert shared_run("a b", "a b", 3) is None
    assert shared_run("", "", 1) is None
    assert shared_run("... !", "... !", 1) is None
    assert shared_run("Is 2 + 2 = 4?", "we say 2 + 2 = 4", 5) == "2 + 2 = 4"
    assert shared_run("don\u2019t guess", "DON'T guess!", 2) == "dont guess"


def test_shared_run_refuses_an_empty_run() -> None:
    with pytest.raises(ValueError, match="length is 0"):
        shared_run("a", "a", 0)


@settings(deadline=None)
@given(a=small_texts, b=small_texts, length=st.integers(1, 4))
def test_shared_run_is_in_both_texts(a: str, b: str, length: int) -> None:
    bare_a, bare_b = " ".join(words(a)), " ".join(words(b))
    run = shared_run(a, b, length)
    assert (run is None) == (shared_run(b, a, length) is None)
    if run is None:
        starts = range(word_count(a) - length + 1)
        assert not any(" ".join(words(a)[start : start + length]) in bare_b for start in starts)
    else:
        assert word_count(run) == length
        assert run in bare_a
        assert run in bare_b


def test_word_runs_are_all_stretches_of_bare_words() -> None:
    assert word_runs("Read it, then -- ANSWER!", 3) == ["read it then", "it then answer"]
    assert word_runs("Read it", 3) == []


# Near duplicates


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Answer: YES or no!", "answer yes\n or  no"),
        ("**Answer** with `yes`.", "Answer with yes"),
        ("Don\u2019t guess \u2026", "don't guess..."),
        ("one-word answer", "one word answer"),
        ("\uff21nswer\uff1f", "answer"),
        ("Answer, 5 words.", "Answer 5 words"),
    ],
)
def test_normalized_evens_out_case_punctuation_and_white_space(text: str, same: str) -> None:
    assert normalized(text) == normalized(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("positive or negative", "negative or positive"),
        ("Answer.", "Do not answer."),
        ("the review", "the message"),
        ("a line", "line"),
        ("from 1.5 to 2", "from 15 to 2"),
        ("-1 or 1", "1 or 1"),
        ("3 * 4", "3 4"),
        ("0-100", "0 100"),
        ("(A)", "A"),
        ("{text}", "text"),
        ("___", ""),
        ("yes/no", "yes no"),
        ("a < b", "a > b"),
        ("C++", "C"),
    ],
)
def test_normalized_keeps_words_numbers_brackets_and_symbols(text: str, other: str) -> None:
    assert normalized(text) != normalized(other)


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_normalized_is_settled_after_one_pass_over_words(text: str) -> None:
    assert normalized(f"  {text}\n") == normalized(text)
    assert normalized(text).split() == normalized(text).split(" ") or normalized(text) == ""


# Fingerprint


def test_fingerprint_is_the_hash_of_canonical_json() -> None:
    canonical = '{"a":[1,2.5,null,true],"\u00e9":"x y"}'.encode()
    assert fingerprint({"\u00e9": "x y", "a": [1, 2.5, None, True]}) == hashlib.sha256(canonical).hexdigest()
    assert fingerprint("") == hashlib.sha256(b'""').hexdigest()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=st.dictionaries(st.text(max_size=3), json_values, min_size=1, max_size=4))
def test_fingerprint_ignores_the_order_of_keys_and_sees_changes(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert fingerprint(backwards) == fingerprint(value)
    assert fingerprint({**value, next(iter(value)): ["changed"] * 9}) != fingerprint(value)
    assert fingerprint([value]) != fingerprint(value)


def test_fingerprint_of_values_that_json_does_not_tell_apart() -> None:
    assert fingerprint((1, 2)) == fingerprint([1, 2])
    assert fingerprint({1: "x"}) == fingerprint({"1": "x"})
    assert fingerprint(1) != fingerprint(1.0)
    assert fingerprint("1") != fingerprint(1)


def test_fingerprint_of_a_lone_surrogate() -> None:
    assert len(fingerprint("\ud800")) == 64
    assert fingerprint("\ud800") != fingerprint("\ud801")


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": {1, 2}}, object(), {"a": 1, 2: 3}, b"bytes"])
def test_fingerprint_refuses_what_is_not_json(value: object) -> None:
    with pytest.raises(ValueError, match="no fingerprint"):
        fingerprint(value)
