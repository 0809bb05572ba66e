"""The rules of the house: who may import whom and when, and where concurrency lives. Each rule is shown failing."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "promptdescent"
MODULES = sorted(PACKAGE.rglob("*.py"))
OF_OTHER_ENVIRONMENTS = "experiments/race/peers/"
"""Scripts that run where another system is installed, and never in ours."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

HEAVY = frozenset(
    {
        "aiohttp",
        "alembic",
        "altair",
        "datasets",
        "duckdb",
        "fastapi",
        "genai_prices",
        "jinja2",
        "markupsafe",
        "math_verify",
        "pebble",
        "psycopg",
        "pydantic",
        "ray",
        "rich",
        "sqlalchemy",
        "aiolimiter",
        "starlette",
        "typer",
        "uvicorn",
        "vl_convert",
        "xllamacpp",
        "yaml",
    }
)

MAY_LOAD_AT_TOP = {
    "cli/": {"typer"},  # commands are declared with it
    "store/migrations/": {"alembic", "sqlalchemy"},  # run by alembic alone
}

MAY_IMPORT_BY_NAME = {
    "__init__.py": {"import_module"},  # our public names, when they are first used
    "cli/commands.py": {"import_module"},  # our commands, when they are called
    "experiments/race/peers/": {"import_module"},  # another system
    "tasks/benchmarks/hub_access.py": {"import_module"},  # an extra without types
    "tasks/metrics/function.py": {"import_module"},  # the user's own module
}

CONCURRENT = frozenset(
    {
        "Process",
        "ProcessPoolExecutor",
        "TaskGroup",
        "Thread",
        "ThreadPoolExecutor",
        "as_completed",
        "create_task",
        "create_task_group",
        "ensure_future",
        "gather",
        "run_coroutine_threadsafe",
        "run_in_executor",
        "start_new_thread",
        "to_thread",
    }
)

MAY_START_TASKS_OR_THREADS = {
    "evaluator.py": CONCURRENT,
    "llm/limits.py": CONCURRENT,
    "llm/streams.py": CONCURRENT,
    "store/replies.py": {"create_task"},  # one query for many look-ups
    "llm/llama.py": {"to_thread"},  # the native library blocks
    "llm/local.py": {"to_thread"},  # reading a large file for its digest blocks
    "llm/function.py": {"to_thread"},  # a plain function of the user may block
    "api.py": {"Thread", "create_task"},  # the front door is sync, also inside a running loop
    "dashboard/live.py": {"create_task", "to_thread"},  # reads a run for as long as pages watch it
    "store/": {"Thread", "to_thread"},  # the one writer
    "experiments/executor.py": {"Thread"},  # one per worker process, which it waits for
    "experiments/race/peers/": {"ThreadPoolExecutor"},  # a process of its own
    "experiments/worker.py": {"create_task"},  # a run, and the end of the input that would stop it
}

UNSAFE = re.compile(
    r"(?:builtins\.)?(?:eval|exec|compile|__import__)|(?:c?pickle|_pickle|marshal|shelve|dill|joblib)(?:\..*)?"
    r"|os\.(?:system|popen|exec\w*|spawn\w*)|yaml\.(?:load|load_all|full_load\w*|unsafe_load\w*|Loader|FullLoader|UnsafeLoader)"
    r"|subprocess\.get(?:status)?output|pty(?:\..*)?|code(?:\..*)?|codeop(?:\..*)?|tempfile\.mktemp"
)
"""What could make data into code, or take a file of data for one of ours."""

Finding = tuple[int, str]
"""A line and what was found there."""


def allowed(path: str, table: Mapping[str, AbstractSet[str]]) -> set[str]:
    """What the table allows to the file ``path``, given relative to the package."""
    return {name for prefix, names in table.items() if path.startswith(prefix) for name in names}


def imported(statement: ast.AST) -> Iterator[str]:
    """The modules that an import statement names, in full; a relative one counts as ours."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield "promptdescent" if statement.level else statement.module or ""


def statements_at_import(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All that runs when the module is imported: everything but function bodies and what only type checkers read."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from statements_at_import(node.orelse)
        else:
            yield from statements_at_import(ast.iter_child_nodes(node))


def own_imports_in_functions(source: str) -> list[Finding]:
    """Imports of our own modules anywhere but at import time."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [
                (node.lineno, name)
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in imported(node)
                if name.split(".")[0] == "promptdescent"
            ]
    return sorted(set(found))


def imports_by_name(source: str, path: str) -> list[int]:
    """Lines that import a module by a name that is a value, in a file that may not."""
    if "import_module" in allowed(path, MAY_IMPORT_BY_NAME):
        return []
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [node.lineno for node in called if ast.unparse(node) in ("import_module", "importlib.import_module")]


def heavy_imports_at_top(source: str, path: str) -> list[Finding]:
    """Slow third-party modules that loading this file would load."""
    permitted = allowed(path, MAY_LOAD_AT_TOP)
    return [
        (node.lineno, name)
        for node in statements_at_import(ast.parse(source).body)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
        if name.split(".")[0] in HEAVY - permitted
    ]


