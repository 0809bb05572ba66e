"""Every recipe and variant, and two mixtures, has the same seven properties. A new recipe is in the table at once."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from recipe_runs import (
    LABELS,
    NAMES,
    START,
    Unreachable,
    calls,
    comparable,
    gained,
    mixed,
    opened,
    optimize,
    record,
    says,
    settings,
    small,
    small_data,
    steps,
    tokens,
)

import promptdescent
from promptdescent.assembly import NO_EXTRAS, load_task, recipe_for
from promptdescent.cli import main
from promptdescent.config import RunSpec
from promptdescent.errors import RunFailed, TooManyFailures, UnusableReplies
from promptdescent.llm.simulated import PRESETS, OptimizerModelSettings, SimulatedOptimizer
from promptdescent.parts.registry import recipe_from_data
from promptdescent.planning import forecast
from promptdescent.records import StepRecord
from promptdescent.report.record import Record
from promptdescent.report.text import summary
from whole_runs import count_asked_again, count_in_flight, kill_after, write_rows

every_recipe = pytest.mark.parametrize("name", NAMES)

A_FEW = ("ape", "apo", "gpo")
"""One with a step 0, one with reflections and a plain one."""

a_few_recipes = pytest.mark.parametrize(
    "name", [name if name in A_FEW else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
"""Every recipe in the slow lane, a few in the fast one: for what takes long and hardly depends on the recipe."""

where_a_cap_falls = pytest.mark.parametrize("step", [pytest.param("first", marks=pytest.mark.slow), "last"])

Undisturbed = Callable[[str], tuple[Record, Path]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv")


@pytest.fixture(scope="module")
def undisturbed(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The record and the store of a small run of a recipe, one call after the other; each is run once."""
    known: dict[str, tuple[Record, Path]] = {}

    def whole(name: str) -> tuple[Record, Path]:
        if name not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            known[name] = optimize(rows, folder, recipe=small(name), concurrency=1), folder
        return known[name]

    return whole


