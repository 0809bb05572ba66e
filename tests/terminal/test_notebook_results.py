"""What a notebook shows of a result."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from terminal_samples import HOSTILE, outcomes

from promptdescent.phases import EvaluationResult, RunResult
from promptdescent.records import PromptScore, Usage
from report.report_samples import BEST, START, VERDICT

RESULT = RunResult(
    run="0123456789ab",
    start_prompt=START,
    best_prompt=BEST,
    best_dev_score=1.0,
    verdict=VERDICT,
    ended_because="all steps done",
    used=Usage(),
    paid=Usage(),
)


class Tags(HTMLParser):
    """The tags of a page, which must close what they open, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self._open.append(tag)
        assert {name for name, _ in attrs} <= {"style"}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_result_shows_the_verdict_and_the_words_that_went_and_came() -> None:
    page = RESULT._repr_html_()
    words = Tags(page).words
    assert words.startswith("The found prompt is better: it scores 75.0 %")
    assert "From the starting prompt to the found one: 5 words changed:" in words
    assert re.search(r"<del [^>]*>Is</del> <ins [^>]*>Say yes or no: is</ins> it good\?", page)
    assert "promptdescent show 0123456789ab" in words


def test_what_models_write_is_text() -> None:
    page = replace(RESULT, start_prompt="<img src=x onerror=alert(1)>", best_prompt=HOSTILE)._repr_html_()
    assert Tags(page).seen == {"div", "p", "strong", "ins", "del", "code"}
    assert "<script>alert(1)</script>" in Tags(page).words


def test_earlier_use_of_the_test_rows_is_said() -> None:
    assert "already used" not in RESULT._repr_html_()
    assert "already used for the verdict of 2 earlier runs" in replace(RESULT, earlier_runs=2)._repr_html_()


def test_a_search_that_found_nothing_says_so() -> None:
    words = Tags(replace(RESULT, best_prompt=START)._repr_html_()).words
    assert "found nothing better than the starting prompt" in words
    assert "The found prompt is the starting prompt:" in words


def test_an_evaluation_shows_its_score_and_prompt() -> None:
    score = PromptScore(
        on="dev",
        score=0.5,
        interval=(0.25, 0.75),
        interval_method="Wilson score",
        rows=4,
        missing=0,
        leaked=0,
        commonest_answer_score=0.5,
        outcomes=outcomes((1.0, 0.0, 1.0, 0.0)),
    )
    page = EvaluationResult(run="ab", prompt="<b>Yes?</b>", score=score, used=Usage(), paid=Usage())._repr_html_()
    words = Tags(page).words
    assert words.startswith(
        "Score: 50.0 % on 4 dev rows (95 % interval 25.0 % to 75.0 %, Wilson score). Always answering the commonest "
        "label would score 50.0 %."
    )
    assert "<b>Yes?</b>" in words
