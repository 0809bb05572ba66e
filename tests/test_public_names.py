"""The names that ``import promptdescent`` promises."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import promptdescent

INIT = Path(promptdescent.__file__)
NAMES = list(promptdescent.__all__)


def names_for_type_checkers(source: str) -> set[str]:
    """What a lazy ``__init__`` imports under ``if TYPE_CHECKING:``."""
    return {
        alias.asname or alias.name
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def test_all_is_sorted_without_repeats() -> None:
    assert sorted(set(NAMES)) == NAMES


def test_at_most_thirty_names() -> None:
    assert len(NAMES) <= 30


def test_all_is_complete() -> None:
    """Type checkers see exactly the names that users get at run time."""
    assert names_for_type_checkers(INIT.read_text(encoding="utf-8")) | {"__version__"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(promptdescent, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        assert text, f"{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{name} has only the docstring that dataclass generates"


def test_dir_lists_the_names() -> None:
    assert set(NAMES) <= set(dir(promptdescent))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = promptdescent.no_such_name  # type: ignore[attr-defined,unused-ignore]


def test_the_names_for_type_checkers_are_found() -> None:
    source = "from a import b\nif TYPE_CHECKING:\n    from c import d as d, e as f\n"
    assert names_for_type_checkers(source) == {"d", "f"}
