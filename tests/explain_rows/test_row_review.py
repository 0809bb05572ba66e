"""Doubtful rows: wrong labels among hard rows, copies, rows that decide nothing."""

from __future__ import annotations

import math
import random
import time
from types import ModuleType

import pytest
from row_samples import LABELS, evaluation, evaluations, rows

from promptdescent.explain.rows.mislabelled import agreed_otherwise
from promptdescent.explain.rows.review import RowReview, review_rows
from promptdescent.explain.rows.sheet import review_csv
from promptdescent.records import Example, Split
from promptdescent.records.explanation import RowDoubt
from scripts import load_script

PROMPTS = 24
COMMON = [[target] * PROMPTS for target in ("red", "green", "blue")] * 10
"""Thirty rows that every prompt does."""
TARGETS = ["red", "green", "blue"] * 10


def of_kind(review: RowReview, kind: str) -> list[RowDoubt]:
    return [doubt for doubt in review.doubts if doubt.kind == kind]


def review_of(target: str, answers: list[str | None], labels: tuple[str, ...] = LABELS) -> RowReview:
    """The review of thirty easy rows and one more."""
    examples = rows([*TARGETS, target])
    return review_rows({"dev": examples}, evaluations(examples, [*COMMON, answers]), labels)


def test_a_row_that_all_answer_alike_but_otherwise_looks_mislabelled() -> None:
    (doubt,) = of_kind(review_of("red", ["blue"] * 23 + ["green"]), "looks mislabelled")
    assert (doubt.example, doubt.split, doubt.suggested) == ("r30", "dev", "blue")
    assert doubt.share == pytest.approx(23 / 24)
    assert doubt.reason.startswith("23 of 24 prompts answer so")


@pytest.mark.parametrize(
    "answers",
    [["blue", "green"] * 12, ["red", "green", "blue"] * 8, ["red"] * 12 + ["blue"] * 12, [None] * 24, ["missing"] * 24],
    ids=["wrong and scattered", "at random", "half are right", "nothing readable", "no calls"],
)
def test_a_hard_row_does_not_look_mislabelled(answers: list[str | None]) -> None:
    assert of_kind(review_of("red", answers), "looks mislabelled") == []


def test_the_votes_of_better_prompts_weigh_more() -> None:
    # Half of the prompts do a third of the rows only; on the last row these are the ones that agree with the target.
    examples = rows([*TARGETS, "red"])
    good = evaluation(examples, [*TARGETS, "blue"])
    poor = evaluation(examples, [*(["red"] * 30), "red"])
    found = review_rows({"dev": examples}, [good] * 12 + [poor] * 12, LABELS)
    assert [doubt.suggested for doubt in of_kind(found, "looks mislabelled")] == ["blue"]
    equal = review_of("red", ["blue"] * 12 + ["red"] * 12)
    assert of_kind(equal, "looks mislabelled") == []


def test_the_surest_come_first() -> None:
    examples = rows([*TARGETS, "red", "green"])
    answers: list[list[str | None]] = [*COMMON, ["blue"] * 22 + ["green"] * 2, ["red"] * 24]  # type: ignore[list-item]
    found = review_rows({"dev": examples}, evaluations(examples, answers), LABELS)
    assert [doubt.example for doubt in of_kind(found, "looks mislabelled")] == ["r31", "r30"]


def test_answers_in_free_words_agree_whatever_their_case_and_marks() -> None:
    answers: list[str | None] = ["Paris.", "paris", "PARIS"] * 8
    (doubt,) = of_kind(review_of("Lyon", answers, labels=()), "looks mislabelled")
    assert doubt.suggested.casefold().startswith("paris")
    assert doubt.share == 1.0


def test_what_cannot_be_said_is_said() -> None:
    examples = rows(TARGETS)
    none = evaluations(examples, [[None] * PROMPTS] * 30)
    assert "reads no answers" in review_rows({"dev": examples}, none, LABELS).notes[0]
    assert "No prompts" in review_rows({"dev": examples}, [], LABELS).notes[0]
    few = evaluations(examples, [answers[:4] for answers in COMMON])
    assert "Only 4 prompts" in review_rows({"dev": examples}, few, LABELS).notes[0]
    untargeted = rows([""] * 30)
    unsaid = review_rows({"dev": untargeted}, evaluations(untargeted, COMMON), ())
    assert "no targets" in unsaid.notes[0]
    assert of_kind(unsaid, "looks mislabelled") == []
    assert any("misreads" in note for note in review_of("red", ["blue"] * 24).notes)


