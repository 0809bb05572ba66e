"""What a bench does with a budget: cells that cannot afford a step, models that do not run, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_samples import Heard, counting_rows, small_plan, sports_rows, write_bbh

from llm.fake_server import fake_server
from promptdescent.errors import ConfigError, KeyRefused, ModelError
from promptdescent.experiments import bench as bench_module
from promptdescent.experiments.bench import run_bench
from promptdescent.experiments.bench_models import out_of_reach
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.grids import Grid, grid_named, grid_of
from promptdescent.report.bench.analysis import analyse_bench
from promptdescent.report.bench.record import BenchRecord
from promptdescent.report.bench.tables import bench_tables
from promptdescent.report.tables import as_plain
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store

NO_KEY = "some-model"
"""A model of an endpoint that needs a key, which no test has."""


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return write_bbh(tmp_path / "bbh", sports_understanding=sports_rows(), object_counting=counting_rows())


def run(plan: BenchPlan, folder: Path, heard: Heard | None = None) -> BenchRecord:
    return run_bench(plan, folder, workers=1, observer=heard or Heard())


def dear_grid(folder: Path) -> Grid:
    """GPO, and the same with so many candidates that its steps take a multiple."""
    dear = {"label": "dear", "recipe": {"base": "gpo", "search": {"candidates": 40}}}
    file = folder / "dear.yaml"
    file.write_text(json.dumps({"recipes": ["gpo", dear]}), encoding="utf-8")
    return grid_named(str(file))


def dear_plan(data_dir: Path, **changes: Any) -> BenchPlan:
    settings = {name: value for name, value in small_plan(data_dir).settings.items() if name != "candidates"}
    values = {"grid": dear_grid(data_dir), "settings": settings, "equal": "tokens", "tasks": ("object_counting",)}
    return small_plan(data_dir, **{**values, **changes})


def statuses(bench: BenchRecord) -> dict[tuple[str, str], str]:
    (study,) = bench.studies.values()
    return {(one.task, one.cell): one.status for one in study.runs}


def printed(bench: BenchRecord) -> str:
    return "\n".join(as_plain(table) for table in bench_tables(bench, analyse_bench(bench)))


def test_a_recipe_that_cannot_afford_a_step_is_a_hole_of_its_cell_alone(data_dir: Path, tmp_path: Path) -> None:
    plan = dear_plan(data_dir, tasks=("sports_understanding", "object_counting"), budget=14_000 * 12)
    assert plan.share(1) == 14_000
    bench = run(plan, tmp_path / "bench")
    assert statuses(bench) == {
        (task, cell): "failed" if cell == "dear" else "finished"
        for task in plan.tasks
        for cell in ("Empty", "CoT", "gpo", "dear")
    }
    assert not bench.whole
    assert all("do not pay for one step" in one.reason for one in bench.failed)
    assert "--max-total-tokens" not in printed(bench)


def test_a_recipe_that_is_too_dear_for_what_the_reference_uses_is_a_hole_of_its_cell(
    data_dir: Path, tmp_path: Path
) -> None:
    settings = {**dear_plan(data_dir).settings, "steps": 1}
    bench = run(dear_plan(data_dir, settings=settings), tmp_path / "bench")
    assert statuses(bench)["object_counting", "dear"] == "failed"
    assert statuses(bench)["object_counting", "gpo"] == "finished"
    assert "--budget" in bench.failed[0].reason


@pytest.mark.parametrize("equal", ["tokens", "steps"])
def test_a_search_that_its_cap_ends_before_the_first_step_is_no_result_and_the_reason_says_what_would_pay(
    equal: str, data_dir: Path, tmp_path: Path
) -> None:
    plan = dear_plan(data_dir, equal=equal)
    small = replace(plan, budget=6_000 * plan.runs)
    if equal == "tokens":
        with pytest.raises(ConfigError, match="do not pay for one step") as caught:
            run(small, tmp_path / "bench")
        said = {"gpo": str(caught.value)}
    else:
        bench = run(small, tmp_path / "bench")
        said = {one.cell: one.reason for one in bench.failed}
        assert set(said) == {"gpo", "dear"}
        assert all(one.test_score is None for one in bench.failed)
    assert "--max-total-tokens" not in said["gpo"]
    advised = int(said["gpo"].partition("give --budget ")[2].partition(",")[0])
    enough = run(replace(plan, budget=advised), tmp_path / "enough")
    (study,) = enough.studies.values()
    assert [one.steps > 0 for one in study.runs if one.cell == "gpo"] == [True]


def test_whatever_ends_a_run_is_said_in_the_flags_of_the_bench(data_dir: Path, tmp_path: Path) -> None:
    heard = Heard()
    bench = run(dear_plan(data_dir, equal="steps", budget=4 * 1_200), tmp_path / "bench", heard)
    assert {one.cell for one in bench.failed} == {"Empty", "CoT", "gpo", "dear"} - {
        one.cell for one in heard.runs if one.status == "finished"
    }
    said = [*heard.messages, *(one.reason for one in heard.runs), (tmp_path / "bench" / "bench.json").read_text()]
    assert not [text for text in said if "--max-total-tokens" in text]
    assert any("--budget" in one.reason for one in bench.failed)


# --- models ----------------------------------------------------------------------------------------------------------


def tiny_plan(data_dir: Path, **changes: Any) -> BenchPlan:
    """One task, one recipe: three runs with each model."""
    return small_plan(data_dir, **{"tasks": ("object_counting",), "grid": grid_of("opro:gpo-paper"), **changes})


def caps(folder: Path) -> set[int | None]:
    """Of the runs in a study's folder."""
    with closing(Store.open(folder / "runs" / "object_counting")) as store:
        return {row.manifest.max_total_tokens for row in store.runs()}


