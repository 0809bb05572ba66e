"""What a notebook shows of a result."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from terminal_samples import HOSTILE, outcomes

from promptdescent.phases import EvaluationResult, RunResult
from promptdescent.records import Effect, Explanation, PieceEffect, PromptScore, Usage, from_json, to_json
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


def test_an_explanation_shows_its_pieces_with_what_they_are_worth() -> None:
    strong = Effect(difference=0.2, interval=(0.1, 0.3), rows=10)
    prompt = f"Yes? {HOSTILE}"

    def piece(start: int, end: int, *, effect: Effect, matters: bool = False, locked: bool = False) -> PieceEffect:
        return PieceEffect(
            start=start,
            end=end,
            average=effect,
            removed=None,
            p_value=0.01,
            matters=matters,
            brought_by=None,
            locked=locked,
        )

    found = Explanation(
        run="ab",
        version="0.1.0",
        prompt=prompt,
        score=0.9,
        rows=10,
        prompts=4,
        most_calls=40,
        calls=38,
        pieces=(
            piece(0, 5, effect=strong, matters=True),
            piece(5, len(prompt) - 3, effect=Effect(difference=-0.01, interval=(-0.05, 0.03), rows=10)),
            piece(len(prompt) - 3, len(prompt), effect=Effect(difference=0, interval=(0, 0), rows=0), locked=True),
        ),
        pairs=(),
        pruned=None,
        doubts=(),
        notes=("Ten rows <tell> little.",),
    )
    page = Tags(found._repr_html_())
    assert page.seen == {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code"}
    assert "What 3 pieces of the prompt are worth; the whole one scores 90.0 % on 10 dev rows" in page.words
    assert "+20.0 (+10.0 to +30.0)yes" in page.words
    assert "-1.0 (-5.0 to +3.0)not shown" in page.words
    assert "cannot be left out" in page.words
    assert "<script>alert(1)</script>" in page.words
    assert "Ten rows <tell> little." in page.words
    assert from_json(Explanation, to_json(found)) == found
