"""Finding runs in a store: words, tags, order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from terminal_samples import write

from promptdescent.cli.runs import runs
from promptdescent.records import ModelSettings
from promptdescent.store.listing import Sort, count_runs, listed_runs
from promptdescent.store.store import Store
from promptdescent.store.tags import change_tags
from report.report_samples import VERDICT, manifest, open_store, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store lies that these tests read."""
    return tmp_path_factory.mktemp("found")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    with closing(open_store(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def three(store: Store) -> list[str]:
    """Three runs, oldest first: the second one failed and has no gain."""
    large = ModelSettings(name="Large-Model", temperature=0.0, max_tokens=16)
    made = [
        write_run(store, run_manifest=manifest(), verdict=replace(VERDICT, difference=0.1)),
        write_run(store, run_manifest=replace(manifest(), recipe_name="ape"), verdict=None, failures=3),
        write_run(store, run_manifest=replace(manifest(), task_model=large), verdict=replace(VERDICT, difference=0.3)),
    ]
    asyncio.run(change_tags(store, made[0], add=["old", "keep"]))
    asyncio.run(change_tags(store, made[2], add=["keep"]))
    return made


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", [2, 1, 0]),
        ("gpo", [2, 0]),
        ("large-model", [2]),
        ("GPO old", [0]),
        ("failed", [1]),
        ("is it good", [2, 1, 0]),
        ("keep ape", []),
        ("%", []),
        ("_", []),
    ],
)
def test_all_words_are_looked_for_without_regard_to_case(
    store: Store, three: list[str], search: str, found: list[int]
) -> None:
    assert [run.id for run in listed_runs(store, search=search)] == [three[number] for number in found]


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store, three: list[str]) -> None:
    assert [run.id for run in listed_runs(store, search=three[1][:8])] == [three[1]]
    assert listed_runs(store, search=three[1][1:9]) == ()


def test_a_run_must_have_all_of_the_tags(store: Store, three: list[str]) -> None:
    assert [run.id for run in listed_runs(store, tags=["keep"])] == [three[2], three[0]]
    assert [run.id for run in listed_runs(store, tags=["keep", "old"])] == [three[0]]
    assert listed_runs(store, tags=["kee"]) == ()


@pytest.mark.parametrize(
    ("sort", "order", "turned"),
    [
        ("started", [2, 1, 0], [0, 1, 2]),
        ("gain", [2, 0, 1], [0, 2, 1]),
        ("calls", [1, 2, 0], [2, 0, 1]),
        ("recipe", [1, 2, 0], [2, 0, 1]),
        ("status", [1, 2, 0], [2, 0, 1]),
        ("score", [2, 1, 0], [2, 1, 0]),
    ],
)
def test_runs_are_put_in_order(store: Store, three: list[str], sort: Sort, order: list[int], turned: list[int]) -> None:
    """Those without a gain come last either way, and of equals the newest first."""
    assert [run.id for run in listed_runs(store, sort=sort)] == [three[number] for number in order]
    assert [run.id for run in listed_runs(store, sort=sort, reverse=True)] == [three[number] for number in turned]
    assert [run.id for run in listed_runs(store, sort=sort, last=1)] == [three[order[0]]]


def test_runs_that_explain_are_listed_only_when_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(tmp_path)) as store:
        run = write(store)
        measured = [write(store, explains=run), write(store, explains=run)]
        other = write(store, prompt='He said {"explains":"this"}?')
        assert [one.id for one in listed_runs(store)] == [other, run]
        assert [one.id for one in listed_runs(store, last=2)] == [other, run]
        assert [one.id for one in listed_runs(store, sort="calls", reverse=True)] == [other, run]
        assert [one.id for one in listed_runs(store, explanations=True)] == [other, *reversed(measured), run]
        assert [one.explains for one in listed_runs(store, search=f"explains {run}")] == [run, run]
        assert (count_runs(store), count_runs(store, explanations=True)) == (2, 4)
    runs(last=1, store=str(tmp_path))
    out, err = capsys.readouterr()
    assert "explains" not in out
    assert err == "1 of 2 runs; all of them: promptdescent runs --last 2\n"
    runs(last=2, show_all=True, store=str(tmp_path))
    out, err = capsys.readouterr()
    assert f"explains {run}" in out
    assert err == "2 of 4 runs; all of them: promptdescent runs --all --last 4\n"
    runs(last=20, search="nothing", store=str(tmp_path))
    assert capsys.readouterr().err == f"none of the 2 runs in {tmp_path} matches\n"


def test_the_command_finds_sorts_and_says_how_many_match(
    store: Store, folder: Path, three: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    runs(last=1, tag=["keep"], sort="gain", reverse=True, store=str(folder))
    out, err = capsys.readouterr()
    head, line = out.splitlines()
    assert head.split()[-1] == "tags"
    assert line.startswith(three[0])
    assert line.endswith("old keep")
    assert err == "1 of 2 runs that match; all of them: the same --last 2\n"
    runs(last=20, search="nothing like it", store=str(folder))
    assert capsys.readouterr() == ("", f"none of the 3 runs in {folder} matches\n")
    runs(last=20, search="ape", as_json=True, store=str(folder))
    assert [run["id"] for run in json.loads(capsys.readouterr().out)] == [three[1]]
    runs(last=1, search="ape", store=str(folder))
    assert "tags" not in capsys.readouterr().out
