"""The benchmarks as they are declared, and their rows from a folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, DataError
from promptdescent.records import Example
from promptdescent.tasks.benchmarks import SUITES, load_rows, suite_named, task_names
from promptdescent.tasks.metrics import choose_metric
from promptdescent.text import placeholders

BBH_KINDS = {
    "choice": """date_understanding disambiguation_qa geometric_shapes hyperbaton logical_deduction_five_objects
        logical_deduction_seven_objects logical_deduction_three_objects movie_recommendation penguins_in_a_table
        reasoning_about_colored_objects ruin_names salient_translation_error_detection snarks temporal_sequences
        tracking_shuffled_objects_five_objects tracking_shuffled_objects_seven_objects
        tracking_shuffled_objects_three_objects""",
    "boolean": "boolean_expressions causal_judgement formal_fallacies navigate sports_understanding web_of_lies",
    "number": "multistep_arithmetic_two object_counting",
    "brackets": "dyck_languages",
    "words": "word_sorting",
}


def write_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_bbh(folder: Path, task: str, rows: Sequence[tuple[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    examples = [{"input": question, "target": target} for question, target in rows]
    path = folder / f"{task}.json"
    path.write_text(json.dumps({"examples": examples}), encoding="utf-8")
    return path


def sums(count: int) -> list[tuple[str, object]]:
    return [(f"{number} + {number} =", str(2 * number)) for number in range(count)]


# --- declarations ----------------------------------------------------------------------------------------------------


def test_tasks_of_bbh_and_their_kinds() -> None:
    tasks = SUITES["bbh"].tasks
    expected = {name: kind for kind, names in BBH_KINDS.items() for name in names.split()}
    assert {name: task.kind for name, task in tasks.items()} == expected
    assert Counter(task.kind for task in tasks.values()) == {
        "choice": 17,
        "boolean": 6,
        "number": 2,
        "brackets": 1,
        "words": 1,
    }
    assert len(tasks) == 27


def test_subjects_of_mmlu() -> None:
    names = list(SUITES["mmlu"].tasks)
    assert (len(names), len(set(names)), names) == (57, 57, sorted(names))
    starts = ("high_school_", "college_", "professional_")
    assert [sum(name.startswith(start) for name in names) for start in starts] == [14, 6, 4]
    assert {"abstract_algebra", "miscellaneous", "moral_scenarios", "us_foreign_policy", "virology"} <= set(names)


@pytest.mark.parametrize(
    ("suite", "train", "dev", "test"),
    [
        ("bbh", 1247, 1247, 3747),
        ("mmlu", 1140, 1140, 3410),
        ("gsm8k", 100, 100, 300),
        ("wsc", 50, 50, 150),
        ("webnlg", 100, 100, 300),
    ],
)
def test_sizes_add_up_to_those_of_the_paper(suite: str, train: int, dev: int, test: int) -> None:
    sizes = [task.sizes for task in SUITES[suite].tasks.values()]
    assert sum(size.train or 0 for size in sizes) == train
    assert sum(size.dev or 0 for size in sizes) == dev
    assert sum(size.test or 0 for size in sizes) == test


def test_the_three_short_tasks_of_bbh() -> None:
    tasks = SUITES["bbh"].tasks
    short = {name: (task.sizes.train, task.sizes.test) for name, task in tasks.items() if task.sizes.train != 48}
    assert short == {"causal_judgement": (35, 107), "penguins_in_a_table": (27, 82), "snarks": (33, 102)}


def test_start_prompts() -> None:
    subject = SUITES["mmlu"].tasks["high_school_us_history"]
    assert subject.start == "The following are multiple choice questions about high school us history."
    assert subject.placement == "before"
    others = [task for suite in SUITES.values() if suite.name != "mmlu" for task in suite.tasks.values()]
    assert {(task.start, task.placement) for task in others} == {("Let's think step by step.", "after")}


def test_what_every_task_says() -> None:
    for suite in SUITES.values():
        for name, task in suite.tasks.items():
            assert task.name == name
            assert not placeholders(task.start)
            assert task.about
            assert (task.bare_answer == "") == (task.kind == "rouge-l"), name
            assert all(word in task.bare_answer for word in task.answers)


def test_bare_answers_name_what_is_asked_for() -> None:
    asked = {name: SUITES["bbh"].tasks[name].bare_answer for name in SUITES["bbh"].tasks}
    assert "True or False" in asked["boolean_expressions"]
    assert "valid or invalid" in asked["formal_fallacies"]
    assert "Yes or No" in asked["navigate"]
    assert "letter" in asked["snarks"]
    assert "number" in asked["object_counting"]
    assert "closing brackets" in asked["dyck_languages"]
    assert "space" in asked["word_sorting"]
    assert "(D)" in SUITES["mmlu"].tasks["anatomy"].bare_answer


def test_instruction_induction_has_the_24_published_tasks() -> None:
    kinds = Counter(task.kind for task in SUITES["instruction_induction"].tasks.values())
    assert kinds == {"exact": 17, "number": 2, "words": 2, "rouge-l": 2, "choice": 1}


def test_names_of_suites_and_tasks() -> None:
    assert suite_named("bbh").name == "bbh"
    with pytest.raises(ConfigError, match="did you mean 'gsm8k'"):
        suite_named("gsm8")
    bbh = SUITES["bbh"]
    assert task_names(bbh, None) == tuple(bbh.tasks)
    assert task_names(bbh, "snarks, navigate") == ("snarks", "navigate")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("snark", "did you mean 'snarks'"),
        ("snarks,snarks", "more than once"),
        (" , ", "names no task"),
    ],
)
def test_tasks_that_cannot_be_had(wanted: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_names(SUITES["bbh"], wanted)


@pytest.mark.parametrize("suite", list(SUITES))
def test_metrics_are_those_that_there_are(suite: str) -> None:
    samples = {"number": "4", "brackets": "] )", "choice": "(A)", "boolean": "Yes", "rouge-l": '["A city.", "A town."]'}
    for task in SUITES[suite].tasks.values():
        target = task.answers[0] if task.answers else samples.get(task.kind, "pear fig")
        for name in (task.metric, task.reference_metric):
            metric = choose_metric(name, [target], read=task.read)
            row = Example(id=task.name, inputs=(("input", "Which?\n(A) x\n(B) y"),), target=target)
            assert metric.score("A city." if task.kind == "rouge-l" else target, row).value > 0.5, (task.name, name)


# --- folders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [True, False], ids=["the suite's folder", "the folder above"])
def test_folder_of_bbh(tmp_path: Path, inside: bool) -> None:
    write_bbh(tmp_path / "bbh", "multistep_arithmetic_two", sums(3))
    folder = tmp_path / "bbh" if inside else tmp_path
    rows = load_rows(SUITES["bbh"], "multistep_arithmetic_two", data_dir=folder)
    assert rows.pool[2] == {"input": "2 + 2 =", "target": "4"}
    assert (len(rows.pool), rows.ready, rows.notes) == (3, None, ())


def test_lines_of_input_and_target(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"input": "Close: ( [", "target": " ] ) "}, {"input": "Close: {", "target": "}"}]
    write_lines(tmp_path / "dyck_languages.jsonl", rows)
    loaded = load_rows(SUITES["bbh"], "dyck_languages", data_dir=tmp_path)
    assert [row["target"] for row in loaded.pool] == ["] )", "}"]


def test_mmlu_question_has_its_options_below_it(tmp_path: Path) -> None:
    question: dict[str, object] = {
        "question": "What is dry?",
        "choices": ["rain", "sand ", "sea", "ice"],
        "subject": "anatomy",
    }
    lines = [
        question | {"answer": 1, "split": "train"},
        question | {"answer": "C", "split": "validation"},
        question | {"answer": "3", "split": "TEST"},
        question | {"answer": "(a)", "split": "eval"},
    ]
    write_lines(tmp_path / "mmlu" / "anatomy.jsonl", lines)
    rows = load_rows(SUITES["mmlu"], "anatomy", data_dir=tmp_path)
    assert rows.pool[0]["input"] == "What is dry?\n(A) rain\n(B) sand\n(C) sea\n(D) ice"
    assert rows.ready is not None
    targets = {split: [row["target"] for row in part] for split, part in rows.ready.items()}
    assert targets == {"train": ["(B)"], "dev": ["(C)", "(A)"], "test": ["(D)"]}


def test_mmlu_without_a_split_column(tmp_path: Path) -> None:
    write_lines(tmp_path / "anatomy.jsonl", [{"question": "Which?", "choices": ["a", "b"], "answer": 0}] * 3)
    rows = load_rows(SUITES["mmlu"], "anatomy", data_dir=tmp_path)
    assert (len(rows.pool), rows.ready) == (3, None)


def test_worked_solutions_of_gsm8k(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [{"question": "Two and two?", "answer": "2 + 2 = 4\n#### 4"}])
    write_lines(tmp_path / "test.jsonl", [{"question": "A thousand and one?", "answer": "Add.\n#### 1,001"}])
    rows = load_rows(SUITES["gsm8k"], "gsm8k", data_dir=tmp_path)
    assert rows.ready == {
        "train": ({"input": "Two and two?", "target": "4"},),
        "test": ({"input": "A thousand and one?", "target": "1,001"},),
    }


def test_references_become_json(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        write_lines(tmp_path / f"{name}.jsonl", [{"input": f"{name}: a | b | c", "output": ["A b c.", "\u00c1 b c."]}])
    rows = load_rows(SUITES["webnlg"], "webnlg", data_dir=tmp_path)
    assert rows.ready is not None
    assert set(rows.ready) == {"train", "dev", "test"}
    assert rows.pool[0]["target"] == '["A b c.", "\u00c1 b c."]'


def test_rows_of_instruction_induction(tmp_path: Path) -> None:
    write_lines(tmp_path / "sentiment.jsonl", [{"input": "Fine film.", "output": "positive", "part": "induce"}])
    write_lines(tmp_path / "rhymes.jsonl", [{"input": "sing", "output": ["ring", "king"]}])
    suite = SUITES["instruction_induction"]
    assert load_rows(suite, "sentiment", data_dir=tmp_path).pool[0]["target"] == "positive"
    assert load_rows(suite, "rhymes", data_dir=tmp_path).pool[0]["target"] == '["ring", "king"]'


def test_rows_that_can_never_be_right_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_bbh(tmp_path, "movie_recommendation", [("Like?\n(A) x\n(B) y", "(A)"), ("Like?\n(A) z", "Film, Inc")])
    rows = load_rows(SUITES["bbh"], "movie_recommendation", data_dir=tmp_path)
    assert [row["target"] for row in rows.pool] == ["(A)"]
    assert rows.notes == (
        f"1 row is left out, since no answer could be right: row 2 of {path} has the target 'Film, Inc'.",
    )


@pytest.mark.parametrize(
    ("task", "targets", "kept"),
    [
        ("snarks", ["(A)", "B", "(b)", "AB"], ["(A)", "(B)", "(B)"]),
        ("navigate", ["Yes", "no", "perhaps"], ["Yes", "no"]),
        ("object_counting", ["7", "-3", "many"], ["7", "-3"]),
        ("dyck_languages", ["] )", "( ]", ">"], ["] )", ">"]),
        ("word_sorting", ["a b", "c"], ["a b", "c"]),
    ],
)
def test_which_targets_can_be_scored(tmp_path: Path, task: str, targets: list[str], kept: list[str]) -> None:
    write_bbh(tmp_path, task, [(f"question {number}", target) for number, target in enumerate(targets)])
    assert [row["target"] for row in load_rows(SUITES["bbh"], task, data_dir=tmp_path).pool] == kept


def test_only_a_test_file_is_said(tmp_path: Path) -> None:
    write_lines(tmp_path / "test.jsonl", [{"question": "One?", "answer": "#### 1"}])
    rows = load_rows(SUITES["gsm8k"], "gsm8k", data_dir=tmp_path)
    assert rows.ready is None
    assert rows.notes == ("Only test rows are there, so all three splits are drawn from them.",)


# --- what cannot be used ---------------------------------------------------------------------------------------------


def failure(suite: str, task: str, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_rows(SUITES[suite], task, data_dir=folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", [None, "", "  "])
def test_row_without_a_target(tmp_path: Path, target: object) -> None:
    path = write_bbh(tmp_path, "object_counting", [("How many?", "3"), ("How many pens?", target)])
    assert failure("bbh", "object_counting", tmp_path).startswith(f"{path}, row 2: no right answer in the column")


def test_row_without_the_column(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "object_counting.jsonl", [{"question": "How many?", "target": "3"}])
    assert failure("bbh", "object_counting", tmp_path) == f"{path}, row 1: no text in the column 'input'"


@pytest.mark.parametrize("answer", [4, -1, "E", "", None, True, 1.5])
def test_answer_that_is_none_of_the_choices(tmp_path: Path, answer: object) -> None:
    path = write_lines(tmp_path / "anatomy.jsonl", [{"question": "Which?", "choices": list("wxyz"), "answer": answer}])
    assert failure("mmlu", "anatomy", tmp_path).startswith(f"{path}, row 1: the answer {answer!r} is none of the 4")


@pytest.mark.parametrize("choices", [None, [], ["one"], "A, B"])
def test_choices_that_are_no_list(tmp_path: Path, choices: object) -> None:
    path = write_lines(tmp_path / "anatomy.jsonl", [{"question": "Which?", "choices": choices, "answer": 0}])
    assert failure("mmlu", "anatomy", tmp_path).startswith(f"{path}, row 1: the column 'choices' is no list")


@pytest.mark.parametrize("value", ["later", None])
def test_split_that_is_none(tmp_path: Path, value: object) -> None:
    row = {"question": "Which?", "choices": ["a", "b"], "answer": 0}
    path = write_lines(tmp_path / "anatomy.jsonl", [row | {"split": "train"}, row | {"split": value}])
    assert failure("mmlu", "anatomy", tmp_path).startswith(f"{path}, row 2: the column 'split' says")


def test_solution_without_its_mark(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"question": "Two and two?", "answer": "2 + 2 = 4"}])
    assert failure("gsm8k", "gsm8k", tmp_path).startswith(f"{path}, row 1: the column 'answer' has no '#### N'")


def test_no_row_can_be_scored(tmp_path: Path) -> None:
    path = write_bbh(tmp_path, "snarks", [("Which?", "the first")])
    assert failure("bbh", "snarks", tmp_path).startswith(f"{path}: no row can be scored as choice: row 1 of")


def test_missing_task_says_what_is_there(tmp_path: Path) -> None:
    write_bbh(tmp_path / "bbh", "snark", [("Which?", "(A)")])
    said = failure("bbh", "snarks", tmp_path)
    assert f"no file snarks.json or snarks.jsonl in --data-dir {tmp_path} (there are snark.json)" in said
    assert "did you mean 'snark'?" in said
    assert "BIG-Bench-Hard" in said


def test_folders_that_are_none(tmp_path: Path) -> None:
    assert "there is no such folder" in failure("bbh", "snarks", tmp_path / "nowhere")
    path = write_bbh(tmp_path, "snarks", [("Which?", "(A)")])
    assert "this is a file, not a folder" in failure("bbh", "snarks", path)


def test_folder_without_rows(tmp_path: Path) -> None:
    assert "(there are no files of rows)" in failure("wsc", "wsc", tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "snarks.json").write_text("", encoding="utf-8")
    assert "snarks.json: the file is empty" in failure("bbh", "snarks", tmp_path)


def test_one_task_in_two_files(tmp_path: Path) -> None:
    write_bbh(tmp_path, "snarks", [("Which?", "(A)")])
    write_lines(tmp_path / "snarks.jsonl", [{"input": "Which?", "target": "(B)"}])
    assert "there is also snarks.json" in failure("bbh", "snarks", tmp_path)


def test_one_split_in_two_files(tmp_path: Path) -> None:
    for name in ("dev", "validation"):
        write_lines(tmp_path / f"{name}.jsonl", [{"input": "Who?", "output": "(A)"}])
    assert "the same split" in failure("wsc", "wsc", tmp_path)


def test_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:  # the owner of a folder may be root, whom no mode bits keep out
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert failure("bbh", "snarks", tmp_path).endswith("the folder cannot be read: Permission denied")


def test_unknown_task() -> None:
    with pytest.raises(ConfigError, match="did you mean 'snarks'"):
        load_rows(SUITES["bbh"], "snark", data_dir=None)


# --- real rows -------------------------------------------------------------------------------------------------------


def test_every_shared_file_is_read(shared_data: Path) -> None:
    read = Counter[str]()
    for suite in SUITES.values():
        for name in suite.tasks:
            path = shared_data / suite.name
            if not (any(path.glob(f"{name}.json*")) or (len(suite.tasks) == 1 and path.is_dir())):
                continue
            rows = load_rows(suite, name, data_dir=shared_data)
            read[suite.name] += 1
            assert len(rows.pool) >= 90
            assert not rows.notes
            if suite.tasks[name].kind != "rouge-l":
                metric = choose_metric(suite.tasks[name].metric, [row["target"] for row in rows.pool], read=None)
                for row in rows.pool:
                    example = Example(id=name, inputs=(("input", row["input"]),), target=row["target"])
                    assert metric.score(row["target"], example).value == 1, (name, row["target"])
    assert read == {"bbh": 12, "mmlu": 6, "gsm8k": 1, "wsc": 1, "webnlg": 1, "instruction_induction": 5}
