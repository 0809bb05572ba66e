"""Benches on made-up rows and simulated models, with real runs in worker processes."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bench_samples import Heard, counting_rows, small_plan, sports_rows, write_bbh
from study_samples import made_up_run, study_of

from promptdescent.assembly import NO_EXTRAS, load_task
from promptdescent.errors import ConfigError
from promptdescent.experiments.bench import run_bench
from promptdescent.experiments.bench_leaks import leaks
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.study import held
from promptdescent.report.bench.record import BenchRecord
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return write_bbh(tmp_path / "bbh", sports_understanding=sports_rows(), object_counting=counting_rows())


def run(plan: BenchPlan, folder: Path, heard: Heard | None = None) -> BenchRecord:
    return run_bench(plan, folder, workers=1, observer=heard or Heard())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchPlan, Path, BenchRecord]:
    """A bench of two tasks, two recipes and two seeds that has come to its end."""
    place = tmp_path_factory.mktemp("finished")
    plan = small_plan(
        write_bbh(place / "bbh", sports_understanding=sports_rows(), object_counting=counting_rows()), seeds=(0, 1)
    )
    return plan, place / "bench", run(plan, place / "bench")


def test_a_bench_has_every_task_cell_and_seed_with_empty_and_cot(
    finished: tuple[BenchPlan, Path, BenchRecord],
) -> None:
    _, _, bench = finished
    assert bench.whole
    (study,) = bench.studies.values()
    assert {(one.task, one.cell, one.seed) for one in study.runs} == {
        (task, cell, seed)
        for task in ("sports_understanding", "object_counting")
        for cell in ("Empty", "CoT", "gpo", "opro:gpo-paper")
        for seed in (0, 1)
    }
    assert bench.sizes == {name: {"train": 8, "dev": 10, "test": 20} for name in study.tasks}
    assert all(one.test_score is not None for one in study.runs)


def test_fixed_splits_are_the_same_rows_for_every_seed_and_the_rows_are_files(
    finished: tuple[BenchPlan, Path, BenchRecord],
) -> None:
    _, folder, _ = finished
    rows = folder / "rows" / "object_counting"
    drawn = [set((rows / f"{split}.jsonl").read_text().splitlines()) for split in ("train", "dev", "test")]
    assert [len(part) for part in drawn] == [8, 10, 20]
    assert len(set.union(*drawn)) == 38
    known = {(row["input"], row["target"]) for row in counting_rows()}
    assert {(json.loads(line)["input"], json.loads(line)["target"]) for line in set.union(*drawn)} <= known


def test_given_again_a_finished_bench_runs_nothing(finished: tuple[BenchPlan, Path, BenchRecord]) -> None:
    plan, folder, bench = finished
    heard = Heard()
    assert run(plan, folder, heard) == bench
    assert heard.runs == []


def test_all_runs_of_a_task_are_in_one_store_and_share_replies(finished: tuple[BenchPlan, Path, BenchRecord]) -> None:
    _, folder, _ = finished
    stores = sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("*.db"))
    assert stores == ["simulated/runs/object_counting", "simulated/runs/sports_understanding"]


def test_steps_say_how_far_they_moved_and_what_they_were_allowed(
    finished: tuple[BenchPlan, Path, BenchRecord],
) -> None:
    (study,) = finished[2].studies.values()
    moves = [move for one in study.runs for move in one.moves if one.cell == "gpo"]
    assert moves
    assert all(move.budget is not None and move.budget >= 10 and move.distance > 0 for move in moves)
    assert all(move.budget is None for one in study.runs for move in one.moves if one.cell == "opro:gpo-paper")


def test_the_budget_is_a_cap_on_all_runs_together(data_dir: Path, tmp_path: Path) -> None:
    plan = small_plan(data_dir, budget=400_000, equal="tokens")
    assert plan.runs == 2 * (4 + 2)
    assert plan.share(1) == 33_333
    assert run(plan, tmp_path / "bench").whole
    used, caps = [], set()
    for task in plan.tasks:
        with closing(Store.open(tmp_path / "bench" / "simulated" / "runs" / task)) as store:
            for row in store.runs():  # the pilots among them
                used.append(sum(totals.used.tokens for totals in totals_of(store, row.id).values()))
                caps.add(row.manifest.max_total_tokens)
    assert caps == {33_333}
    assert len(used) in range(len(plan.tasks) * 4, plan.runs + 1)
    assert 0 < sum(used) <= 400_000


def test_a_budget_below_a_token_per_run_is_refused(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--budget 3 is less than a token for each of"):
        run(small_plan(data_dir, budget=3), tmp_path / "bench")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("missing", "object_counting"),
        ("no answer key", "object_counting"),
        ("one class", "same target"),
        ("not json", "object_counting.json"),
    ],
)
def test_a_task_that_cannot_take_part_is_a_hole_and_the_rest_goes_on(
    broken: str, said: str, data_dir: Path, tmp_path: Path
) -> None:
    file = data_dir / "object_counting.json"
    match broken:
        case "missing":
            file.unlink()
        case "no answer key":
            write_bbh(data_dir, object_counting=[{**row, "target": ""} for row in counting_rows()])
        case "one class":
            write_bbh(data_dir, object_counting=[{**row, "target": "7"} for row in counting_rows()])
        case _:
            file.write_text("{", encoding="utf-8")
    heard = Heard()
    bench = run(small_plan(data_dir), tmp_path / "bench", heard)
    (hole,) = bench.holes
    assert hole.task == "object_counting"
    assert said in hole.reason
    assert "\n" not in hole.reason
    assert [one for one in heard.messages if hole.reason in one] != []
    assert not bench.whole
    (study,) = bench.studies.values()
    assert study.tasks == ("sports_understanding",)
    assert study.failed == ()


def test_a_missing_file_is_said_with_the_first_few_that_are_there(data_dir: Path, tmp_path: Path) -> None:
    for number in range(7):
        write_bbh(data_dir, **{f"another_{number}": sports_rows(1)})
    (hole,) = run(small_plan(data_dir, tasks=("snarks", "object_counting")), tmp_path / "bench").holes
    assert "another_0.json, another_1.json" in hole.reason
    assert "another_5" not in hole.reason
    assert "and 4 more" in hole.reason


def test_of_many_tasks_without_rows_the_first_few_are_said_and_all_are_holes(data_dir: Path, tmp_path: Path) -> None:
    heard, gone = Heard(), ("snarks", "navigate", "hyperbaton", "ruin_names", "web_of_lies")
    bench = run(small_plan(data_dir, tasks=(*gone, "object_counting")), tmp_path / "bench", heard)
    assert [hole.task for hole in bench.holes] == list(gone)
    said = [text for text in heard.messages if "left out" in text]
    assert [text.split()[0] for text in said[:3]] == list(gone[:3])
    assert said[3:] == ["2 more tasks left out: ruin_names, web_of_lies."]


def test_a_folder_without_any_usable_task_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no task of bbh can take part") as caught:
        run(small_plan(tmp_path / "nowhere"), tmp_path / "bench")
    assert "\n" not in str(caught.value)


def test_an_unknown_task_is_refused_with_the_nearest_known_one(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="object_counting"):
        small_plan(data_dir, tasks=("object_countin",))


def test_splits_per_seed_draw_other_rows(data_dir: Path, tmp_path: Path) -> None:
    plan = small_plan(data_dir, splits="per-seed", tasks=("object_counting",), seeds=(0, 1))
    bench = run(plan, tmp_path / "bench")
    (study,) = bench.studies.values()
    assert study.seeds == (0, 1)
    drawn = set()
    for seed in study.seeds:
        place = tmp_path / "bench" / "simulated" / "runs" / "object_counting" / f"seed-{seed}"
        with closing(Store.open(place)) as store:
            drawn |= {
                row.manifest.task_fingerprint
                for row in store.runs()
                if row.manifest.prompt == plan.suite.tasks["object_counting"].start
            }
    assert len(drawn) == 2


def test_rows_that_splits_share_are_found(tmp_path: Path) -> None:
    rows = sports_rows()
    copies = [{**row, "input": row["input"].upper()} for row in rows]
    folder = write_bbh(tmp_path / "bbh", sports_understanding=[*rows, *copies])
    bench = run(small_plan(folder, tasks=("sports_understanding",)), tmp_path / "bench")
    assert {leak.kind for leak in bench.leaks} == {"shared row"}


def test_prompts_that_quote_rows_are_found(finished: tuple[BenchPlan, Path, BenchRecord]) -> None:
    plan, folder, _ = finished
    rows = {split: str(folder / "rows" / "object_counting" / f"{split}.jsonl") for split in ("train", "dev", "test")}
    task = load_task(plan.spec(plan.suite.tasks["object_counting"], "some-model", rows), NO_EXTRAS)
    runs = [
        made_up_run("gpo", 0, 0.5, task="object_counting", prompt=f"Count. Say: {task.dev[3].question} Four."),
        made_up_run("gpo", 1, 0.5, task="object_counting", prompt="Count the things."),
        made_up_run("CoT", 0, 0.5, task="object_counting", prompt=task.dev[4].question),
    ]
    found = list(leaks({"object_counting": task}, {"some-model": study_of(runs, without_search=["CoT"])}))
    assert {(leak.kind, leak.where) for leak in found} == {("quoted row", "gpo, seed 0")}
    words = task.dev[3].question.lower().replace(".", "").replace("?", "")
    assert words in {leak.excerpt for leak in found if leak.split == "dev"}


def test_what_is_asked_of_a_bench_is_asked_of_its_runs(data_dir: Path) -> None:
    rows = {"data": "rows.jsonl"}
    plan = small_plan(data_dir)
    task = plan.suite.tasks["object_counting"]
    usual = plan.spec(task, "some-model", rows)
    assert (usual.metric, usual.prompt, usual.second_round, usual.task_model) == (
        "number",
        task.start,
        "",
        "some-model",
    )
    other = replace(plan, reference_scorer=True, second_round=True, start="Count.").spec(task, "some-model", rows)
    assert (other.metric, other.prompt) == ("reference:number", "Count.")
    assert other.second_round == task.bare_answer != ""


def test_two_models_are_two_studies_and_a_model_without_its_key_is_a_hole(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    plan = small_plan(data_dir, models=("simulated:", "some-model"))
    bench = run(plan, tmp_path / "bench")
    assert list(bench.studies) == ["simulated:"]
    assert {hole.model for hole in bench.holes} == {"some-model"}
    assert {hole.task for hole in bench.holes} == set(plan.tasks)


@pytest.mark.slow
def test_tasks_that_differ_in_their_rows_alone_do_not_share_runs_in_one_store(tmp_path: Path) -> None:
    others = [{**row, "input": f"{row['input']} True?"} for row in sports_rows()]
    folder = write_bbh(tmp_path / "bbh", sports_understanding=sports_rows(), web_of_lies=others)
    plan = small_plan(folder, tasks=("sports_understanding", "web_of_lies"))
    bench = run_bench(plan, tmp_path / "bench", workers=2, observer=Heard(), runs_in=str(tmp_path / "one"))
    (study,) = bench.studies.values()
    assert bench.whole
    assert len({one.run for one in study.runs}) == len(study.runs) == 8


@pytest.mark.slow
def test_a_task_that_is_mended_joins_and_nothing_else_is_run_again(data_dir: Path, tmp_path: Path) -> None:
    file = data_dir / "object_counting.json"
    text = file.read_text(encoding="utf-8")
    file.write_text("{", encoding="utf-8")
    assert not run(small_plan(data_dir), tmp_path / "bench").whole
    file.write_text(text, encoding="utf-8")
    heard = Heard()
    assert run(small_plan(data_dir), tmp_path / "bench", heard).whole
    ids = {one.run for one in heard.runs if one.task == "sports_understanding"}
    stores = tmp_path / "bench" / "simulated" / "runs"
    with closing(Store.open(stores / "sports_understanding")) as store:
        assert {row.id for row in store.runs()} == ids


@pytest.mark.parametrize("change", ["rows", "steps"])
def test_another_bench_in_the_same_folder_is_refused_and_nothing_is_overwritten(
    change: str, data_dir: Path, tmp_path: Path
) -> None:
    plan = small_plan(data_dir, models=("simulated:", "simulated:noisy"), tasks=("object_counting",))
    run(plan, tmp_path / "bench")
    files = {path: path.read_bytes() for path in (tmp_path / "bench").rglob("*") if path.suffix in (".json", ".jsonl")}
    other = {"rows": {"dev_rows": 12}, "steps": {"steps": 1}}[change]
    with pytest.raises(ConfigError, match="--store"):
        run(replace(plan, settings={**plan.settings, **other}), tmp_path / "bench")
    assert {path: path.read_bytes() for path in files} == files


def test_only_one_process_at_a_time_works_on_a_bench(data_dir: Path, tmp_path: Path) -> None:
    with held(tmp_path / "bench", "bench"), pytest.raises(ConfigError, match="another process is at work on the bench"):
        run(small_plan(data_dir), tmp_path / "bench")
    assert not (tmp_path / "bench" / "rows").exists()


def test_models_of_one_name_for_the_file_system_have_folders_of_their_own(data_dir: Path, tmp_path: Path) -> None:
    plan = small_plan(data_dir, models=("simulated:", "simulated"), tasks=("object_counting",))
    bench = run(plan, tmp_path / "bench")
    assert list(bench.studies) == ["simulated:"]
    assert len([path for path in (tmp_path / "bench").iterdir() if path.name.startswith("simulated-")]) == 1