def test_rows_without_a_target_are_not_mislabelled_beside_others() -> None:
    assert of_kind(review_of("", ["blue"] * 24), "looks mislabelled") == []
    assert of_kind(review_of(" ", ["blue"] * 24), "looks mislabelled") == []


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("Blue", " blue."),
        ("blue moon", "Blue  Moon"),
        ("1,000", "1000.0"),
        ('["azure", "blue"]', "Blue"),
        ("Dr. No", "dr no"),
    ],
    ids=["case and marks", "white space", "numbers", "one of several", "inner marks"],
)
def test_the_target_itself_is_no_other_answer(target: str, answer: str) -> None:
    # A judge, a function of the user's or a cost may score the target's own words below one half.
    examples = rows([*TARGETS, target])
    own: list[str | None] = [answer] * PROMPTS
    found = review_rows({"dev": examples}, evaluations(examples, [*COMMON, own]), ())
    assert all(one.outcomes[-1].score == 0 for one in evaluations(examples, [*COMMON, own]))
    assert of_kind(found, "looks mislabelled") == []
    listed = review_rows({"dev": examples}, evaluations(examples, [*COMMON, ["else"] * PROMPTS]), ())
    assert [doubt.suggested for doubt in of_kind(listed, "looks mislabelled")] == ["else"]


def test_test_rows_are_suspected_by_the_same_rule() -> None:
    examples = rows(["red", "", "1,000", "red"])
    first, second = (evaluation(examples, ["blue", "blue", "1000.0", answer]).outcomes for answer in ("blue", "green"))
    both = zip(first, second, examples, strict=True)
    assert [agreed_otherwise(one, other, row.target) for one, other, row in both] == [True, False, False, False]


def test_two_labels_cannot_tell_and_the_note_says_so() -> None:
    examples = rows(["yes", "no"] * 15 + ["yes"])
    answers = [["yes"] * PROMPTS, ["no"] * PROMPTS] * 15
    found = review_rows({"dev": examples}, evaluations(examples, [*answers, ["no"] * PROMPTS]), ("yes", "no"))
    (doubt,) = of_kind(found, "looks mislabelled")
    assert "too hard looks the same" in doubt.reason
    assert found.notes[0].startswith("The task has two labels")
    assert "between one in eight and two in five" in found.notes[0]


def test_so_many_that_the_model_may_read_the_task_otherwise() -> None:
    examples = rows(TARGETS)
    turned = [["green"] * PROMPTS if target == "red" else [target] * PROMPTS for target in TARGETS]
    (note,) = [
        one for one in review_rows({"dev": examples}, evaluations(examples, turned), LABELS).notes if "10 of" in one
    ]
    assert "target 'red' and are answered 'green'" in note
    assert "none is left out" in note


def test_rows_that_decide_nothing() -> None:
    found = review_of("red", ["red"] * 12 + ["blue", "green"] * 6)
    idle = of_kind(found, "decides nothing")
    assert len(idle) == 30
    assert "too easy" in idle[0].reason
    assert "1 of 31 rows (3%) tell the 24 prompts apart; all are right on 30 and wrong on 0." in found.notes
    (hard,) = [
        one for one in of_kind(review_of("red", ["blue", "green"] * 12), "decides nothing") if "hard" in one.reason
    ]
    assert hard.example == "r30"


def test_rows_with_too_few_scores_are_not_known_to_decide() -> None:
    examples = rows(TARGETS)
    gone = [["missing"] * PROMPTS] * 20
    few = [["missing"] * (PROMPTS - 1) + ["red"]] * 2
    found = review_rows({"dev": examples}, evaluations(examples, [*COMMON[:8], *few, *gone]), LABELS)
    assert (
        "0 of 30 rows tell the 24 prompts apart; all are right on 8 and wrong on 0. Not known of 22 rows: too few of "
        "the prompts have a score there." in found.notes
    )
    assert len(of_kind(found, "decides nothing")) == 8
    assert of_kind(found, "looks mislabelled") == []  # one prompt's answer is no agreement
    differ = [["missing"] * (PROMPTS - 2) + ["red", "blue"]]  # enough to see that they differ
    found = review_rows({"dev": examples}, evaluations(examples, [*differ, *COMMON[1:30]]), LABELS)
    assert "1 of 30 rows (3%) tell the 24 prompts apart; all are right on 29 and wrong on 0." in found.notes
    half = [["missing"] * 10 + ["red"] * 14]
    found = review_rows({"dev": examples}, evaluations(examples, [*half, *COMMON[1:30]]), LABELS)
    assert of_kind(found, "decides nothing")[0].reason.startswith("Right under all 14 prompts that have a score: ")


def test_evaluations_of_other_rows_are_refused() -> None:
    examples = rows(TARGETS)
    with pytest.raises(ValueError, match="other rows than the dev rows"):
        review_rows({"dev": examples[1:]}, evaluations(examples, COMMON), LABELS)


# --- near-duplicates -------------------------------------------------------------------------------------------------