def tasks_and_threads(source: str, path: str) -> list[Finding]:
    """Calls that start a task, a thread or a process in a file that may not."""
    permitted = allowed(path, MAY_START_TASKS_OR_THREADS)
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in CONCURRENT - permitted:
                found.append((node.lineno, name))
    return found


def unsafe(source: str) -> list[Finding]:
    """What would load a pickle, run a text as code or hand it to a shell."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.Name):
            names = [node.id] if node.id in ("eval", "exec", "compile", "__import__") else []
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            names = ["shell"]
        found += [(node.lineno, name) for name in names if name == "shell" or UNSAFE.fullmatch(name)]
    return sorted(set(found))


def third_party_imports(source: str) -> set[str]:
    """Top-level names of everything imported that is neither ours nor Python's."""
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
    }
    return names - sys.stdlib_module_names - {"promptdescent"}


def inside(path: Path) -> str:
    """The path relative to the package, with slashes."""
    return path.relative_to(PACKAGE).as_posix()


# --- the tree keeps the rules ----------------------------------------------------------------------------------------


def test_own_modules_are_imported_at_the_top() -> None:
    found = {inside(path): own_imports_in_functions(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_modules_are_imported_by_name_in_the_named_files_alone() -> None:
    found = {inside(path): imports_by_name(path.read_text(encoding="utf-8"), inside(path)) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_heavy_modules_are_imported_where_they_are_used() -> None:
    found = {inside(path): heavy_imports_at_top(path.read_text(encoding="utf-8"), inside(path)) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_concurrency_lives_in_the_named_files() -> None:
    found = {inside(path): tasks_and_threads(path.read_text(encoding="utf-8"), inside(path)) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_data_is_never_code() -> None:
    found = {inside(path): unsafe(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_package_of_models_loads_none_of_them() -> None:
    """What needs ``llm.base`` gets it without a client: ``llm/__init__.py`` imports nothing."""
    tree = ast.parse((PACKAGE / "llm" / "__init__.py").read_text(encoding="utf-8"))
    assert [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)] == []


def test_dependencies_are_those_imported() -> None:
    """Every third-party import is declared, and every declared dependency is imported."""
    extras = PROJECT["project"]["optional-dependencies"]
    optional = [requirement for extra, requirements in extras.items() if extra != "dev" for requirement in requirements]
    declared = {re.split(r"[\[<>=]", requirement)[0] for requirement in PROJECT["project"]["dependencies"] + optional}
    declared -= {"psycopg"}  # loaded by SQLAlchemy, by the scheme of the store's URL
    declared -= {"promptdescent"}  # an extra that holds another
    distributions = {
        "genai_prices": "genai-prices",
        "math_verify": "math-verify",
        "vl_convert": "vl-convert-python",
        "yaml": "pyyaml",
    }
    names = {
        name
        for path in MODULES
        if not inside(path).startswith(OF_OTHER_ENVIRONMENTS)
        for name in third_party_imports(path.read_text(encoding="utf-8"))
    }
    assert {distributions.get(name, name) for name in names} == declared


# --- the checks themselves can fail ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "from promptdescent.errors import InputError",
        "import promptdescent.records as records",
        "from . import base",
        "from ..errors import InputError",
    ],
)
def test_an_own_import_in_a_function_is_found(line: str) -> None:
    assert own_imports_in_functions(f"class A:\n    async def f(self):\n        {line}\n")[0][0] == 3
    assert own_imports_in_functions(f"{line}\n\ndef f():\n    import json\n") == []


@pytest.mark.parametrize("call", ["import_module(name)", "importlib.import_module(f'promptdescent.{name}')"])
def test_an_import_by_name_is_found(call: str) -> None:
    assert imports_by_name(f"def f(name):\n    return {call}\n", "runner.py") == [2]
    assert imports_by_name(f"def f(name):\n    return {call}\n", "cli/commands.py") == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import json, aiohttp\n", [1]),
        ("from sqlalchemy.orm import Session\n", [1]),
        ("try:\n    import xllamacpp\nexcept ImportError:\n    xllamacpp = None\n", [2]),
        ("class A:\n    import yaml\n", [2]),
        ("if TYPE_CHECKING:\n    import aiohttp\nelse:\n    import typer\n", [4]),
        ("import typing\nif typing.TYPE_CHECKING:\n    import aiohttp\n", []),
        ("def f():\n    import aiohttp\n", []),
        ("async def f():\n    from pydantic import TypeAdapter\n", []),
    ],
)
def test_a_heavy_import_at_the_top_is_found(source: str, lines: list[int]) -> None:
    assert [line for line, _ in heavy_imports_at_top(source, "text.py")] == lines


def test_a_heavy_import_is_allowed_only_in_its_own_file() -> None:
    assert heavy_imports_at_top("import typer\n", "cli/main.py") == []
    assert heavy_imports_at_top("import typer\n", "runner.py") == [(1, "typer")]
    assert heavy_imports_at_top("import sqlalchemy\n", "store/migrations/env.py") == []
    assert heavy_imports_at_top("import sqlalchemy\n", "store/runs.py") == [(1, "sqlalchemy")]


@pytest.mark.parametrize(
    "call",
    [
        "asyncio.create_task(g())",
        "asyncio.gather(g())",
        "asyncio.to_thread(g)",
        "Thread(target=g).start()",
        "concurrent.futures.ThreadPoolExecutor(4)",
        "loop.run_in_executor(None, g)",
    ],
)
def test_a_task_or_thread_outside_the_named_files_is_found(call: str) -> None:
    assert [line for line, _ in tasks_and_threads(f"async def f():\n    {call}\n", "optimizer.py")] == [2]
    assert tasks_and_threads(f"async def f():\n    {call}\n", "evaluator.py") == []


def test_a_named_exception_covers_its_own_kind_only() -> None:
    assert tasks_and_threads("Thread(target=f)", "store/writer.py") == []
    assert tasks_and_threads("asyncio.gather(f())", "store/writer.py") == [(1, "gather")]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "import shelve",
        "from os import system",
        "os.popen(text)",
        "eval(text)",
        "exec(text)",
        "run = exec",
        "builtins.eval(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.Popen(text, shell=wanted)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "from yaml import unsafe_load",
    ],
)
def test_data_that_becomes_code_is_found(line: str) -> None:
    assert {number for number, _ in unsafe(f"def f(text):\n    {line}\n")} == {2}