def used(folder: Path) -> int:
    with closing(Store.open(folder / "runs" / "object_counting")) as store:
        return sum(totals.used.tokens for row in store.runs() for totals in totals_of(store, row.id).values())


def refusing(monkeypatch: pytest.MonkeyPatch, *models: str) -> None:
    """As if these models could not be asked."""

    async def out_of_reach(_: BenchPlan, asked: Iterable[str]) -> dict[str, ModelError]:
        return {model: KeyRefused("set the key") for model in asked if model in models}

    monkeypatch.setattr(bench_module, "out_of_reach", out_of_reach)


def test_the_budget_is_shared_by_the_models_that_can_be_asked(data_dir: Path, tmp_path: Path) -> None:
    heard = Heard()
    bench = run(tiny_plan(data_dir, models=(NO_KEY, "simulated:"), budget=60_001), tmp_path / "bench", heard)
    assert [text.partition(":")[0] for text in heard.messages if "left out" in text] == [f"{NO_KEY} is left out"]
    assert {hole.model for hole in bench.holes} == {NO_KEY}
    assert "OPENAI_API_KEY" in bench.holes[0].reason
    assert caps(tmp_path / "bench" / "simulated") == {20_000}


def test_a_model_that_joins_later_gets_what_the_others_left(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, folder = tiny_plan(data_dir, models=("simulated:", "simulated:clear"), budget=60_000), tmp_path / "bench"
    refusing(monkeypatch, "simulated:clear")
    first = run(plan, folder)
    assert {hole.reason for hole in first.holes} == {"set the key"}
    refusing(monkeypatch)
    both = run(plan, folder)
    assert both.whole
    assert caps(folder / "simulated") == {20_000}
    assert caps(folder / "simulated-clear") == {(60_000 - used(folder / "simulated")) // 3}
    heard = Heard()
    assert run(plan, folder, heard) == both
    assert heard.runs == []


@pytest.mark.slow
def test_a_model_that_joins_while_all_is_spoken_for_is_a_hole(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, folder = tiny_plan(data_dir, models=("simulated:", "simulated:clear"), budget=60_000), tmp_path / "bench"
    refusing(monkeypatch, "simulated:clear")
    run(plan, folder)
    (folder / "simulated" / "study.json").unlink()  # as if it had been stopped
    refusing(monkeypatch)
    bench = run(plan, folder)
    assert ["nothing of --budget 60000 is left" in hole.reason for hole in bench.holes] == [True]
    assert list(bench.studies) == ["simulated:"]
    assert run(plan, folder).whole


@pytest.mark.parametrize("change", [{"budget": 90_000}, {"seeds": (0, 1)}], ids=["budget", "seeds"])
def test_a_budget_that_is_shared_out_is_not_shared_out_anew(
    change: dict[str, Any], data_dir: Path, tmp_path: Path
) -> None:
    plan = tiny_plan(data_dir, budget=60_000)
    run(plan, tmp_path / "bench")
    with pytest.raises(ConfigError, match=r"shares --budget 60000 out over 3 runs .*--store"):
        run(replace(plan, **change), tmp_path / "bench")


@pytest.mark.parametrize("name", ["simulated:claer", "local:/no/such/file.gguf"])
def test_a_model_that_there_is_not_is_refused_before_anything_is_written(
    name: str, data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tiny_plan(data_dir, models=("simulated:", name)), tmp_path / "bench")
    assert name.partition(":")[2] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bench").exists()


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_shares_that_are_damaged_are_said(content: str, data_dir: Path, tmp_path: Path) -> None:
    plan = tiny_plan(data_dir, budget=60_000)
    run(plan, tmp_path / "bench")
    (tmp_path / "bench" / "shares.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"shares\.json is damaged: .*--store"):
        run(plan, tmp_path / "bench")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"test_rows": 10}, "--test-rows 10 is too few: a verdict needs at least 20"),
        ({"test_rows": 0}, "--test-rows must be at least 1"),
        ({"dev_rows": 0}, "--dev-rows must be at least 1"),
    ],
    ids=["few test rows", "no test rows", "no dev rows"],
)
def test_sizes_that_give_no_verdict_are_refused(rows: dict[str, int], says: str, data_dir: Path) -> None:
    settings = {**small_plan(data_dir).settings, **rows}
    with pytest.raises(ConfigError, match=says):
        small_plan(data_dir, settings=settings)


def test_no_model_at_all_is_refused(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="--models names no model"):
        tiny_plan(data_dir, models=())


@pytest.mark.anyio
async def test_an_endpoint_is_asked_once_for_a_model_and_says_if_it_has_it(data_dir: Path) -> None:
    async with fake_server() as server:
        settings = {**tiny_plan(data_dir).settings, "base_url": server.base_url, "optimizer_model": "fake"}
        plan = tiny_plan(data_dir, models=("fake",), settings=settings)
        assert await out_of_reach(plan, plan.models) == {}
        assert server.calls == []
        misspelt = replace(plan, models=("fake", "fakee"))
        with pytest.raises(ConfigError, match=r"has no model 'fakee'; did you mean 'fake'"):
            await out_of_reach(misspelt, misspelt.models)
    dead = await out_of_reach(plan, plan.models)
    assert list(dead) == ["fake"]
    assert isinstance(dead["fake"], ModelError)
