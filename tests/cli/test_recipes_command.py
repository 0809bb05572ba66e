"""``promptdescent recipes``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptdescent.cli import main
from promptdescent.cli.recipe_text import recipe_called
from promptdescent.errors import ConfigError
from promptdescent.recipes import RECIPES, recipe_named


def recipes(*arguments: str) -> str:
    result = CliRunner().invoke(main.app, ["recipes", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_has_a_line_for_each_recipe_and_lines_up() -> None:
    head, *lines = recipes().splitlines()
    assert [line.split("  ")[0] for line in lines[: len(RECIPES)]] == list(RECIPES)
    start = head.index("update method")
    assert lines[0][start:].startswith("Cosine start=50 final=10, Generate")
    assert all(line[start - 1] == " " and line[start] != " " for line in lines[: len(RECIPES)])
    assert "sgdm:gpo-paper is sgdm." in lines


def test_one_recipe_in_full() -> None:
    text = recipes("opro")
    assert "The 20 best" in text or "the 20 best" in text
    assert "ImportanceRetrieval(k=20, of=all)" in text
    assert "rounds=200" in text


def test_the_difference_shows_just_the_slots_that_differ() -> None:
    lines = recipes("--diff", "opro", "gpo").splitlines()
    assert lines[0].split() == ["slot", "opro", "gpo"]
    assert [line.split("  ")[0] for line in lines[1:]] == ["momentum", "step size", "selection", "search"]
    assert "same in every slot" in recipes("--diff", "sgdm", "sgdm:gpo-paper")


def test_all_of_it_as_json() -> None:
    assert json.loads(recipes("--json"))["apo"] == json.loads(json.dumps(recipe_named("apo").as_data()))
    one = json.loads(recipes("pe2", "--json"))
    assert (one["name"], one["recipe"]["selection"]) == ("pe2", {"part": "Beam", "width": 4})
    assert "INK-USC/PE2" in one["about"]
    between = json.loads(recipes("--diff", "gpo", "opro", "--json"))
    assert between["selection"] == {"gpo": {"part": "Greedy", "accept": "always"}, "opro": {"part": "TopK", "k": 1}}
    assert "gradient" not in between


def test_a_mixture_in_a_file_is_shown_as_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("{base: gpo, momentum: NoMomentum}", encoding="utf-8")
    assert "NoMomentum()" in recipes(f"@{file}")
    assert recipes("--diff", "gpo", f"@{file}").splitlines()[1].split()[-1] == "NoMomentum()"
    assert recipe_called(f"@{file}")[0].name == "gpo+momentum"


@pytest.mark.parametrize("wrong", [["--diff", "gpo"], ["gpo", "opro"], ["--diff", "a", "b", "c"], ["gp0"]])
def test_what_cannot_be_shown_says_so(wrong: list[str]) -> None:
    result = CliRunner().invoke(main.app, ["recipes", *wrong])
    assert isinstance(result.exception, ConfigError)