@pytest.fixture
def overtaking(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that replies as ``simulated:plain`` does, but late by 2 to 6 ms, so that replies overtake each other."""
    monkeypatch.setitem(PRESETS, "slow", replace(PRESETS["slow"], latency=0.004))  # type: ignore[arg-type]
    return "simulated:slow"


# --- 1 and 6: true quality --------------------------------------------------------------------------------------------

SEARCH: dict[str, Any] = {"dev_rows": 40, "steps": 6, "train_rows": 24, "test_rows": 20}
"""Enough to search with; small runs only show that all goes well."""


def search(name: str, model: str, rows: Path, folder: Path) -> Record:
    recipe = small(name, candidates=8, prompts=8, rows=12)
    return optimize(rows, folder, recipe=recipe, task_model=model, optimizer_model=model, **SEARCH)


@every_recipe
def test_finds_a_prompt_of_higher_true_quality(name: str, rows: Path, tmp_path: Path) -> None:
    shown = search(name, "simulated:clear", rows, tmp_path)
    # Rewrites of the start alone gain about a tenth on average: a third takes choices over several steps.
    assert gained(shown["best"]["prompt"], "simulated:clear") >= 1 / 3
    assert shown["best"]["dev_score"] > shown["start"]["dev_score"]


@every_recipe
def test_survives_an_optimizer_model_that_ignores_the_tags_half_of_the_time(
    name: str, rows: Path, tmp_path: Path
) -> None:
    model = "simulated:clear:obedience=0.5"
    shown = search(name, model, rows, tmp_path)
    # A quarter of its replies are no prompt at all, so there is less to choose from.
    assert gained(shown["best"]["prompt"], model) >= 1 / 4
    assert shown["verdict"]["rows"] == 20
    fates = [candidate["fate"] for step in shown["steps"] for candidate in step["candidates"]]
    assert fates.count("rejected") >= len(fates) / 10


# --- 2: the same seed, the same run -----------------------------------------------------------------------------------


@every_recipe
def test_the_same_seed_gives_the_same_run_at_any_concurrency(
    name: str, rows: Path, undisturbed: Undisturbed, overtaking: str, tmp_path: Path
) -> None:
    once, _ = undisturbed(name)
    again = optimize(rows, tmp_path, recipe=small(name), task_model=overtaking, optimizer_model=overtaking)
    assert comparable(again, overtaking) == comparable(once)
    assert [len(step["candidates"]) > 0 for step in once["steps"]] == [True] * len(once["steps"])


# --- 3: stops and SIGKILL ---------------------------------------------------------------------------------------------


class StopsAfterEachStep:
    """An observer that does what Ctrl-C does, once after each step."""

    def __init__(self) -> None:
        self.stopped: list[int] = []

    def on_message(self, text: str) -> None: ...
    def on_progress(self, progress: object) -> None: ...
    def on_step(self, record: StepRecord) -> None:
        if record.step not in self.stopped:
            self.stopped.append(record.step)
            raise KeyboardInterrupt


@every_recipe
def test_a_run_that_is_stopped_after_every_step_ends_as_the_undisturbed_one(
    name: str, rows: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    expected, folder = undisturbed(name)
    stops = StopsAfterEachStep()
    with pytest.raises(KeyboardInterrupt):
        optimize(rows, tmp_path, recipe=small(name), observers=[stops])
    for _ in range(len(steps(folder)) - 1):
        with pytest.raises(KeyboardInterrupt):
            promptdescent.resume(store=tmp_path, observers=[stops])
    promptdescent.resume(store=tmp_path, observers=[stops])

    resumed = record(tmp_path)
    assert stops.stopped == [step.step for step in steps(folder)]
    assert comparable(resumed) == comparable(expected)
    assert calls(resumed, "used") == calls(expected, "used")


@a_few_recipes
def test_a_killed_run_is_resumed_and_ends_as_the_undisturbed_one(
    name: str, rows: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    expected, folder = undisturbed(name)
    recipe, store = tmp_path / "recipe.yaml", tmp_path / "store"
    recipe.write_text(yaml.safe_dump({**small_data(name), "name": name}), encoding="utf-8")
    models = {"task_model": "simulated:slow", "optimizer_model": "simulated:slow"}
    flags = settings(**models, recipe=f"@{recipe}", store=store, concurrency=8)
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]

    places = _places_to_kill(folder, random.Random(name))
    assert kill_after(places[0], store, "optimize", rows, *arguments)
    for place in places[1:]:
        assert kill_after(place, store, "resume", "latest", "--store", store)
    lost = count_in_flight(store)
    assert record(store)["verdict"] is None
    promptdescent.resume(store=store)

    resumed = record(store)
    assert comparable(resumed, "simulated:slow") == comparable(expected)
    assert lost <= len(places) * 8
    assert calls(resumed, "paid") - calls(resumed, "used") == lost + count_asked_again(store)


def _places_to_kill(folder: Path, chance: random.Random) -> list[int]:
    """How many replies there are somewhere in step 0, where a recipe has one, and shortly after the beginning of the
    last step but one, where reflections and summaries are made if a recipe has them, and much is still to come.
    """
    done = steps(folder)
    # A call brings n replies where so many are asked for.
    more = [sum(request.n - 1 for request in step.requests) for step in done]
    ends = [step.used.calls + sum(more[: place + 1]) for place, step in enumerate(done)]
    late = ends[-3] + chance.randrange(2, 14)
    return [late] if done[0].step else [chance.randrange(26, ends[0] - 5), late]


# --- 4: budgets -------------------------------------------------------------------------------------------------------

CAPPED: dict[str, Any] = {"test_rows": 60, "whole_steps": True}
"""With ``whole_steps`` all steps are planned whatever the cap, so that it falls where the test wants it."""


@every_recipe
def test_the_forecast_is_an_upper_bound_of_calls(name: str, rows: Path, tmp_path: Path) -> None:
    recipe = small(name)
    # Every proposal a call of its own, and none of them screened out for its form.
    optimizer = SimulatedOptimizer(OptimizerModelSettings(obedience=1.0), LABELS, serves_n=False)
    shown = optimize(rows, tmp_path, recipe=recipe, optimizer_model=optimizer)
    spec = RunSpec().with_settings({"data": str(rows), **settings()})
    plan = forecast(spec, recipe, load_task(spec, NO_EXTRAS))
    assert 0.75 * plan.total.calls <= calls(shown, "used") <= plan.total.calls
    done = steps(tmp_path)
    before = 24
    for step in done:
        planned = plan.step.calls if step.step else plan.start.calls - 24
        assert step.used.calls - before <= planned
        before = step.used.calls


@every_recipe
def test_a_planned_call_cap_is_kept(name: str, rows: Path, tmp_path: Path) -> None:
    spec = RunSpec().with_settings({"data": str(rows), **settings()})
    plan = forecast(spec, small(name), load_task(spec, NO_EXTRAS))
    cap = plan.start.calls + 2 * plan.step.calls + plan.verdict.calls - 1
    shown = optimize(rows, tmp_path, recipe=small(name), max_calls=cap)
    assert shown["search"]["total_steps"] == 1
    assert calls(shown, "used") + count_asked_again(tmp_path) == calls(shown, "paid") <= cap
    assert (shown["verdict"]["rows"], shown["verdict"]["missing"]) == (24, 0)


@every_recipe
@where_a_cap_falls
def test_a_call_cap_in_the_middle_of_a_step_is_kept(
    name: str,
    step: str,
    rows: Path,
    undisturbed: Undisturbed,
    overtaking: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promptdescent.phases.Run._no_room", lambda *_: "")  # so that the step begins
    cap = 2 * 60 + _middle([24, *(one.used.calls for one in steps(undisturbed(name)[1]))], step)
    models = {"task_model": overtaking, "optimizer_model": overtaking}
    shown = optimize(rows, tmp_path, recipe=small(name), max_calls=cap, **models, **CAPPED)
    assert calls(shown, "used") <= cap
    assert calls(shown, "paid") <= cap
    assert shown["search"]["ended_because"] == f"the cap of {cap} calls (--max-calls) is reached"
    assert (shown["verdict"]["rows"], shown["verdict"]["missing"]) == (60, 0)


@a_few_recipes
@where_a_cap_falls
def test_a_token_cap_is_kept(
    name: str, step: str, rows: Path, undisturbed: Undisturbed, overtaking: str, tmp_path: Path
) -> None:
    spec = RunSpec().with_settings({"data": str(rows), **settings(), **CAPPED})
    held = forecast(spec, small(name), load_task(spec, NO_EXTRAS)).verdict.tokens
    cap = held + _middle([0, *(one.used.tokens for one in steps(undisturbed(name)[1]))], step)
    models = {"task_model": overtaking, "optimizer_model": overtaking}
    shown = optimize(rows, tmp_path, recipe=small(name), max_total_tokens=cap, **models, **CAPPED)
    assert tokens(shown, "used") <= cap
    assert tokens(shown, "paid") <= cap
    assert f"the cap of {cap} tokens" in shown["search"]["ended_because"]
    # The found prompt may be longer than what was held back for, so that some rows are missing.
    assert shown["verdict"]["rows"] >= 20


def _middle(ends: list[int], step: str) -> int:
    """The middle of the first step or that of the last one, by what was used at the start and at the end of each."""
    one, other = ends[:2] if step == "first" else ends[-2:]
    return (one + other) // 2


# --- 5: store and YAML ------------------------------------------------------------------------------------------------


@every_recipe
def test_comes_back_from_store_and_yaml(name: str, rows: Path, undisturbed: Undisturbed, tmp_path: Path) -> None:
    whole = mixed(name)
    written = yaml.safe_dump(whole.as_data())
    assert recipe_from_data(yaml.safe_load(written), name=whole.name) == whole
    (tmp_path / "whole.yaml").write_text(written, encoding="utf-8")
    from_file = recipe_for(RunSpec(recipe=f"@{tmp_path / 'whole.yaml'}"), NO_EXTRAS)
    assert replace(from_file, name=whole.name) == whole

    expected, folder = undisturbed(name)
    with opened(folder) as store:
        manifest = store.find_run("latest").manifest
    assert recipe_from_data(manifest.recipe, name=manifest.recipe_name) == small(name)

    (tmp_path / "mixture.yaml").write_text(yaml.safe_dump(small_data(name)), encoding="utf-8")
    again = optimize(rows, tmp_path / "store", recipe=f"@{tmp_path / 'mixture.yaml'}")
    assert again["recipe"] != expected["recipe"]
    assert comparable({**again, "recipe": name}) == comparable(expected)


# --- 7: when every proposal fails -------------------------------------------------------------------------------------

USELESS: dict[str, tuple[Callable[[], Any], type[RunFailed], str]] = {
    "empty": (lambda: says(""), UnusableReplies, "--optimizer-m"),
    "the starting prompt": (lambda: says(f"<prompt>{START}</prompt>"), UnusableReplies, "another --optimizer-model"),
    "unreachable": (Unreachable, TooManyFailures, "the server is on fire. Check the"),
}


@every_recipe
@pytest.mark.parametrize("kind", USELESS)
def test_ends_loudly_when_every_proposal_fails(name: str, kind: str, rows: Path, tmp_path: Path) -> None:
    model, error, says_what_to_do = USELESS[kind]
    with pytest.raises(error) as raised:
        optimize(rows, tmp_path, recipe=small(name), optimizer_model=model(), attempts=1)
    assert says_what_to_do in str(raised.value)
    shown = record(tmp_path)
    assert (shown["status"], shown["reason"], shown["verdict"]) == ("failed", str(raised.value), None)
    assert shown["start"]["dev_score"] is not None
    assert str(raised.value) in " ".join(summary(shown).split())


@a_few_recipes
@pytest.mark.parametrize("kind", ["cut off", "unreachable"])
def test_the_command_line_ends_with_a_code_when_every_proposal_fails(
    name: str,
    kind: str,
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(small_data(name)), encoding="utf-8")
    flags = settings(recipe=f"@{tmp_path / 'recipe.yaml'}", store=tmp_path / "store", attempts=1)
    if kind == "cut off":
        flags["optimizer_max_tokens"] = 1
    else:
        from promptdescent import assembly

        named = assembly.open_model
        monkeypatch.setattr(
            assembly,
            "open_model",
            lambda name, *, role, **others: Unreachable() if role == "optimizer" else named(name, role=role, **others),
        )

    def code(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["promptdescent", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return int(ended.value.code or 0)

    assert code("optimize", rows, *(f"--{key.replace('_', '-')}={value}" for key, value in flags.items())) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert ("--optimizer-m" if kind == "cut off" else "Check the optimizer model") in said
    assert code("show", "latest", "--json", "--store", tmp_path / "store") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["reason"]) == ("failed", said.removeprefix("error: "))
