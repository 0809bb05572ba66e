"""docs/metrics.md: its examples score as it says, and it leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptdescent.cli.settings import FLAGS
from promptdescent.records import Example
from promptdescent.tasks.metrics import METRICS, choose_metric
from promptdescent.tasks.scoring import close_metric

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
LABELS = ["complaint", "praise", "question"]

EXAMPLES = re.findall(r"^\| `([^|]+)` \| `([^|]*)` \| (?:`([^|]*)`)? ?\| ([\d.]+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("name", "reply", "target", "score"), EXAMPLES)
def test_example(name: str, reply: str, target: str, score: str) -> None:
    reply, target = (text.replace("\\n", "\n") for text in (reply, target))
    metric = choose_metric(name, LABELS if name == "choice" else [target], read=None)
    try:
        found = metric.score(reply, Example(id="1", inputs=(("text", "?"),), target=target))
    finally:
        close_metric(metric)
    assert found.value == pytest.approx(float(score), abs=0.0005)


def test_every_metric_is_described() -> None:
    tables = re.findall(r"^\| metric .*\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert len(EXAMPLES) == sum(table.count("\n") for table in tables)  # none has a form that is not tested
    headings = re.findall(r"^## `([\w-]+)", PAGE, re.MULTILINE)
    assert headings == list(METRICS)


def test_flags_on_the_page_exist() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    known = {"--" + name.replace("_", "-") for name in FLAGS}
    assert named <= known
    assert {flag for flag in known if flag.startswith("--judge-")} <= named
