"""The table of commands says what their modules say, and a call loads the module of its own command alone."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from cli_samples import environment
from typer.main import get_command
from typer.testing import CliRunner

from promptdescent.cli import main
from promptdescent.cli.commands import COMMANDS

LOADED = """
import json, sys
from promptdescent.cli.main import main

sys.argv = ["promptdescent", *{arguments}]
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded_by(*arguments: str, folder: Path) -> set[str]:
    """The modules that a call of the program has loaded when it ends."""
    code = LOADED.format(arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, cwd=folder
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_in_the_table_is_the_functions_own(name: str) -> None:
    listed = COMMANDS[name]
    function = getattr(import_module(f"promptdescent.cli.{listed.module}"), listed.function)
    first, *_ = (inspect.getdoc(function) or "").splitlines()
    assert listed.help == first


def test_all_commands_load_and_are_listed() -> None:
    commands = get_command(main.app).commands  # type: ignore[attr-defined]
    assert [command.name for command in commands.values()] == list(COMMANDS)
    text = CliRunner().invoke(main.app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert [line for line in COMMANDS if f" {line} " not in text] == []


def test_the_help_of_the_program_loads_no_command(tmp_path: Path) -> None:
    loaded = loaded_by("--help", folder=tmp_path)
    assert "promptdescent.cli.commands" in loaded
    assert {f"promptdescent.cli.{listed.module}" for listed in COMMANDS.values()} & loaded == set()


@pytest.mark.parametrize("name", ["show", "runs", "export"])
def test_what_only_reads_loads_nothing_that_runs(name: str, tmp_path: Path) -> None:
    loaded = loaded_by(name, folder=tmp_path)
    assert f"promptdescent.cli.{name}" in loaded
    others = {f"promptdescent.cli.{listed.module}" for listed in COMMANDS.values()} - {f"promptdescent.cli.{name}"}
    too_much = {"promptdescent.assembly", "promptdescent.config", "promptdescent.experiments", "promptdescent.runner"}
    assert loaded & (others | too_much) == set()


def test_a_command_that_is_not_there_is_a_usage_error_that_names_the_nearest() -> None:
    ended = CliRunner().invoke(main.app, ["shwo"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert ended.exit_code == 2
    assert "'show'" in ended.output
