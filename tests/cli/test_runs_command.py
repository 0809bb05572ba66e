"""``promptdescent runs``."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from cli_samples import Invoke, optimize_arguments

from promptdescent.records import ModelSettings, RunManifest
from promptdescent.store.store import Store


def test_what_a_run_did_is_listed(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet", "--tag", "two words")).returncode == 2
    assert invoke(*optimize_arguments(rows, "--quiet", "--tag", "keep", "--tag", "v1")).returncode == 0
    shown = json.loads(invoke("show", "--json").stdout)
    (listed,) = json.loads(invoke("runs", "--json").stdout)
    assert (listed["id"], listed["recipe"], listed["seed"]) == (shown["id"], shown["recipe"], shown["seed"])
    assert (listed["created_at"], listed["status"]["state"]) == (shown["created"], "finished")
    assert listed["tags"] == ["keep", "v1"]
    assert listed["best_score"] == shown["best"]["dev_score"]
    assert listed["verdict"] == {name: shown["verdict"][name] for name in ("difference", "interval", "gain_shown")}
    assert listed["calls"] == sum(usage["paid"]["calls"] for usage in shown["usage"].values())
    head, line = invoke("runs").stdout.splitlines()
    assert head.split()[:2] == ["run", "date"]
    assert line.startswith(shown["id"])


def test_the_newest_come_first_and_how_many_there_are_is_said(invoke: Invoke, tmp_path: Path) -> None:
    write_runs(tmp_path / "store", count=3)
    ended = invoke("runs", "--store", str(tmp_path / "store"), "--last", "2")
    assert [line.split()[5] for line in ended.stdout.splitlines()[1:]] == ["2", "1"]
    assert ended.stderr == "2 of 3 runs; all of them: promptdescent runs --last 3\n"
    assert invoke("runs", "--store", str(tmp_path / "store")).stderr == ""


def test_a_store_without_runs_and_no_store(invoke: Invoke, tmp_path: Path) -> None:
    write_runs(tmp_path / "empty", count=0)
    ended = invoke("runs", "--store", str(tmp_path / "empty"))
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.endswith("yet: promptdescent demo or optimize makes one\n")
    assert invoke("runs", "--store", str(tmp_path / "empty"), "--json").stdout == "[]\n"
    ended = invoke("runs", "--store", "nowhere")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no store in nowhere: name the folder of your runs with --store" in ended.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("last", ["0", "-1", "many"])
def test_a_number_of_runs_that_makes_no_sense_is_refused(invoke: Invoke, last: str) -> None:
    ended = invoke("runs", "--last", last)
    assert ended.returncode == 2
    assert "--last" in ended.stderr


def test_an_unknown_order_is_refused_in_one_line(invoke: Invoke, tmp_path: Path) -> None:
    ended = invoke("runs", "--sort", "scroe")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: --sort scroe: no such choice; did you mean 'score'?\n"


def write_runs(folder: Path, *, count: int) -> None:
    """A store of finished runs with seeds 0, 1, …"""
    model = ModelSettings(name="a-model", temperature=0.0, max_tokens=16)
    with closing(Store.open(folder)) as store:
        for seed in range(count):
            run = store.create_run(
                RunManifest(
                    version="0.1.0",
                    seed=seed,
                    recipe_name="gpo",
                    recipe={},
                    task_model=model,
                    optimizer_model=model,
                    task_identity="",
                    optimizer_identity="",
                    similarity="lexical",
                    prompt="?",
                    placement="after",
                    metric="choice",
                    labels=(),
                    task_fingerprint="",
                    split_sizes={},
                    total_steps=1,
                    max_calls=None,
                    max_total_tokens=None,
                    cache="store",
                ),
                {},
            )
            asyncio.run(store.set_status(run, "finished"))
