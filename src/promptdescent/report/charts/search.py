"""The figures of a search: scores over steps, word budgets, scores against tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptdescent.report.charts.chart import BLUE, GREY, NONE, ORANGE, Chart, named, number, styled, values, whole
from promptdescent.report.page.steps import SearchSection, Step

MOST_POINTS = 240
"""Proposals that are drawn one by one; of more, each step shows the range."""

MANY_STEPS = 60
"""From so many steps on, points are small and lines thin."""

_BEST, _CURRENT, _PROPOSALS = "best so far", "current prompt", "other proposals"
_BUDGET, _MOVED, _OTHERS = "words allowed", "moved by the kept prompt", "by other proposals"


def score_chart(search: SearchSection) -> Chart:
    """Dev scores over the steps."""
    import altair as alt

    steps, at = search.steps, _places(search.steps)
    lines = values(
        [
            {
                "step": at[place],
                "best": step.best_score,
                "current": step.current_score,
                "low": step.interval[0] if step.interval else None,
                "high": step.interval[1] if step.interval else None,
            }
            for place, step in enumerate(steps)
        ]
    )
    x = _over_steps(alt)
    y: dict[str, Any] = {"scale": alt.Scale(zero=False, nice=True), "title": search.score_name}
    colour, shape = _legend(alt, [_BEST, _CURRENT, _PROPOSALS])
    base = alt.Chart(lines)
    layers: list[Any] = []
    if any(step.interval for step in steps):
        band = base.mark_area(interpolate="step-after", opacity=0.16, color=BLUE)
        layers.append(band.encode(x=x, y=alt.Y("low:Q", **y), y2="high:Q"))
    layers += _others(alt, x, y, (colour, shape), [(at[place], one.score) for place, one in _scores(steps)], _PROPOSALS)
    few = len(steps) < MANY_STEPS
    line: dict[str, Any] = {"strokeDash": [5, 3], "strokeWidth": 1.5} if few else {"strokeWidth": 1}
    layers += [
        _called(base, _CURRENT).mark_line(**line).encode(x=x, y=alt.Y("current:Q", **y), color=colour),
        _called(base, _CURRENT)
        .mark_point(filled=True, size=46 if few else 8, opacity=1)
        .encode(x=x, y=alt.Y("current:Q", **y), color=colour, shape=shape),
        _called(base, _BEST)
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(x=x, y=alt.Y("best:Q", **y), color=colour),
    ]
    first, last = steps[0], steps[-1]
    return Chart(
        name="score",
        title="Score over steps",
        summary=f"The best {search.score_name} went from {number(first.best_score)} to {number(last.best_score)} in "
        f"{len(steps) - 1:,} steps. {search.interval_note}",
        spec=styled(alt.layer(*layers)),
        header=("Step", "Best so far", "95 % interval", "Current prompt", "Scored", "Proposals"),
        rows=tuple(
            (
                step.label,
                number(step.best_score),
                f"{step.interval[0]:.3f} to {step.interval[1]:.3f}" if step.interval else NONE,
                number(step.current_score),
                whole(len(step.scored)),
                whole(len(step.proposals)),
            )
            for step in steps
        ),
    )


def budget_chart(search: SearchSection) -> Chart | None:
    """The word budget as a learning-rate curve, with the distance really moved; None where nothing would be drawn."""
    import altair as alt

    steps, at = search.step_records, _places(search.steps)[1:]
    if not steps:
        return None
    lines = values(
        [{"step": at[place], "budget": step.word_budget, "moved": step.moved} for place, step in enumerate(steps)]
    )
    x = _over_steps(alt)
    y: dict[str, Any] = {"scale": alt.Scale(zero=True, nice=True), "title": "words"}
    colour, shape = _legend(alt, [_BUDGET, _MOVED, _OTHERS])
    others = [
        (at[place], float(one.distance))
        for place, step in enumerate(steps)
        for one in step.scored
        if one.distance is not None and one.id != step.current
    ]
    base = alt.Chart(lines)
    limited, kept = (any(found is not None for found in of) for of in _budgets(steps))
    layers = _others(alt, x, y, (colour, shape), others, _OTHERS)
    if limited:
        layers.append(
            _called(base, _BUDGET).mark_line(strokeWidth=2.5).encode(x=x, y=alt.Y("budget:Q", **y), color=colour)
        )
    few = len(steps) < MANY_STEPS
    if few and kept:
        layers.append(
            base.mark_rule(color=ORANGE, opacity=0.45).encode(x=x, y=alt.Y("moved:Q", **y), y2=alt.Y2Datum(0))
        )
    if kept:
        layers.append(
            _called(base, _MOVED)
            .mark_point(filled=True, size=52 if few else 14, opacity=1)
            .encode(x=x, y=alt.Y("moved:Q", **y), color=colour, shape=shape)
        )
    if not layers:
        return None
    return Chart(
        name="budget",
        title="Word budget",
        summary=_budget_words(steps),
        spec=styled(alt.layer(*layers)),
        header=("Step", "Words allowed", "Words changed in the kept prompt", "Least and most in a scored proposal"),
        rows=tuple((step.label, whole(step.word_budget), whole(step.moved), _range(step)) for step in steps),
    )


def tokens_chart(search: SearchSection) -> Chart | None:
    """Scores against tokens spent; None where the record does not count them."""
    import altair as alt

    steps = [step for step in search.steps if step.tokens is not None]
    if len(steps) < 2:
        return None
    lines = values([{"tokens": step.tokens, "best": step.best_score, "current": step.current_score} for step in steps])
    x = alt.X(
        "tokens:Q",
        title="tokens used by all models",
        axis=alt.Axis(format="~s", grid=False),
        scale=alt.Scale(zero=False, nice=False, padding=8),
    )
    y: dict[str, Any] = {"scale": alt.Scale(zero=False, nice=True), "title": search.score_name}
    colour, shape = _legend(alt, [_BEST, _CURRENT])
    base = alt.Chart(lines)
    layers = [
        _called(base, _CURRENT)
        .mark_point(filled=True, size=46, opacity=1)
        .encode(x=x, y=alt.Y("current:Q", **y), color=colour, shape=shape),
        _called(base, _BEST)
        .mark_line(interpolate="step-after", strokeWidth=2.5, point={"size": 30, "filled": True})
        .encode(x=x, y=alt.Y("best:Q", **y), color=colour),
    ]
    last = steps[-1]
    first_best = next(step for step in steps if step.best == last.best)
    return Chart(
        name="tokens",
        title="Score against tokens",
        summary=f"The search used {whole(last.tokens)} tokens; its best prompt was found after "
        f"{whole(first_best.tokens)}. The verdict is not in this figure.",
        spec=styled(alt.layer(*layers)),
        header=("Step", "Tokens used", "Best so far", "Current prompt"),
        rows=tuple(
            (step.label, whole(step.tokens), number(step.best_score), number(step.current_score)) for step in steps
        ),
    )


# --- pieces ----------------------------------------------------------------------------------------------------------


def _places(steps: Sequence[Step]) -> list[int]:
    """Where each step stands across: its number, and the starting prompt just before the first."""
    return [steps[1].number - 1 if len(steps) > 1 else 0, *(step.number for step in steps[1:])]


def _over_steps(alt: Any) -> Any:
    axis = alt.Axis(format="d", tickMinStep=1, grid=False)
    return alt.X("step:Q", title="step", axis=axis, scale=alt.Scale(zero=False, nice=False, padding=8))


def _legend(alt: Any, names: Sequence[str]) -> tuple[Any, Any]:
    """Colours and shapes by name: two lines that a legend makes one of, as long as both have the same names."""
    legend, count = alt.Legend(orient="top", title=None, symbolOpacity=1), len(names)
    shapes = alt.Scale(domain=list(names), range=["stroke", "diamond", "circle"][:count])
    colours = named(names, [BLUE, ORANGE, GREY][:count])
    return alt.Color("series:N", scale=colours, legend=legend), alt.Shape("series:N", scale=shapes, legend=legend)


def _called(base: Any, name: str) -> Any:
    """A layer whose marks all have this name in the legend."""
    return base.transform_calculate(series=f"'{name}'")


def _scores(steps: Sequence[Step]) -> list[tuple[int, Any]]:
    """The scored proposals that are not the current prompt after their step, each with the place of it."""
    return [(place, one) for place, step in enumerate(steps) for one in step.scored if one.id != step.current]


def _others(
    alt: Any, x: Any, y: dict[str, Any], looks: tuple[Any, Any], points: Sequence[tuple[int, float]], name: str
) -> list[Any]:
    """The other proposals, one by one or, where there are many, as the range of each step."""
    if not points:
        return []
    colour, shape = looks
    if len(points) <= MOST_POINTS:
        data = values([{"step": step, "value": value} for step, value in points])
        mark = _called(alt.Chart(data), name).mark_point(size=22, strokeWidth=1.2, opacity=0.8)
        return [mark.encode(x=x, y=alt.Y("value:Q", **y), color=colour, shape=shape)]
    by_step: dict[int, list[float]] = {}
    for step, value in points:
        by_step.setdefault(step, []).append(value)
    data = values([{"step": step, "least": min(found), "most": max(found)} for step, found in by_step.items()])
    mark = _called(alt.Chart(data), name).mark_rule(strokeWidth=1, opacity=0.55)
    return [mark.encode(x=x, y=alt.Y("least:Q", **y), y2="most:Q", color=colour)]


def _budgets(steps: Sequence[Step]) -> tuple[list[int | None], list[int | None]]:
    """Words allowed and words moved, by step."""
    return [step.word_budget for step in steps], [step.moved for step in steps]


def _budget_words(steps: Sequence[Step]) -> str:
    limits = [step.word_budget for step in steps if step.word_budget is not None]
    moved = [step.moved for step in steps if step.moved is not None]
    said = (
        f"The limit on changed words went from {limits[0]} to {limits[-1]}."
        if limits
        else "No step limited how many words a rewrite might change."
    )
    return f"{said} The kept prompts changed {_span(moved)} words." if moved else said


def _range(step: Step) -> str:
    distances = [one.distance for one in step.scored if one.distance is not None]
    return _span(distances) if distances else NONE


def _span(numbers: Sequence[int]) -> str:
    """The smallest and the largest number, or the only one."""
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
