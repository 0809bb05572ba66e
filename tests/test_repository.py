"""What every file of the repository keeps to: no secrets, no machine paths, no registry addresses; records in form."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "docs", "benchmarks", "examples", ".ci")

# The patterns are put together from pieces, so that this file does not match them itself.
SECRET = re.compile(
    "|".join(
        [
            "sk-" + r"[A-Za-z0-9_-]{20,}",
            "AI" + r"za[A-Za-z0-9_-]{30,}",
            "Bear" + r"er\s+[A-Za-z0-9._~+/-]{20,}",
            "gh" + r"[pousr]_[A-Za-z0-9]{30,}",
            "hf" + r"_[A-Za-z0-9]{30,}",
            "AK" + r"IA[A-Z0-9]{16}",
            "-----BEGIN [A-Z ]*" + "PRIVATE KEY",
        ]
    )
)
MACHINE_PATH = re.compile("/(?:" + "|".join(["wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + "me", "Us" + "ers"]) + ")/")
REGISTRY = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.", "ana" + r"conda\.org", "index" + "-url"])
)


def tracked_files() -> list[Path]:
    """Every file that git tracks or would track; without git, all files of the known folders."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listing = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if listing.returncode == 0:
            return [ROOT / name for name in sorted(set(listing.stdout.split("\0"))) if (ROOT / name).is_file()]
    beside = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in beside + below if "__pycache__" not in path.parts]


FILES = tracked_files()


def matches(pattern: re.Pattern[str]) -> list[str]:
    """Each line of a file that matches, as ``file:line``, without what it holds."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_files_are_found() -> None:
    assert {ROOT / "pyproject.toml", Path(__file__).resolve(), ROOT / ".ci" / "run"} <= set(FILES)


def test_no_secrets() -> None:
    assert matches(SECRET) == []


def test_no_machine_paths() -> None:
    assert matches(MACHINE_PATH) == []


def test_no_registry_addresses() -> None:
    assert matches(REGISTRY) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (SECRET, "key = 'sk" + "-proj-0123456789abcdefghij'"),
        (SECRET, "AI" + "za" + "b" * 35),
        (SECRET, "Authorization: Bear" + "er 0123456789abcdef0123"),
        (SECRET, "-----BEGIN RSA " + "PRIVATE KEY-----"),
        (MACHINE_PATH, "open('/ho" + "me/someone/data.csv')"),
        (REGISTRY, "--extra-index" + "-url https://example"),
        (REGISTRY, "https://pypi" + ".org/simple"),
    ],
)
def test_the_patterns_find(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [(SECRET, "risk-averse people; an `sk-...` key"), (SECRET, "Bearer of news"), (MACHINE_PATH, "src/work.py")],
)
def test_the_patterns_let_plain_text_pass(pattern: re.Pattern[str], line: str) -> None:
    assert not pattern.search(line)


def test_no_file_of_the_package_is_crowded() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "src").rglob("*.py")}
    assert lengths
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > 450} == {}


def test_test_files_have_names_of_their_own() -> None:
    """Tests import the helper modules beside them by plain name, so two files of one name would hide each other."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def test_decision_records_are_numbered_without_a_gap() -> None:
    assert [path.name[:5] for path in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_decision_record_has_its_sections(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(rf"# {path.name[:4]}: \S", text), "the title repeats the number"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Problem", "Decision", "Refused options"]
    assert all(section.strip() for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]), "an empty section"
