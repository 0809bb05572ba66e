"""The verdict of a page: one sentence with its interval, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted
from promptdescent.verdict.words import SCORED_ROWS, percent, verdict_limits

VerdictKind = Literal["gain", "no gain", "worse", "same prompt", "score", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictSection:
    """What is known of the prompt that a run ended with."""

    kind: VerdictKind
    headline: str
    """One sentence with its interval."""
    sentence: str
    """The same in full, as ``show`` prints it."""
    brief: str = ""
    """What the full sentence adds to the headline; empty where they have nothing in common."""
    figures: tuple[tuple[str, str], ...] = ()
    """Name and value of the numbers behind it."""
    difference: float | None = None
    """Found less starting prompt; None without a verdict on two prompts."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval: of the difference, or of the score where only one prompt was scored."""
    unit: str = ""
    """Of difference and interval as text: ``points`` for scores of 0 to 1."""


def verdict_section(facts: Facts) -> VerdictSection:
    """The verdict, or why there is none."""
    if not facts.searched:
        return _of_evaluation(facts)
    found = facts.record["verdict"]
    return _of_search(facts, found) if found else _none(facts)


def _of_search(facts: Facts, found: Mapping[str, Any]) -> VerdictSection:
    low, high = found["interval"]
    same = facts.record["best"]["prompt"] == facts.record["start"]["prompt"]
    kind: VerdictKind = "gain" if found["gain_shown"] else "worse" if high < 0 else "no gain"
    said = {
        "gain": "The found prompt is better",
        "worse": "The found prompt is worse",
        "no gain": "No gain was shown",
    }[kind]
    headline = f"{said}: {difference_words(found['difference'], low, high, shares=facts.shares)}."
    if same:
        kind, headline = "same prompt", "The search found nothing better than the starting prompt."
    return VerdictSection(
        kind=kind,
        headline=headline,
        sentence=found["sentence"],
        brief=_brief(facts, found, kind),
        figures=_figures(facts, found),
        difference=None if same else found["difference"],
        interval=None if same else (low, high),
        unit="points" if facts.shares else "",
    )


def _brief(facts: Facts, found: Mapping[str, Any], kind: VerdictKind) -> str:
    """Test, rows, what to do, and what limits the verdict."""
    if facts.verdict is None:
        return ""
    rows = counted(found["rows"], "test row")
    test, interval = found["test"], found["interval_method"]
    how = (
        f"On {rows}." if kind == "same prompt" else f"{test[:1].upper()}{test[1:]} test on {rows}, {interval} interval."
    )
    do = {"worse": "Keep the starting prompt.", "no gain": "The starting prompt may stay."}.get(kind, "")
    limits = verdict_limits(facts.verdict, earlier_runs=facts.record["earlier_use_of_test_rows"])
    return " ".join(filter(None, [how, do, limits]))


def difference_words(difference: float, low: float, high: float, *, shares: bool) -> str:
    """A difference of scores with its interval."""
    if shares:
        return f"{100 * difference:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
    return f"{difference:+.4g} (95 % interval {low:+.4g} to {high:+.4g})"


def _figures(facts: Facts, found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    p_value = "< 0.001" if found["p_value"] < 0.001 else f"{found['p_value']:.3f}"
    common = found["commonest_answer_score"]
    return (
        ("Starting prompt", written(found["start_score"], shares=facts.shares)),
        ("Found prompt", written(found["best_score"], shares=facts.shares)),
        *((("Commonest label", written(common, shares=facts.shares)),) if common is not None else ()),
        ("Test rows", f"{found['rows']:,}"),
        ("p value", p_value),
    )


def _of_evaluation(facts: Facts) -> VerdictSection:
    evaluation = facts.record["evaluation"]
    if evaluation["score"] is None:
        return VerdictSection(
            kind="none", headline="No score: not every row was asked.", sentence=f"The run is {facts.record['status']}."
        )
    low, high = evaluation["interval"]
    score, least, most = (written(value, shares=facts.shares) for value in (evaluation["score"], low, high))
    common = evaluation["commonest_answer_score"]
    beside = "" if common is None else f" Always answering the commonest label would score {percent(common)}."
    name = "scores" if evaluation["objective"] == "mean" else f"has a {evaluation['objective']} of"
    return VerdictSection(
        kind="score",
        headline=f"The prompt {name} {score} (95 % interval {least} to {most}).",
        sentence=f"Measured on {evaluation['rows']:,} {SCORED_ROWS[evaluation['on']]}; the interval is the "
        f"{evaluation['interval_method']} interval.{beside}",
        figures=(("Score", score), ("Rows", f"{evaluation['rows']:,}")),
        interval=(low, high),
    )


def _none(facts: Facts) -> VerdictSection:
    best, start = facts.record["best"], facts.record["start"]
    explained = facts.manifest.explains
    if explained:
        return VerdictSection(
            kind="none",
            headline=f"No verdict: this run measures the prompt of run {explained}.",
            sentence=f"It holds the calls of a measurement; the page of run {explained} shows what came out.",
        )
    if start["dev_score"] is None:
        return VerdictSection(
            kind="none",
            headline="No verdict: the starting prompt was not scored.",
            sentence="Nothing is known of any prompt yet.",
        )
    return VerdictSection(
        kind="none",
        headline="No verdict: the test rows were not asked, so nothing is known about a gain.",
        sentence=f"On {counted(best['rows'], 'dev row')}, which also chose between prompts, the best prompt so far "
        f"scores {best['dev_score']:.3f} and the starting prompt {start['dev_score']:.3f}. Dev scores of chosen "
        "prompts are too high on average.",
    )


def written(score: float, *, shares: bool) -> str:
    """A score on test rows: per cent for scores of 0 to 1."""
    return percent(score) if shares else f"{score:.4g}"
