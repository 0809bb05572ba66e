"""A study before its first call."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from study_samples import PROMPT, made_up_run, write_grid, write_task

from promptdescent.assembly import NO_EXTRAS, recipe_for
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.experiments.grids import grid_named
from promptdescent.experiments.pilots import judged, planned_steps
from promptdescent.experiments.plan import StudyPlan, run_key, tasks_from
from promptdescent.parts.method.step_size import Constant, Cosine, Unbounded, Warmup


def plan_of(folder: Path, *files: Path, flags: dict[str, object] | None = None, **settings: object) -> StudyPlan:
    tasks = tasks_from([str(file) for file in files or [write_task(folder)]], flags or {})
    grid = grid_named(str(write_grid(folder)))
    return replace(StudyPlan(grid=grid, tasks=tasks, seeds=(0, 1)), **settings)


def test_a_task_goes_by_its_file_or_by_the_folder_of_task_yaml(tmp_path: Path) -> None:
    files = [write_task(tmp_path, "mail"), write_task(tmp_path / "navigate", "task")]
    assert [task.name for task in plan_of(tmp_path, *files).tasks] == ["mail", "navigate"]
    with pytest.raises(ConfigError, match="two task files are called mail"):
        tasks_from([str(files[0]), str(write_task(tmp_path / "other", "mail"))], {})


def test_flags_win_over_task_files_and_patience_is_off(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, write_task(tmp_path, dev_rows=9, max_total_tokens=7), flags={"dev_rows": 15})
    spec = plan.tasks[0].spec
    assert (spec.dev_rows, spec.patience, spec.max_total_tokens) == (15, 0, None)
    assert plan_of(tmp_path, flags={"patience": 3}).tasks[0].spec.patience == 3


def test_the_run_of_a_cell_takes_the_steps_and_the_cap_of_the_study(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    task, cell = plan.tasks[0], plan.grid.cell("gpo")
    spec = plan.spec(cell, task, seed=1, steps=40, cap=5000)
    assert (spec.seed, spec.steps, spec.max_total_tokens, spec.whole_steps) == (1, 40, 5000, True)
    assert isinstance(spec.recipe, dict)
    assert spec.recipe["search"]["rounds"] == 40
    assert plan.same_steps == {"messages": 3}  # three epochs over 8 rows in mini-batches of 8


def test_what_needs_no_search_is_only_scored_on_the_same_rows(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    empty = plan.spec(plan.grid.cell("Empty"), plan.tasks[0], seed=1, steps=0, cap=5000)
    assert (empty.prompt, empty.steps, empty.seed, empty.max_total_tokens) == ("", 0, 1, None)
    template = plan_of(tmp_path, write_task(tmp_path, prompt="Sort: {text}"))
    assert template.spec(plan.grid.cell("CoT"), template.tasks[0], seed=1, steps=0, cap=1).placement == "after"


def test_what_does_not_fit_is_said_before_the_first_call(tmp_path: Path) -> None:
    misfit = {"base": "gpo", "momentum": {"part": "RunningSummary", "of": "reflections"}}
    write_grid(tmp_path, recipes=["gpo", {"label": "odd", "recipe": misfit}])
    plan = replace(
        plan_of(tmp_path), grid=grid_named(str(write_grid(tmp_path, recipes=[{"label": "odd", "recipe": misfit}])))
    )
    with pytest.raises(ConfigError, match=r"recipe odd: .*works on reflections"):
        plan.check()
    plan_of(tmp_path).check()


@pytest.mark.parametrize("key", ["concurrency", "attempts", "data", "task_api_key_env", "judge_api_key_env"])
def test_a_run_is_found_again_whatever_does_not_decide_its_result(key: str) -> None:
    values = {
        "concurrency": 3,
        "attempts": 2,
        "data": "elsewhere.csv",
        "task_api_key_env": "KEY",
        "judge_api_key_env": "KEY",
    }
    spec = RunSpec(prompt=PROMPT, seed=3)
    assert run_key(spec) == run_key(spec.with_settings({key: values[key]}))


@pytest.mark.parametrize(("key", "value"), [("seed", 4), ("steps", 3), ("dev_rows", 3), ("recipe", {"base": "gpo"})])
def test_what_decides_the_result_makes_another_run(key: str, value: object) -> None:
    spec = RunSpec(prompt=PROMPT, seed=3)
    assert run_key(spec) != run_key(spec.with_settings({key: value}))


def test_a_folder_holds_one_study_to_which_seeds_may_be_added(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    plan_of(tmp_path).claim_folder(folder)
    plan_of(tmp_path, seeds=(0, 1, 2)).claim_folder(folder)
    plan_of(tmp_path, flags={"concurrency": 2}).claim_folder(folder)
    for other, what in (
        (plan_of(tmp_path, equal="steps"), "equal means was tokens, now steps"),
        (plan_of(tmp_path, seeds=(5, 6)), "first seed was 0, now 5; other rows"),
        (plan_of(tmp_path, flags={"candidates": 2}), "candidates was .*, now 2"),
        (plan_of(tmp_path, max_tokens=9), "cap was None, now 9"),
    ):
        with pytest.raises(ConfigError, match=what):
            other.claim_folder(folder)


def test_a_damaged_plan_is_said(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    plan.claim_folder(tmp_path / "study")
    (tmp_path / "study" / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"plan\.json is damaged: .*--store"):
        plan.claim_folder(tmp_path / "study")


def test_what_changed_in_all_tasks_is_said_once(tmp_path: Path) -> None:
    files = [write_task(tmp_path, name) for name in ("one", "two", "three")]
    plan_of(tmp_path, *files).claim_folder(tmp_path / "study")
    with pytest.raises(ConfigError) as caught:
        plan_of(tmp_path, *files, flags={"candidates": 3, "steps": 5}).claim_folder(tmp_path / "study")
    assert str(caught.value).count("candidates was 4, now 3") == 1
    assert str(caught.value).count("steps was") == 1


def test_runs_without_a_search_are_called_after_their_cells(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    specs = [plan.spec(cell, plan.tasks[0], seed=0, steps=0, cap=None) for cell in plan.grid.cells]
    assert [recipe_for(spec, NO_EXTRAS).name for spec in specs] == ["Empty", "CoT", "gpo", "gpo without momentum"]


def test_a_folder_of_ordinary_runs_takes_no_study(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "store.db").touch()
    with pytest.raises(ConfigError, match="holds runs of its own"):
        plan_of(tmp_path).claim_folder(folder)


def test_a_recipe_in_a_task_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="come from its grid"):
        plan_of(tmp_path, write_task(tmp_path, recipe="opro"))


def test_changed_rows_are_noticed(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    plan_of(tmp_path, task).claim_folder(tmp_path / "study")
    rows = tmp_path / "messages.jsonl"
    rows.write_text(rows.read_text(encoding="utf-8").replace("love", "like"), encoding="utf-8")
    with pytest.raises(ConfigError, match="other rows"):
        plan_of(tmp_path, task).claim_folder(tmp_path / "study")


@pytest.mark.parametrize(
    ("step_size", "steps"),
    [(Cosine(), 10), (Warmup(schedule=Constant(), steps=5), 20), (Unbounded(), 20), (Constant(), 20)],
)
def test_a_schedule_runs_its_course_and_others_go_on_until_the_cap(step_size: object, steps: int) -> None:
    assert planned_steps(step_size, 10) == steps  # type: ignore[arg-type]


def test_a_warmup_leaves_at_least_one_step_after_it() -> None:
    assert planned_steps(Warmup(schedule=Cosine(), steps=5), 2) == 6


def test_a_search_that_a_cap_ended_before_its_first_step_has_no_result_unless_something_was_found(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, max_tokens=3_000)
    cut = made_up_run(
        "gpo", 0, 0.5, task="messages", steps=0, ended_because="the cap of 3000 tokens (--max-total-tokens) is reached"
    )
    found = judged(plan, cut, cap=3_000)
    assert (found.status, found.test_score, found.used) == ("failed", None, cut.used)
    assert re.search(r"need up to about [\d,]+: give --max-total-tokens \d+,", found.reason)
    minutes = judged(plan, replace(cut, ended_because="the cap of 2 minutes (--max-minutes) is reached"), cap=3_000)
    assert minutes.reason == "no step was taken: the cap of 2 minutes (--max-minutes) is reached"
    initialized = replace(cut, curve=(*cut.curve, *cut.curve))
    for kept in (initialized, replace(cut, cell="CoT"), replace(cut, ended_because="perfect"), replace(cut, steps=1)):
        assert judged(plan, kept, cap=3_000) == kept
