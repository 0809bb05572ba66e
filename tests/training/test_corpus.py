"""The corpus that the prompt writer is trained on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from training.jobs import FEWEST_GOOD, FEWEST_ROWS, FEWEST_WEAK, FOLDER, KINDS, Job, Row, Weak, read_job, read_jobs
from training.leaks import Leak, files_to_check, leaks
from training.phrasings import (
    CLOSE_PER_JOB,
    EDITS,
    ENDINGS,
    OPENED,
    PLAIN_NOUNS,
    PLAIN_PER_JOB,
    close_phrasings,
    phrasings,
    plain_phrasings,
)
from training.scoring import STAGES, key_of

GOOD_FILE = {
    "kind": '"sorting"',
    "labels": '["loud", "quiet"]',
    "noun": '"sound"',
    "rows": json.dumps([[f"sound {place}", ("loud", "quiet")[place % 2]] for place in range(FEWEST_ROWS)]),
    "weak": json.dumps([[f"What is it, version {place}?", "It is vague."] for place in range(FEWEST_WEAK)]),
    "good": json.dumps([f"Loud or quiet, version {place}?" for place in range(FEWEST_GOOD)]),
}


@pytest.fixture(scope="module")
def corpus() -> tuple[Job, ...]:
    return read_jobs()


def written(folder: Path, **changed: str) -> Path:
    path = folder / "loud-or-quiet.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in {**GOOD_FILE, **changed}.items()))
    return path


def test_the_corpus_is_as_large_as_it_says(corpus: tuple[Job, ...]) -> None:
    assert len(corpus) >= 150
    assert len({job.name for job in corpus}) == len(corpus)
    assert all(len(job.instructions) >= 12 for job in corpus)
    assert set(Counter(job.kind for job in corpus)) == set(KINDS)


def test_no_instruction_belongs_to_many_jobs(corpus: tuple[Job, ...]) -> None:
    jobs_of = Counter(text for job in corpus for text in {one.casefold() for one in job.good})
    assert [text for text, jobs in jobs_of.items() if jobs > 3] == []


def test_a_job_is_read(tmp_path: Path) -> None:
    job = read_job(written(tmp_path))
    assert (job.name, job.kind, job.labels) == ("loud-or-quiet", "sorting", ("loud", "quiet"))
    assert job.rows[1] == Row(input="sound 1", answer="quiet")
    assert job.weak[0] == Weak(text="What is it, version 0?", problem="It is vague.")
    assert len(job.instructions) == FEWEST_WEAK + FEWEST_GOOD + EDITS + OPENED


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"kind": '"dancing"'}, "kind 'dancing' is none of"),
        ({"rows": '[["a sound", "loud"]]'}, "rows has 1 entries"),
        ({"good": '["Loud or quiet?"]'}, "good has 1 entries"),
        ({"noun": '""'}, "a noun for the inputs is needed"),
        ({"labels": '["loud", "soft"]'}, "answers that are no labels: ['quiet']"),
        ({"rows": GOOD_FILE["rows"].replace("quiet", "loud")}, "label 'quiet' has 0% of the rows"),
        ({"rows": GOOD_FILE["rows"].replace("sound 3", "sound 1")}, "rows with the same input: ['sound 1']"),
        ({"good": GOOD_FILE["good"].replace("version 3?", "version 4?")}, "an instruction stands there twice"),
        ({"good": GOOD_FILE["good"].replace("Loud or quiet, version 3?", "Loud?")}, "'Loud?' has 1 words"),
        ({"good": GOOD_FILE["good"].replace("version 3?", "version 3? ")}, "has space around it"),
    ],
)
def test_a_job_that_is_not_as_it_has_to_be_is_refused(tmp_path: Path, changed: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=r"loud-or-quiet\.toml") as error:
        read_job(written(tmp_path, **changed))
    assert fault in str(error.value)


def test_phrasings_name_all_labels_and_are_decided_by_the_job() -> None:
    labels = ("land", "sea", "air")
    written = ("Land, sea or air?", "Where does this boat go: land, sea or air?")
    for sorting in (True, False):
        made = phrasings("where", labels, "boat", written, sorting=sorting)
        assert len(set(made)) == EDITS + OPENED
        assert all(label in text.lower() for text in made for label in labels)
        assert made == phrasings("where", labels, "boat", written, sorting=sorting)
        assert made != phrasings("whither", labels, "boat", written, sorting=sorting)


def test_phrasings_edit_the_questions_of_a_job_and_name_its_inputs_as_it_does() -> None:
    written = ("Loud or quiet?", "Say loud or quiet.", "Is it loud or quiet, and would you please tell me why it is?")
    made = phrasings("sounds", ("loud", "quiet"), "sound", written, sorting=True)
    asked = {text.split("?")[0] + "?" for text in made[:EDITS]}
    assert "Loud or quiet?" in asked
    assert asked <= {"Loud or quiet?", "Is this sound loud or quiet?", "Is this sound quiet or loud?"}
    assert all(text.split("? ")[1] in {ending.format(word="label") for ending in ENDINGS} for text in made[:EDITS])
    assert any("the sound" in text or "this sound" in text for text in made[EDITS:])
    one = phrasings("sounds", ("loud", "quiet"), "sound", ("Loud or quiet?",), sorting=False)
    assert len(one) == len(ENDINGS) + OPENED


def test_a_job_that_the_model_can_do_has_instructions_that_differ_in_little(tmp_path: Path) -> None:
    made = close_phrasings("sounds", ("loud", "quiet"), "sound")
    assert made == close_phrasings("sounds", ("loud", "quiet"), "sound")
    assert len(set(made)) == CLOSE_PER_JOB
    assert all("sound" in text and "loud" in text and "quiet" in text for text in made)
    job = read_job(written(tmp_path, able="true"))
    assert len(job.instructions) > FEWEST_WEAK + FEWEST_GOOD + EDITS + OPENED + CLOSE_PER_JOB / 2


def test_some_of_its_instructions_call_the_input_a_text(tmp_path: Path) -> None:
    made = plain_phrasings("loud-or-quiet", ("loud", "quiet"))
    assert made == plain_phrasings("loud-or-quiet", ("loud", "quiet"))
    assert len(set(made)) == PLAIN_PER_JOB
    assert all(any(noun in text for noun in PLAIN_NOUNS) and "loud" in text and "quiet" in text for text in made)
    assert set(made) <= set(read_job(written(tmp_path, able="true")).instructions)
    assert not set(made) & set(read_job(written(tmp_path)).instructions)


def test_only_jobs_that_sort_are_told_to_sort(corpus: tuple[Job, ...]) -> None:
    """Of a yes/no question "Classify the text as yes or no" would say nothing; an answer is asked for."""
    for job in corpus:
        made = job.instructions[len(job.weak) + len(job.good) :]
        assert bool(made) == bool(job.labels)
        if job.kind != "sorting":
            assert not any(text.startswith(("Classify", "Categorize", "Sort")) for text in made)


def test_every_instruction_is_measured(corpus: tuple[Job, ...]) -> None:
    """The scores in the repository are those of the corpus as it is."""
    entries = [json.loads(line) for line in (FOLDER.parent / "scores.jsonl").read_text("utf-8").splitlines()]
    assert {entry["job"]: entry["key"] for entry in entries} == {job.name: key_of(job) for job in corpus}
    assert len({entry["model"] for entry in entries}) == 1
    measured = {entry["job"]: entry["scores"] for entry in entries}
    for job in corpus:
        assert [text for text, _, _ in measured[job.name]] == list(job.instructions)
        assert all(0 <= right <= rows and rows in {upto for upto, _ in STAGES} for _, right, rows in measured[job.name])
    assert sum(max(right / rows for _, right, rows in scores) >= 0.5 for scores in measured.values()) > 60


# --- nothing of the test jobs is in it --------------------------------------------------------------------------------


def job_with(*rows: tuple[str, str], good: str = "Name the place.") -> Job:
    return Job(
        name="mine",
        kind="extraction",
        labels=(),
        noun="",
        able=False,
        rows=tuple(Row(input=text, answer=answer) for text, answer in rows),
        weak=(),
        good=(good,),
    )


def test_rows_of_a_data_set_are_found_in_any_writing(tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"input": "The cat sat down.", "output": "cat"}\n{"input": "mouse", "output": "mice"}\n')
    whole = tmp_path / "rows.json"
    whole.write_text('{"examples": [{"input": "not ( True )", "target": "False", "choices": ["seven", "eight"]}]}')
    job = job_with(
        ("THE CAT SAT DOWN", "dog"), ("Mouse", "Mice"), ("not (true)", "x"), ("mouse", "grey"), ("seven", "eight")
    )
    assert leaks([job], [lines, whole]) == (
        Leak("mine", "THE CAT SAT DOWN", "rows.jsonl"),
        Leak("mine", "Mouse", "rows.jsonl"),
        Leak("mine", "not (true)", "rows.json"),
    )
    assert leaks([job_with(("a", "b"), good="The cat sat down")], [lines]) == (
        Leak("mine", "The cat sat down", "rows.jsonl"),
    )


def test_no_row_of_the_demo_is_in_the_corpus(corpus: tuple[Job, ...]) -> None:
    (demo,) = files_to_check(None)
    assert len(demo.read_text("utf-8").splitlines()) == 640
    assert leaks(corpus, [demo]) == ()


def test_no_shared_row_is_in_the_corpus(corpus: tuple[Job, ...], shared_data: Path) -> None:
    files = files_to_check(shared_data)
    assert {"sentiment.jsonl", "causal_judgement.json", "test.jsonl", "marketing.jsonl"} <= {
        file.name for file in files
    }
    assert leaks(corpus, files) == ()
