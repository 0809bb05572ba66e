"""Flags, task files and help, without a run."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from cli_samples import environment
from typer.testing import CliRunner

from promptdescent import __version__, runner
from promptdescent.cli import main
from promptdescent.cli.settings import FLAGS
from promptdescent.config import BY_RERUN, RunSpec, flag
from promptdescent.errors import ConfigError

WIDE = {"COLUMNS": "200", "TERM": "dumb"}


class Started(Exception):
    """Ends a command where its run would begin."""


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[RunSpec]:
    """The specs of the runs that commands would start."""
    seen: list[RunSpec] = []

    async def start(spec: RunSpec, **others: Any) -> None:
        seen.append(spec)
        raise Started

    monkeypatch.setattr(runner, "start", start)
    return seen


def spec_of(specs: list[RunSpec], *arguments: str) -> RunSpec:
    result = CliRunner().invoke(main.app, arguments)
    assert isinstance(result.exception, Started), result.output
    return specs[-1]


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(main.app, [*arguments, "--help"], env=WIDE)
    assert result.exit_code == 0
    return result.output


def test_every_field_has_a_flag_and_its_help() -> None:
    of_other_commands = {*BY_RERUN, "evaluate_on"}
    assert list(FLAGS) == [field.name for field in fields(RunSpec) if field.name not in of_other_commands]
    text = help_of("optimize")
    for name in FLAGS:
        assert (flag(name) + " " in text) == (name != "data"), name


def test_every_command_has_help() -> None:
    text = help_of()
    for command in ("demo", "optimize", "resume", "show"):
        assert command in text
        assert "--store" in help_of(command)
    assert "--canonical" in help_of("show")


def test_defaults_are_told() -> None:
    text = help_of("optimize")
    assert "(18)" in text
    assert "(the task model)" in text
    assert "<before|after|system|template>" in text


def test_flags_become_a_spec(specs: list[RunSpec], tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    spec = spec_of(
        specs, "optimize", "rows.csv", "--input", "text", "--input", "title", "--target", "label", "--prompt", "Hi",
        "--task-model", "m", "--optimizer-max-tokens", "99", "--task-temperature", "0.5", "--cache", "off",
        "--placement", "before", "--store", store,
    )  # fmt: skip
    assert spec == RunSpec(
        data="rows.csv",
        input=("text", "title"),
        target="label",
        prompt="Hi",
        task_model="m",
        optimizer_max_tokens=99,
        task_temperature=0.5,
        cache="off",
        placement="before",
    )


def test_ready_splits_need_no_data(specs: list[RunSpec], tmp_path: Path) -> None:
    files = ("--train", "a.csv", "--dev", "b.csv", "--test", "c.csv")
    spec = spec_of(specs, "optimize", *files, "--store", str(tmp_path / "store"))
    assert spec == RunSpec(train="a.csv", dev="b.csv", test="c.csv")


@pytest.mark.parametrize("suffix", ["yaml", "YML"])
def test_a_flag_wins_over_the_task_file_and_only_if_it_is_given(
    specs: list[RunSpec], tmp_path: Path, suffix: str
) -> None:
    task = tmp_path / f"task.{suffix}"
    task.write_text("data: rows.csv\nseed: 3\nsteps: 5\ninput: [a, b]\nconcurrency: 2\n", encoding="utf-8")
    spec = spec_of(specs, "optimize", str(task), "--steps", "9", "--store", str(tmp_path / "store"))
    assert spec == RunSpec(data=str(tmp_path / "rows.csv"), seed=3, steps=9, input=("a", "b"), concurrency=2)


@pytest.mark.parametrize("key", ["store", "yes", "quiet", "require_gain", "require-gain"])
def test_what_is_a_flag_only_is_told_so(tmp_path: Path, key: str) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(f"data: rows.csv\n{key}: x\n", encoding="utf-8")
    result = CliRunner().invoke(main.app, ["optimize", str(task)])
    assert f"{flag(key)} is a flag only" in str(result.exception)


def test_a_flag_that_equals_the_default_wins_too(specs: list[RunSpec], tmp_path: Path) -> None:
    task = tmp_path / "task.yaml"
    task.write_text("data: rows.csv\nseed: 3\n", encoding="utf-8")
    assert spec_of(specs, "optimize", str(task), "--seed", "0", "--store", str(tmp_path / "store")).seed == 0


def test_the_demo_takes_a_seed(specs: list[RunSpec], tmp_path: Path) -> None:
    spec = spec_of(specs, "demo", "--seed", "4", "--concurrency", "3", "--store", str(tmp_path / "store"))
    assert (spec.seed, spec.concurrency) == (4, 3)
    assert spec.task_model is not None
    assert spec.data is not None


def test_a_value_of_the_wrong_type_is_a_usage_error(specs: list[RunSpec]) -> None:
    for arguments in (["--steps", "many"], ["--placement", "above"], ["--cache", "on"]):
        result = CliRunner().invoke(main.app, ["optimize", "rows.csv", *arguments])
        assert result.exit_code == 2
    assert specs == []


def test_an_impossible_value_names_the_flag(specs: list[RunSpec]) -> None:
    result = CliRunner().invoke(main.app, ["optimize", "rows.csv", "--steps", "-1"])
    assert isinstance(result.exception, ConfigError)
    assert "--steps" in str(result.exception)


def test_version() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"promptdescent {__version__}\n")


def test_help_loads_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import sys, json\nfrom promptdescent.cli.main import app\n"
        "try:\n    app(['optimize', '--help'])\nexcept SystemExit:\n"
        "    print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(json.loads(done.stderr))
    assert "typer" in loaded
    assert loaded & {"sqlalchemy", "alembic", "aiohttp", "genai_prices", "xllamacpp", "yaml"} == set()


def test_help_comes_at_once(tmp_path: Path) -> None:
    # Processor time, which other programs on the machine change little; with compiled files, as after an installation.
    compiled = {**environment(), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    compiled.pop("PYTHONDONTWRITEBYTECODE", None)
    spent = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = [sys.executable, "-m", "promptdescent.cli.main", "--help"]
        subprocess.run(program, env=compiled, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 1.5, spent