def test_what_only_looks_like_code_is_not_found() -> None:
    harmless = "re.compile(text)", "self.evaluate(text)", "yaml.safe_load(text)", "subprocess.run([text])", "'eval(x)'"
    assert [found for line in harmless for found in unsafe(line)] == []


def test_a_third_party_import_is_found_wherever_it_stands() -> None:
    source = (
        "import json\nimport numpy.linalg\nfrom promptdescent import text\ndef f():\n    from yaml import safe_load\n"
    )
    assert third_party_imports(source) == {"numpy", "yaml"}


# --- import-linter's contracts ---------------------------------------------------------------------------------------


def lint_imports(tree: Path, *options: str) -> tuple[int, list[str]]:
    """Exit status and the names of the broken contracts of the package under ``tree``."""
    command = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    finished = subprocess.run(
        [sys.executable, "-c", command, "--config", str(tree / "pyproject.toml"), "--no-cache", *options],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Contracts" in finished.stdout, finished.stdout + finished.stderr
    return finished.returncode, re.findall(r"^(.+) BROKEN\b", finished.stdout, re.MULTILINE)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to plant violations in."""
    shutil.copytree(
        PACKAGE, tmp_path / "src" / "promptdescent", ignore=shutil.ignore_patterns("__pycache__", "*.jsonl")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def contract(name: str) -> str:
    """The sentence by which import-linter reports the contract with this id."""
    contracts = {entry["id"]: entry["name"] for entry in PROJECT["tool"]["importlinter"]["contracts"]}
    return str(contracts[name])


def test_every_contract_holds(tree: Path) -> None:
    assert lint_imports(tree) == (0, [])


VIOLATIONS = [
    ("layers", "records.py", "import promptdescent.text"),  # upward
    ("layers", "stats/racing.py", "import promptdescent.text"),  # sideways
    ("layers", "misc.py", ""),  # a room that no layer names
    ("parts", "parts/meta_prompt.py", "import promptdescent.parts.recipe"),
    ("parts", "parts/extra.py", ""),
    ("slots", "parts/direction/momentum.py", "import promptdescent.parts.direction.gradient"),
    ("recipes", "recipes/another.py", "import promptdescent.recipes.gpo"),
    ("recipes-import-parts", "recipes/another.py", "import promptdescent.text"),
    ("report", "report/another.py", "import promptdescent.llm.cache"),
    ("report", "report/another.py", "import promptdescent.optimizer"),
]


@pytest.mark.parametrize(("name", "file", "line"), VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(tree: Path, name: str, file: str, line: str) -> None:
    path = tree / "src" / "promptdescent" / file
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    assert lint_imports(tree, "--contract", name) == (1, [contract(name)])


def test_every_contract_has_a_planted_violation() -> None:
    names = [entry["id"] for entry in PROJECT["tool"]["importlinter"]["contracts"]]
    assert {name for name, _, _ in VIOLATIONS} == set(names)


def test_the_contract_for_reports_names_every_model() -> None:
    """A new file in ``llm`` must not become a way from a report to a model."""
    contracts = {entry["id"]: entry for entry in PROJECT["tool"]["importlinter"]["contracts"]}
    models = {
        f"promptdescent.llm.{path.stem}"
        for path in (PACKAGE / "llm").iterdir()
        if path.stem != "base" and not path.name.startswith("_")
    }
    named = {name for name in contracts["report"]["forbidden_modules"] if name.startswith("promptdescent.llm.")}
    assert named == models
