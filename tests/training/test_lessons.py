"""What the writer is given to learn from."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from training.examples import (
    AS_GOOD,
    CLEARLY_BETTER,
    COMMON,
    MOST_ANSWERS,
    OTHERS,
    SHAPES,
    WORTH_WRITING,
    Lesson,
    ending,
    lessons,
    opening,
    worth_from,
)
from training.jobs import Job, Row, Weak
from training.scoring import Scored, best_of, scored_rows, shown_rows

from promptdescent.text import word_edit_distance

WEAK = ("What is this?", "Tell me about it.", "Is it nice?", "Say something about the sound.")
GOOD = (
    "Is this sound loud or quiet?",
    "Loud or quiet? Answer with one word.",
    "Classify the sound as loud or quiet.",
    "Say whether the sound is loud or quiet.",
    "Is this sound loud or quiet? Answer with one word.",
    "Decide whether this is a loud or a quiet sound and write only the label.",
    "Choose one word for the sound: loud or quiet.",
    "Loud or quiet? Reply with the label only.",
)
SCORES = dict(zip((*WEAK, *GOOD), (0, 0, 1, 7, 4, 5, 7, 7, 7, 8, 7, 6), strict=True))


@pytest.fixture(scope="module")
def job() -> Job:
    return Job(
        name="sounds",
        kind="yes-no",
        labels=("loud", "quiet"),
        noun="sound",
        able=False,
        rows=tuple(Row(input=f"sound number {place}", answer=("loud", "quiet")[place % 2]) for place in range(26)),
        weak=tuple(Weak(text=text, problem=f"Problem of {text}") for text in WEAK),
        good=GOOD,
    )


@pytest.fixture(scope="module")
def scores() -> dict[str, tuple[Scored, ...]]:
    return {"sounds": tuple(Scored(text=text, right=right, rows=8) for text, right in SCORES.items())}


@pytest.fixture(scope="module")
def many(job: Job, scores: dict[str, tuple[Scored, ...]]) -> tuple[Lesson, ...]:
    return lessons([job], scores, seed=0, count=400)


def score(text: str) -> float:
    return SCORES[text] / 8


def rewrites(many: tuple[Lesson, ...]) -> list[tuple[Lesson, str, list[str]]]:
    """Lessons that ask for a better prompt, the current one, and all that are shown."""
    found = []
    for lesson in many:
        current = re.search(r"^Current(?: \(\d+\))?: (.+)$", lesson.form, re.MULTILINE)
        if current and re.search(r"^(Better|Edited)", lesson.form, re.MULTILINE):
            past = re.findall(r"^Past(?: \(\d+\))?: (.+)$", lesson.form, re.MULTILINE)
            found.append((lesson, current[1], [*past, current[1]]))
    return found


def test_an_answer_measured_clearly_better_and_as_good_as_the_best_that_is_shown(many: tuple[Lesson, ...]) -> None:
    asked = rewrites(many)
    assert len(asked) > 250
    for lesson, current, shown in asked:
        best = max(map(score, shown))
        for answer in lesson.answers:
            assert score(answer) >= score(current) + CLEARLY_BETTER
            assert score(answer) >= best - AS_GOOD
            assert score(answer) >= WORTH_WRITING
            assert answer not in shown
            assert answer in GOOD, "a weak instruction that scored by luck is no answer"


def test_an_answer_keeps_the_word_budget_that_is_told(many: tuple[Lesson, ...]) -> None:
    tight = 0
    for lesson, current, _ in rewrites(many):
        budget = re.search(r"(\d+) words changed at most:$", lesson.form)
        for answer in lesson.answers if budget else ():
            assert word_edit_distance(current, answer) <= int(budget[1])
            tight += int(budget[1]) < 10
    assert tight > 30, "small edits are learned too"


def test_the_scores_that_are_shown_are_the_measured_ones(many: tuple[Lesson, ...]) -> None:
    shown = [pair for one in many for pair in re.findall(r"^(?:Past|Current|New) \((\d+)\): (.+)$", one.form, re.M)]
    assert len(shown) > 400
    assert all(int(told) == round(100 * score(text)) for told, text in shown)


def test_no_row_that_is_shown_is_scored(job: Job, many: tuple[Lesson, ...]) -> None:
    kept = {row.input for row in scored_rows(job)}
    assert not kept & {row.input for row in shown_rows(job)}
    assert not any(f'"{text}"' in lesson.form for lesson in many for text in kept)
    assert any('"sound number' in lesson.form for lesson in many)


def test_all_kinds_of_requests_are_taught(many: tuple[Lesson, ...]) -> None:
    asked_for = Counter(re.split(r"[,:]", lesson.form.rsplit("\n", 1)[-1])[0] for lesson in many)
    assert set(asked_for) == {
        "Better",
        "Edited",
        "In other words",
        "Instruction",
        "Problem",
        "All problems",
        "Both in one",
    }
    assert sum(shape.share for shape in SHAPES) + sum(share for _, share in OTHERS) == pytest.approx(1)
    written = sum(shape.share for shape in SHAPES if shape.verb == "write")
    assert asked_for["Better"] > written * len(many) * 0.8


def test_the_shapes_of_all_recipes_are_taught(many: tuple[Lesson, ...]) -> None:
    """As in tests/golden: a current prompt without a score, with a problem, without past prompts and budget."""
    forms = [lesson.form for lesson, _, _ in rewrites(many)]
    pe2 = [
        form for form in forms if re.search(r"^Current: .+\nProblem: .+\nBetter:$", form, re.M) and "Past" not in form
    ]
    apo = [form for form in forms if re.search(r"^Current: .+\nProblem: .+\nEdited:$", form, re.M)]
    sgdm = [form for form in forms if re.search(r"^Current \(\d+\): .+\nProblem: .+\nEdited:$", form, re.M)]
    opro = [form for form in forms if form.count("Past (") > 1 and form.endswith("Better:")]
    assert all(len(found) >= 5 for found in (pe2, apo, sgdm, opro))


def test_inductions_teach_many_instructions(many: tuple[Lesson, ...]) -> None:
    answers = Counter(answer for one in many if one.form.endswith("Instruction:") for answer in one.answers)
    assert len(answers) >= 3
    assert max(answers.values()) < sum(answers.values()) / 2


def test_both_in_one_is_not_just_the_new_one(many: tuple[Lesson, ...]) -> None:
    for lesson in many:
        if lesson.form.endswith("Both in one:"):
            assert lesson.answers[0] not in lesson.form


def test_most_forms_have_several_answers(many: tuple[Lesson, ...]) -> None:
    asked = rewrites(many)
    assert max(len(lesson.answers) for lesson in many) == MOST_ANSWERS
    assert sum(len(lesson.answers) > 1 for lesson, _, _ in asked) > len(asked) / 2
    assert all(len(set(lesson.answers)) == len(lesson.answers) for lesson in many)


def test_the_seed_decides(job: Job, scores: dict[str, tuple[Scored, ...]], many: tuple[Lesson, ...]) -> None:
    assert lessons([job], scores, seed=0, count=400) == many
    assert lessons([job], scores, seed=1, count=400) != many


def test_a_job_that_no_instruction_does_teaches_nothing(job: Job) -> None:
    nothing = {"sounds": tuple(Scored(text=text, right=0, rows=3) for text in SCORES)}
    with pytest.raises(ValueError, match="no job"):
        lessons([job], nothing, seed=0, count=1)


def test_a_job_that_is_guessed_teaches_less(job: Job, scores: dict[str, tuple[Scored, ...]]) -> None:
    guessed = replace(job, name="guessed")
    half = tuple(replace(one, right=min(one.right, 4)) for one in scores["sounds"])
    taught = Counter(lesson.job for lesson in lessons([job, guessed], {**scores, "guessed": half}, seed=0, count=300))
    assert taught["sounds"] > 10 * taught["guessed"] > 0


def test_an_answer_keeps_what_the_prompt_calls_the_inputs(job: Job) -> None:
    """Of two instructions that are as good, the one that shares more words with what is shown."""
    said = ("What is this noise?", "Is this noise loud or quiet?", "Is this sound loud or quiet?")
    measured = {"sounds": tuple(Scored(text=text, right=8 * (text != said[0]), rows=8) for text in said)}
    one = replace(job, weak=2 * (Weak(text=said[0], problem="It names no label."),), good=said[1:])
    asked = rewrites(lessons([one], measured, seed=0, count=400))
    first = Counter(lesson.answers[0] for lesson, current, shown in asked if shown == [current] == [said[0]])
    assert first[said[1]] > 1.3 * first[said[2]] > 0


def test_an_ending_that_does_well_in_other_jobs_is_drawn_more_often(job: Job) -> None:
    one, other = "Is this sound loud or quiet? One word.", "Is this sound loud or quiet? Only that."
    said = dict.fromkeys((one, other), 8) | {WEAK[0]: 0}
    for place in range(COMMON):
        said |= {f"Loud or quiet, {place}? One word.": 5, f"Loud or quiet, {place}? Only that.": 1}
    few, many = replace(job, name="few", good=(one, other)), replace(job, name="many", good=tuple(said))
    measured = {
        "few": tuple(Scored(text=text, right=said[text], rows=8) for text in (WEAK[0], one, other)),
        "many": tuple(Scored(text=text, right=right, rows=8) for text, right in said.items()),
    }
    few = replace(few, weak=2 * (Weak(text=WEAK[0], problem="It names no label."),))
    taught = lessons([few, replace(many, weak=few.weak)], measured, seed=0, count=600)
    first = Counter(ending(one.answers[0]) for one in taught if one.job == "few" and len(one.answers) == 2)
    assert first["One word."] > 2 * first["Only that."] > 0
    assert (ending(other), ending("Loud or quiet?"), ending("Loud? Quiet: which?")) == ("Only that.", "", "which?")


def test_an_opening_that_does_well_in_other_jobs_is_drawn_more_often(job: Job) -> None:
    one, other = "Hear this text: loud or quiet. Say it.", "Sort this sound: loud or quiet. Say it."
    said = dict.fromkeys((one, other), 8) | {WEAK[0]: 0}
    for place in range(COMMON):
        said |= {f"Hear this text: far or near. {place}": 5, f"Sort this light: near or far. {place}": 1}
    few = replace(job, name="few", good=(one, other), weak=2 * (Weak(text=WEAK[0], problem="It names no label."),))
    rows = tuple(Row(input=row.input, answer={"loud": "far", "quiet": "near"}[row.answer]) for row in few.rows)
    many = replace(few, name="many", good=tuple(said), labels=("far", "near"), noun="light", rows=rows)
    measured = {
        "few": tuple(Scored(text=text, right=said[text], rows=8) for text in (WEAK[0], one, other)),
        "many": tuple(Scored(text=text, right=right, rows=8) for text, right in said.items()),
    }
    taught = lessons([few, many], measured, seed=0, count=600)
    first = Counter(opening(few, lesson.answers[0]) for lesson in taught if lesson.job == "few")
    assert first["Hear this text: . or .."] > 2 * first["Sort this .: . or .."] > 0
    assert opening(few, "Is this soundless, loud or quiet?") == "Is this soundless, . or .?"


def test_a_prompt_that_a_small_edit_mends_is_more_often_the_current_one(job: Job) -> None:
    good, near, far = "Is this sound loud or quiet? Say it.", "Is this sound loud or quiet?", "Tell me about it."
    measured = {"sounds": tuple(Scored(text=text, right=8 * (text == good), rows=8) for text in (far, near, good))}
    one = replace(job, weak=2 * (Weak(text=far, problem="It names no label."),), good=(near, good))
    alone = [asked for asked in rewrites(lessons([one], measured, seed=0, count=400)) if "Problem" not in asked[0].form]
    currents = Counter(current for _, current, _ in alone)
    assert currents[near] > 10 * currents[far] > 0


def test_answers_of_a_lesson_end_differently(job: Job) -> None:
    """So that proposals vary where it matters most."""
    ends = ("Just one word.", "The label alone.", "Nothing else.")
    good = tuple(f"{question} {end}" for end in ends for question in ("Loud or quiet?", "Is it loud or quiet?"))
    measured = {"sounds": tuple(Scored(text=text, right=8 * (text in good), rows=8) for text in (*WEAK, *good))}
    one = replace(job, good=good)
    taught = [asked[0] for asked in rewrites(lessons([one], measured, seed=0, count=300))]
    # Where no budget and no prompt that is shown leaves out some of the good ones.
    free = [lesson for lesson in taught if "Past" not in lesson.form and "words" not in lesson.form]
    assert len(free) > 30
    assert all({ending(text) for text in lesson.answers} == set(ends) for lesson in free)


def test_one_lucky_instruction_does_not_say_what_the_model_can_do(job: Job) -> None:
    right = dict.fromkeys(GOOD, 0) | dict(zip(GOOD, (8, 4, 4, 4, 4), strict=False)) | dict.fromkeys(WEAK, 8)
    scored = [Scored(text=text, right=count, rows=8) for text, count in right.items()]
    assert best_of(job, scored) == pytest.approx(0.6)
    assert best_of(job, scored[:2]) == pytest.approx(0.75), "of fewer, the mean of those there are"


def test_where_the_model_can_do_the_job_guessing_is_no_answer(job: Job, scores: dict[str, tuple[Scored, ...]]) -> None:
    best = Scored(text="Is this sound loud or quiet? Say it.", right=16, rows=16)
    luck = Scored(text="Loud or quiet, I ask?", right=5, rows=8)
    measured = {"sounds": (*scores["sounds"][:4], best, luck)}
    answers = {answer for lesson in lessons([job], measured, seed=0, count=100) for answer in lesson.answers}
    assert best.text in answers
    assert luck.text not in answers
    assert luck.score > worth_from(best.score)


@pytest.mark.parametrize("name", ["sounds", "noises", "tones", "bells", "drums", "horns"])
def test_every_share_of_the_rows_holds_all_labels(job: Job, name: str) -> None:
    """Whatever the name, from which the order of the rows follows."""
    named = replace(job, name=name)
    assert Counter(row.answer for row in scored_rows(named)) == {"loud": 8, "quiet": 8}
    assert Counter(row.answer for row in shown_rows(named)) == {"loud": 5, "quiet": 5}


# --- what a lesson shows ----------------------------------------------------------------------------------------------


def test_the_problem_that_is_shown_or_taught_is_the_prompts_own(many: tuple[Lesson, ...]) -> None:
    shown = [pair for one in many for pair in re.findall(r"Current(?: \(\d+\))?: (.+)\nProblem: (.+)\n", one.form)]
    taught = [
        (re.search(r"^Current: (.+)$", one.form, re.M)[1], one.answers)  # type: ignore[index]
        for one in many
        if one.form.endswith("\nProblem:")
    ]
    assert len(shown) > 50
    assert len(taught) > 4
    assert {problem for _, problem in shown} <= {f"Problem of {text}" for text in WEAK}
    assert all(problem == f"Problem of {text}" for text, problem in shown)
    assert all(answers == (f"Problem of {text}",) for text, answers in taught)


def test_a_mistake_that_is_shown_is_one(many: tuple[Lesson, ...]) -> None:
    mistakes = re.findall(r'^".+" = (.+), not "(.*)"$', "\n".join(one.form for one in many), re.M)
    assert len(mistakes) > 4
    assert all(said != right for right, said in mistakes)


def test_a_paraphrase_keeps_its_budget(many: tuple[Lesson, ...]) -> None:
    told = [one for one in many if re.search(r"^In other words, \d+ words", one.form, re.M)]
    assert len(told) > 3
    for one in told:
        words = int(re.search(r"^In other words, (\d+) words", one.form, re.M)[1])  # type: ignore[index]
        current = re.search(r"^Current: (.+)$", one.form, re.M)[1]  # type: ignore[index]
        assert all(word_edit_distance(current, answer) <= words for answer in one.answers)


def test_labels_and_past_prompts_come_in_any_order(many: tuple[Lesson, ...]) -> None:
    orders = Counter(re.findall(r"^Answers: (.+)$", "\n".join(one.form for one in many), re.M))
    assert set(orders) == {"loud, quiet", "quiet, loud"}
    past = [[int(told) for told in re.findall(r"^Past \((\d+)\)", one.form, re.M)] for one in many]
    ordered = [scores == sorted(scores) for scores in past if len(scores) > 1]
    assert 0.6 < sum(ordered) / len(ordered) < 0.95, "ascending, as most recipes show them, and otherwise"
    assert {len(scores) for scores in past} >= {0, 1, 2, 3, 5, 7}


def test_the_better_answer_is_drawn_more_often(job: Job) -> None:
    said = {WEAK[0]: 0, "Loud or quiet? Say it.": 8, "Quiet or loud? Say it.": 6}
    measured = {"sounds": tuple(Scored(text=text, right=right, rows=8) for text, right in said.items())}
    one = replace(job, weak=2 * (Weak(text=WEAK[0], problem="It names no label."),), good=tuple(said)[1:])
    asked = rewrites(lessons([one], measured, seed=0, count=400))
    first = Counter(lesson.answers[0] for lesson, current, shown in asked if shown == [current] == [WEAK[0]])
    assert first["Loud or quiet? Say it."] > 2 * first["Quiet or loud? Say it."] > 0


def test_what_hardly_ever_works_is_no_answer(job: Job) -> None:
    """However little the best of the job does."""
    said = {WEAK[0]: 0, GOOD[0]: 6, GOOD[1]: 5, GOOD[2]: 3}
    measured = {"sounds": tuple(Scored(text=text, right=right, rows=16) for text, right in said.items())}
    answers = {answer for one in lessons([job], measured, seed=0, count=100) for answer in one.answers}
    assert answers & set(GOOD) == {GOOD[0], GOOD[1]}
