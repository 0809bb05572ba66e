"""The front-end files of others are those that their authors distribute."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from promptdescent.dashboard.app import STATIC

VENDOR = STATIC / "vendor"
ROW = re.compile(
    r"^\| `(?P<file>[\w.-]+)` \| .+ \| \d+\.\d+\.\d+ \| .*`(?P<licence>[\w.-]+)` \| `(?P<digest>\w{64})` \|$",
    re.MULTILINE,
)


def listed(readme: Path) -> dict[str, re.Match[str]]:
    return {row["file"]: row for row in ROW.finditer(readme.read_text(encoding="utf-8"))}


def test_every_file_is_listed_with_its_digest_and_its_licence() -> None:
    rows = listed(VENDOR / "README.md")
    assert set(rows) == {path.name for path in VENDOR.glob("*.js")}
    for name, row in rows.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == row["digest"], name
        assert "Copyright" in (text := (VENDOR / row["licence"]).read_text(encoding="utf-8")) or "Zero-Clause" in text


def test_a_changed_file_would_be_seen(tmp_path: Path) -> None:
    row = listed(VENDOR / "README.md")["htmx.min.js"]
    changed = (VENDOR / "htmx.min.js").read_bytes() + b"\n"
    assert hashlib.sha256(changed).hexdigest() != row["digest"]


def test_pages_load_no_other_scripts_than_these_and_our_own() -> None:
    templates = (STATIC.parent / "templates").glob("*.html")
    named = {name for path in templates for name in re.findall(r'src="([^"]+)"', path.read_text(encoding="utf-8"))}
    ours = {f"/static/{path.name}" for path in STATIC.glob("*.js")}
    assert named == ours | {f"/static/vendor/{path.name}" for path in VENDOR.glob("*.js")}
