"""Leaks: rows that splits share, and prompts that quote rows."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptdescent.records import Example
from promptdescent.tasks.datasets import DataSource, load_splits
from promptdescent.tasks.leaks import Quote, find_leaks, quoted_rows
from promptdescent.text import fingerprint

WORDS = ["river", "stone", "lamp", "gate", "harbour", "violin", "meadow", "copper", "winter", "ladder", "basket"]
WORDS += ["engine", "saddle", "mirror", "candle", "orchard", "pepper", "window", "castle", "anchor"]


def row(text: str, target: str = "yes", **columns: str) -> Example:
    inputs = (("text", text), *columns.items())
    return Example(id=fingerprint([inputs, target])[:16], inputs=inputs, target=target)


def sentence(length: int, seed: int) -> str:
    """Words by chance, so that no two of these texts share four in a row."""
    drawn = random.Random(seed)
    return " ".join(drawn.choice(WORDS) + str(seed) for _ in range(length))


CLEAN = [row(sentence(40, seed)) for seed in range(60)]
TRAIN, DEV, TEST = CLEAN[:20], CLEAN[20:40], CLEAN[40:]


# --- rows that splits share -------------------------------------------------------------------------------------------


def test_rows_of_their_own_are_no_leak() -> None:
    assert find_leaks(TRAIN, DEV, TEST) == ()
    assert find_leaks([], [], []) == ()


@pytest.mark.parametrize(
    "change",
    [str, str.upper, lambda text: text.replace(" ", " \n "), lambda text: f" {text.title()}\t"],
    ids=["same", "case", "white space", "both"],
)
def test_a_copy_is_found_whatever_its_case_white_space_and_target(change) -> None:  # type: ignore[no-untyped-def]
    copy = row(change(DEV[3].question), target="no")
    (found,) = find_leaks(TRAIN, DEV, [*TEST, copy])
    assert (found.kind, found.splits, found.overlap) == ("copy", ("dev", "test"), 1.0)
    assert found.ids == (DEV[3].id, copy.id)
    assert DEV[3].question.startswith(found.excerpt.rstrip("…"))
    assert len(found.excerpt) == 80


def test_a_row_in_all_splits_is_one_leak() -> None:
    (found,) = find_leaks([*TRAIN, TEST[0]], [TEST[0], *DEV], [*TEST, TEST[0]])
    assert (found.ids, found.splits) == ((TEST[0].id,), ("train", "dev", "test"))


def test_copies_within_a_split_are_no_leak() -> None:
    assert find_leaks([*TRAIN, TRAIN[0]], DEV, [*TEST, TEST[1], row(TEST[2].question.upper())]) == ()


def test_rows_of_several_columns_are_copies_only_if_all_are_equal() -> None:
    first = row("It rains.", other="The street is wet.")
    assert find_leaks([first], [], [row("It rains.", other="The street is dry.")]) == ()
    (found,) = find_leaks([first], [], [row("it  rains.", other="The street is wet.")])
    assert found.kind == "copy"


def changed(text: str, place: int) -> str:
    words = text.split()
    return " ".join([*words[:place], "another", *words[place + 1 :]])


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_near_copy_is_found(split: str) -> None:
    long = row(sentence(80, 100))
    near = row(changed(long.question, 40).replace(" ", ", ").capitalize() + "!")
    train, dev = ([*TRAIN, long], DEV) if split == "train" else (TRAIN, [*DEV, long])
    (found,) = find_leaks(train, dev, [*TEST, near])
    assert (found.kind, found.ids, found.splits) == ("near copy", (long.id, near.id), (split, "test"))
    assert found.overlap == pytest.approx(73 / 77)  # one word spoils four of 77 runs
    assert near.question.startswith(found.excerpt.rstrip("…"))


def test_marks_alone_make_a_near_copy_of_a_short_row() -> None:
    (found,) = find_leaks([row("Big dog, small cat.")], DEV, [row("Big dog small cat")])
    assert (found.kind, found.overlap) == ("near copy", 1.0)
    (found,) = find_leaks([row("Big dog.")], DEV, [row("big dog!")])
    assert found.kind == "near copy"


def test_too_much_of_a_difference_is_no_copy() -> None:
    long = row(sentence(80, 100))
    assert find_leaks([long], DEV, [row(changed(changed(long.question, 20), 40))]) == ()  # 69 of 77 runs, below 0.9
    assert find_leaks([long], DEV, [row(f"{long.question} {sentence(40, 101)}")]) == (), "the longer one is another"
    assert find_leaks([long], DEV, [row(" ".join(reversed(long.question.split())))]) == ()


def test_the_limit_itself_is_a_near_copy() -> None:
    # 43 words are 40 runs, of which a change of the first word spoils one, and that of a word within four.
    base = sentence(43, 7)
    four = row(changed(base, 20))
    assert [found.overlap for found in find_leaks([row(base)], DEV, [four])] == [0.9]
    assert find_leaks([row(base)], DEV, [row(changed(four.question, 0))]) == ()


def test_rows_that_share_a_rare_run_are_compared_as_a_whole() -> None:
    # 35 of 40 runs in common. Those that differ stand in other rows too, so that they are no rarer than the others.
    first = f"aaa aab aac aad {sentence(39, 7)}"
    second = changed(changed(first, 30), 42)
    pieces = [" ".join(text.split()[slice(*part)]) for text in (first, second) for part in ((27, 34), (39, 43))]
    assert find_leaks([row(first)], [row(f"{piece} {sentence(9, 50)}") for piece in pieces], [row(second)]) == ()


def test_a_row_that_stands_in_a_longer_one_is_no_copy_of_it() -> None:
    long = f"aaa aab aac aad {sentence(39, 7)}"
    rest = long.removeprefix("aaa ")
    assert find_leaks([row(long), row(rest), row(f"{rest} x")], DEV, [row("aaa aab aac aad")]) == ()


def test_a_row_with_several_near_copies_is_reported_once() -> None:
    long = sentence(80, 100)
    found = find_leaks([row(long), row(f"{long} x")], DEV, [*TEST, row(f"{long} y")])
    assert [(one.kind, one.splits) for one in found] == [("near copy", ("train", "test"))]


def test_a_row_whose_near_copy_is_in_two_splits_is_reported_beside_the_copy() -> None:
    long = row(sentence(80, 100))
    near = row(changed(long.question, 5))
    found = find_leaks([*TRAIN, long, near], DEV, [*TEST, long])
    assert [(one.kind, one.ids, one.splits) for one in found] == [
        ("copy", (long.id,), ("train", "test")),
        ("near copy", (near.id, long.id), ("train", "test")),
    ]


def test_what_half_of_the_rows_say_is_no_copy() -> None:
    task = "Here is a case. Read all of it with care, think, and say whether it is so or is not so. The case: "
    rows = [row(f"{task}{WORDS[number]}") for number in range(20)]
    assert find_leaks(rows[:8], rows[8:12], rows[12:]) == ()
    # The same text in two rows of many is a near copy.
    found = find_leaks([*TRAIN, rows[0]], DEV, [*TEST, rows[1]])
    assert [one.kind for one in found] == ["near copy"]


def test_thousands_of_rows_take_little_time() -> None:
    rows = [row(sentence(40, seed)) for seed in range(5000)]
    near = row(changed(changed(rows[5].question, 0), 39))
    began = time.process_time()
    found = find_leaks(rows[:2000], rows[2000:3000], [*rows[3000:], rows[17], near])
    spent = time.process_time() - began
    assert [(one.kind, one.ids) for one in found] == [
        ("copy", (rows[17].id,)),
        ("near copy", (rows[5].id, near.id)),
    ]
    assert spent < 5, f"{spent:.1f} s of CPU"


# --- prompts that quote rows ------------------------------------------------------------------------------------------

TOLD = row("Anna has three apples. She gives one of them to Ben, who eats it at once.")
ROWS = [*CLEAN[:20], TOLD]


def test_a_prompt_of_its_own_quotes_nothing() -> None:
    assert quoted_rows("Think step by step, and then give the number of apples that Anna has.", ROWS) == ()
    assert quoted_rows("", ROWS) == ()
    assert quoted_rows("Say yes.", []) == ()


def test_eight_words_in_a_row_are_a_quote_whatever_their_marks() -> None:
    prompt = "Answer such as this one: 'three APPLES - she gives one, of them to' somebody."
    assert quoted_rows(prompt, ROWS) == (Quote(rows=(TOLD.id,), excerpt="three apples she gives one of them to"),)
    assert quoted_rows(prompt.replace("them", "those"), ROWS) == ()
    assert quoted_rows(prompt.replace(" to'", "'"), ROWS) == ()
    assert len(quoted_rows(prompt.replace(" to'", "'"), ROWS, words=7)) == 1


def test_a_long_quote_is_one_with_all_its_words() -> None:
    (found,) = quoted_rows(f"Example: {TOLD.question} The answer is two.", ROWS)
    assert found.excerpt == "anna has three apples she gives one of them to ben who eats it at once"


def test_quotes_of_two_rows_are_two_and_rows_that_share_one_are_named_together() -> None:
    other = CLEAN[4]
    twin = row(f"{TOLD.question} Why?")
    found = quoted_rows(f"{TOLD.question} Or: {other.question}", [*ROWS, twin])
    assert [one.rows for one in found] == [(TOLD.id, twin.id), (other.id,)]
    assert found[1].excerpt == other.question


def test_a_short_input_is_quoted_as_a_whole() -> None:
    short, shorter = row("Do whales lay eggs?"), row("Is it so?")
    found = quoted_rows("For example, do whales lay eggs? Is it so? Then no.", [*ROWS, short, shorter])
    assert found == (Quote(rows=(short.id,), excerpt="do whales lay eggs"),)
    assert quoted_rows("Do whales lay large eggs?", [*ROWS, short]) == ()


def test_a_column_counts_by_itself_and_a_target_does_not() -> None:
    told = row("It rains.", target="the sun will come out again in the early evening", other="Nobody goes out to swim.")
    assert [one.rows for one in quoted_rows("Note: nobody goes out to swim.", [*ROWS, told])] == [(told.id,)]
    assert quoted_rows("Say: the sun will come out again in the early evening", [*ROWS, told]) == ()


def test_what_half_of_the_rows_say_is_no_quote() -> None:
    ask = "Is the argument valid or invalid, given all that was said before?"
    rows = [row(f"{sentence(20, seed)} {ask}") for seed in range(10)]
    assert quoted_rows(f"{ask} Answer in one word.", rows) == ()
    assert len(quoted_rows(ask, [*rows[:2], *CLEAN])) == 1
    # A row's own words before it are a quote, and end where the boilerplate begins.
    (found,) = quoted_rows(rows[3].question, rows)
    assert found.rows == (rows[3].id,)


def test_a_run_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="words is 0"):
        quoted_rows("Say yes.", ROWS, words=0)


# --- real rows --------------------------------------------------------------------------------------------------------


def real_rows(shared_data: Path, name: str) -> list[Example]:
    path = shared_data / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the shared rows")
    splits = load_splits(DataSource(file=path, whole=True), seed=0)
    return list(splits.test)


def torn(rows: Sequence[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Splits that tear copies apart: what comes up again is a test row."""
    seen: set[str] = set()
    first, again = [], []
    for one in rows:
        text = " ".join(one.question.casefold().split())
        (again if text in seen else first).append(one)
        seen.add(text)
    return first[::2], first[1::2], again


