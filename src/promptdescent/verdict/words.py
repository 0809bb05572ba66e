"""The verdict in plain words: a gain is claimed only if it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from promptdescent.records import PromptScore, ScoredRows, Verdict

SCORED_ROWS: Mapping[ScoredRows, str] = {"test": "test rows", "dev": "dev rows", "all": "rows of the data"}

KEEP_THE_OLD = "No real gain was shown; the starting prompt may stay."

DISAGREE = "Interval and test disagree, and a gain needs both."

LEVEL = 0.05
"""A test agrees with a gain if its p-value is below."""


def sentence(verdict: Verdict, *, same_prompt: bool, earlier_runs: int) -> str:
    """What the test rows say of the found prompt, how many they are, and what limits it.

    Args:
        verdict: the comparison.
        same_prompt: whether the search ended with the starting prompt.
        earlier_runs: how many runs before this one have a verdict on some of the same rows.
    """
    limits = verdict_limits(verdict, earlier_runs=earlier_runs)
    return " ".join(part for part in (_claim(verdict, same_prompt), limits) if part)


def verdict_limits(verdict: Verdict, *, earlier_runs: int) -> str:
    """What limits a verdict: rows left out, the commonest label, rows that are not fresh; see :func:`sentence`."""
    parts = [*_left_out(verdict), *_commonest(verdict), reuse_sentence(earlier_runs)]
    return " ".join(part for part in parts if part)


def reuse_sentence(earlier_runs: int) -> str:
    """That the test rows are not fresh; empty if they are."""
    if earlier_runs == 0:
        return ""
    runs = "1 earlier run" if earlier_runs == 1 else f"{earlier_runs} earlier runs"
    return (
        f"Some or all of these test rows were already used for the verdict of {runs} in this store, so the result may "
        "look better than it is; rows that no run has seen would settle it."
    )


def score_sentence(score: PromptScore) -> str:
    """What one prompt scores on its rows."""
    scores = [score.score, *(one.score for one in score.outcomes if one.score is not None)]
    shown, _, _ = written(scores)
    low, high = score.interval
    name = "Score" if score.objective == "mean" else score.objective.capitalize()
    found = (
        f"{name}: {shown(score.score)} on {score.rows:,} {SCORED_ROWS[score.on]} "
        f"(95 % interval {shown(low)} to {shown(high)}, {score.interval_method})."
    )
    common = score.commonest_answer_score
    return found if common is None else f"{found} Always answering the commonest label would score {shown(common)}."


def _claim(verdict: Verdict, same_prompt: bool) -> str:
    score, gap, unit = _formats(verdict)
    if same_prompt:
        return (
            f"The search found nothing better than the starting prompt, {_which_scores(verdict)} "
            f"{score(verdict.start_score)} on {_rows(verdict.rows, 'test row')}. {KEEP_THE_OLD}"
        )
    found, old = score(verdict.best_score), score(verdict.start_score)
    low, high = verdict.interval
    evidence = (
        f"(95 % interval {gap(low)} to {gap(high)}{unit}, {p_value_words(verdict.p_value)}, {verdict.test} test on "
        f"{_rows(verdict.rows, 'test row')})"
    )
    change = f"{gap(verdict.difference)}{unit}"
    both = f"it scores {found}, the starting prompt {old}"
    if verdict.objective != "mean":
        both = f"its {verdict.objective} is {found}, that of the starting prompt {old}"
    measured = f"{both}: a difference of {change} {evidence}."
    if verdict.gain_shown:
        return f"The found prompt is better: {measured}"
    if high < 0:
        return f"The found prompt is worse on the test rows: {measured} Keep the starting prompt."
    split = f" {DISAGREE}" if _disagree(verdict) else ""
    return f"The found prompt is not shown to be better: {measured}{split} {KEEP_THE_OLD}"


def _disagree(verdict: Verdict) -> bool:
    """Whether of a gain that is not shown the interval or the test alone would speak."""
    return verdict.difference > 0 and (verdict.interval[0] > 0) != (verdict.p_value < LEVEL)


def _left_out(verdict: Verdict) -> list[str]:
    found = []
    if verdict.missing:
        judged = any(outcome.grades for outcome in (*verdict.start_outcomes, *verdict.best_outcomes))
        why = "a call failed for good" + (" or the judge gave no grade" if judged else "")
        found.append(f"{_rows(verdict.missing, 'test row')} left out because {why}.")
    if verdict.leaked:
        found.append(f"{_rows(verdict.leaked, 'test row')} left out because a copy stands in the train or dev rows.")
    return found


def _commonest(verdict: Verdict) -> list[str]:
    if verdict.commonest_answer_score is None:
        return []
    score, _, _ = _formats(verdict)
    comparison = ""
    if verdict.commonest_answer_score >= max(verdict.best_score, verdict.start_score):
        comparison = ", as well as either prompt or better"
    return [f"Always answering the commonest label would score {score(verdict.commonest_answer_score)}{comparison}."]


def _which_scores(verdict: Verdict) -> str:
    return "which scores" if verdict.objective == "mean" else f"whose {verdict.objective} is"


def _formats(verdict: Verdict) -> tuple[Callable[[float], str], Callable[[float], str], str]:
    """How scores and differences are written, and the unit of these: per cent and points for scores of 0 to 1."""
    outcomes = (*verdict.start_outcomes, *verdict.best_outcomes)
    scores = [one.score for one in outcomes if one.score is not None]
    return written([verdict.start_score, verdict.best_score, *scores])


def written(scores: Iterable[float]) -> tuple[Callable[[float], str], Callable[[float], str], str]:
    """How these scores and their differences are written, and the unit of the differences: per cent and points if all
    scores are shares.
    """
    if all(0 <= score <= 1 for score in scores):
        return percent, lambda gap: f"{100 * gap:+.1f}", " points"
    return lambda score: f"{score:.4g}", lambda gap: f"{gap:+.4g}", ""


def spread_text(score: float, interval: tuple[float, float]) -> str:
    """A score with its interval, as per cent if they are shares."""
    shown, _, _ = written([score, *interval])
    low, high = (shown(end).removesuffix(" %") for end in interval)
    return f"{shown(score)} ({low} to {high})"


def gain_text(difference: float, interval: tuple[float, float]) -> str:
    """A difference of scores with its interval, in points unless it is too large for shares."""
    _, gap, unit = written(map(abs, (difference, *interval)))
    low, high = map(gap, interval)
    return f"{gap(difference)}{unit} ({low} to {high})"


def percent(share: float) -> str:
    """A share as per cent."""
    return f"{100 * share:.1f} %"


def p_value_words(p_value: float) -> str:
    """A p-value as a sentence gives it: ``p = 0.0123``."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.4f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def _rows(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