LONG = "the quick brown fox jumps over the lazy dog and then it sleeps for a while under the old oak tree by the river"


def row(name: str, text: str, target: str) -> Example:
    return Example(id=name, inputs=(("text", text),), target=target)


def repeats(**examples: list[Example]) -> list[RowDoubt]:
    # Words of half the rows are boilerplate, so that there must be other rows.
    others = [
        row(f"o{number}", f"{number} other {number} words {number} stand {number} here", "red") for number in range(9)
    ]
    splits: dict[Split, list[Example]] = {"train": others, **examples}  # type: ignore[dict-item]
    return of_kind(review_rows(splits, (), LABELS), "near-duplicate")


def test_near_copies_within_a_split_and_across() -> None:
    found = repeats(dev=[row("a", LONG, "red"), row("b", LONG + "!", "red")], test=[row("c", LONG + " today", "red")])
    assert {(one.example, one.split, one.other) for one in found} == {("b", "dev", "a"), ("c", "test", "a")}
    assert "with the same target" in found[0].reason


def test_other_targets_make_both_suspicious() -> None:
    found = repeats(dev=[row("a", LONG, "red"), row("b", LONG.upper(), "blue")])
    assert {(one.example, one.other) for one in found} == {("b", "a"), ("a", "b")}
    assert all("One of the two may be wrong" in one.reason for one in found)


def test_rows_of_one_template_are_no_near_copies() -> None:
    assert (
        repeats(dev=[row("a", "not True and False or True", "red"), row("b", "not False and True or False", "blue")])
        == []
    )


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(2_000, 2), pytest.param(10_000, 10, marks=pytest.mark.slow)],
    ids=["thousands", "ten thousand"],
)
def test_many_rows_take_seconds(count: int, seconds: float) -> None:
    rng = random.Random(1)
    words = [f"word{number}" for number in range(2000)]
    many = [row(f"m{number}", " ".join(rng.choices(words, k=12)), "red") for number in range(count)]
    many.append(row("copy", many[77].inputs[0][1].upper(), "blue"))
    began = time.process_time()
    found = repeats(train=many[:1000], test=many[1000:])
    assert {one.example for one in found} == {"copy", "m77"}
    assert time.process_time() - began < seconds


# --- the file --------------------------------------------------------------------------------------------------------


def test_no_cell_is_a_formula() -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        doubt = RowDoubt(example="x", split="dev", kind="looks mislabelled", suggested=text, share=0.5)
        written = review_csv([doubt], {"x": row("x", text, text)}, left_out=[doubt])
        assert written.count(f"'{text}") == 3, written
        assert written.endswith(",yes\n")


# --- by measurement --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flipped_rows() -> ModuleType:
    """The benchmark."""
    return load_script("benchmarks/flipped_rows.py")


def figures(
    benchmark: ModuleType, labels: int, kind: str, *, seeds: int, first: int = 0, pieces: int = 14
) -> tuple[float, float]:
    counts = [
        benchmark.measure(benchmark.kept_rule, benchmark.make_world(seed, labels, 0.15, kind, pieces))
        for seed in range(first, first + seeds)
    ]
    return benchmark.ratio(counts, "right", "listed"), benchmark.ratio(counts, "right", "flipped")


@pytest.mark.parametrize(("labels", "kind"), [(3, "b"), (5, "a")], ids=["three labels", "five labels"])
def test_flipped_labels_are_found_among_hard_rows_by_a_found_prompt_that_does_92_per_cent(
    flipped_rows: ModuleType, labels: int, kind: str
) -> None:
    # With one that does 83 % recall is bounded by what it knows: see docs/rows.md and the slow test below.
    precision, recall = figures(flipped_rows, labels, kind, seeds=2)
    assert min(precision, recall) > 0.8


def test_rows_that_are_always_misread_alike_cannot_be_told(flipped_rows: ModuleType) -> None:
    precision, recall = figures(flipped_rows, 3, "c", seeds=2)
    assert precision < 0.5 < recall


@pytest.mark.slow
@pytest.mark.parametrize("labels", [3, 5])
@pytest.mark.parametrize("kind", ["a", "b"])
def test_precision_and_recall_over_more_seeds_with_92_per_cent(
    flipped_rows: ModuleType, labels: int, kind: str
) -> None:
    precision, recall = figures(flipped_rows, labels, kind, seeds=40)
    assert not math.isnan(precision)
    assert min(precision, recall) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("labels", [3, 5])
@pytest.mark.parametrize("kind", ["a", "b"])
def test_untouched_seeds_with_83_per_cent_are_precise_but_recall_less(
    flipped_rows: ModuleType, labels: int, kind: str
) -> None:
    precision, recall = figures(flipped_rows, labels, kind, seeds=30, first=1000, pieces=10)
    assert precision > 0.9
    assert 0.7 < recall < 0.85