@pytest.mark.parametrize("name", ["sports_understanding", "causal_judgement"])
def test_the_copies_among_real_rows_are_found(name: str, shared_data: Path) -> None:
    train, dev, test = torn(real_rows(shared_data, f"bbh/{name}.json"))
    copies = [one for one in find_leaks(train, dev, test) if one.kind == "copy"]
    assert len(copies) == len(test) == 2
    assert all(one.splits[-1] == "test" for one in copies)


@pytest.mark.parametrize(
    "name", ["boolean_expressions", "date_understanding", "formal_fallacies", "multistep_arithmetic_two"]
)
def test_rows_made_from_one_template_are_no_copies(name: str, shared_data: Path) -> None:
    train, dev, test = torn(real_rows(shared_data, f"bbh/{name}.json"))
    assert find_leaks(train, dev, test) == ()


def test_stories_that_differ_in_a_sentence_are_near_copies(shared_data: Path) -> None:
    train, dev, test = torn(real_rows(shared_data, "bbh/causal_judgement.json"))
    kinds = Counter(one.kind for one in find_leaks(train, dev, test))
    assert kinds["near copy"] > 10


def test_a_prompt_that_holds_a_real_row_quotes_it(shared_data: Path) -> None:
    rows = real_rows(shared_data, "bbh/formal_fallacies.json")
    assert quoted_rows("Decide whether the argument is deductively valid or invalid, given its premises.", rows) == ()
    found = quoted_rows(f"Decide. For example: {rows[9].question}", rows)
    assert rows[9].id in {name for one in found for name in one.rows}
