"""What each of several factors does, from prompts that hold different selections of them.

A *design* says which factors are present in which prompt. Every prompt is scored on the same rows, and every row is
fitted on its own by least squares, so that an effect is a mean over rows: its interval covers which rows were drawn,
how each row answers to each wording, and what a wording does to all rows at once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from operator import mul

from promptdescent.stats.basics import Interval
from promptdescent.stats.studies import student_t_quantile, student_t_tail

Presence = tuple[bool, ...]
"""Which factors a prompt holds, shape (factors,)."""

_TRIES = 32
"""Columns that are drawn for each factor, of which the one that is least alike to the earlier ones is taken."""

_SINGULAR = 1e-9
"""A pivot below this share of the largest entry counts as zero."""

_NOTHING = 1e-9
"""A difference below this share of the largest score is rounding."""


def balanced_design(factors: int, prompts: int, *, seed: int) -> tuple[Presence, ...]:
    """At most ``prompts`` different selections in which every factor is present in one half and absent in the other.

    All selections where there are not more of them. Else random ones, each followed by its complement, which keeps
    what a factor does apart from what pairs of factors do together (foldover: Box and Wilson 1951, J. R. Statist. Soc.
    B 13:1-45); of several random columns the one is taken that agrees least with those before it.

    Args:
        factors: number of factors, at least 1.
        prompts: at least 2; of an odd number one is left out.
        seed: of the random columns.

    Returns:
        Presences, shape (at most prompts, factors), in a random order of the pairs of complements.

    Raises:
        ValueError: a number is too small.
    """
    if factors < 1 or prompts < 2:
        raise ValueError(f"got {factors} factors and {prompts} prompts: pass at least 1 and 2")
    if 2**factors <= prompts:
        return tuple(product((True, False), repeat=factors))
    half = prompts // 2
    rng = random.Random(seed)
    columns: list[int] = []
    for _ in range(factors):
        drawn = [_balanced_column(half, rng) for _ in range(_TRIES)]
        columns.append(min(drawn, key=lambda column: sum(_agreement(column, other, half) for other in columns)))
    design: dict[Presence, None] = {}
    for place in range(half):
        selection = tuple(bool(column >> place & 1) for column in columns)
        while selection in design:
            selection = tuple(rng.random() < 0.5 for _ in range(factors))
        design[selection] = None
        design[tuple(not present for present in selection)] = None
    return tuple(design)


def _balanced_column(length: int, rng: random.Random) -> int:
    """A column of bits of which half are set."""
    column = 0
    for place in rng.sample(range(length), length // 2):
        column |= 1 << place
    return column


def _agreement(first: int, second: int, length: int) -> int:
    """Squared sum of the products of two columns of signs."""
    return (length - 2 * (first ^ second).bit_count()) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """What was estimated of a difference, with two sources of chance: rows, and wordings."""

    values: tuple[float, ...]
    """Row by row, shape (rows,)."""
    shift: float
    """Variance of the mean that comes from what each wording does to all rows at once, which no comparison of rows
    shows; 0 where it could not be estimated.
    """
    degrees: float
    """Of freedom, of the variance of the mean: ``rows - 1`` without a shift, else by Welch and Satterthwaite."""

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    @property
    def error(self) -> float:
        """Standard error of the mean. Needs at least two rows."""
        return math.sqrt(_variance_of_mean(self.values) + self.shift)

    @property
    def interval(self) -> Interval:
        """Student's t interval, 95 %."""
        half_width = student_t_quantile(0.975, self.degrees) * self.error
        return Interval(low=self.mean - half_width, high=self.mean + half_width)

    @property
    def p_value(self) -> float:
        """Two-sided, of a mean other than 0."""
        mean, error = self.mean, self.error
        if error == 0.0:
            return float(mean == 0.0)
        return student_t_tail(abs(mean / error), self.degrees)

    @property
    def p_above(self) -> float:
        """One-sided, of a mean above 0."""
        return self.p_value / 2 if self.mean > 0 else 1 - self.p_value / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class PairContrasts:
    """What two factors do, averaged over the selections of the others."""

    first: Contrast
    """Score with both less score without the first."""
    second: Contrast
    both: Contrast
    """Score with both less score without either."""
    overlap: Contrast
    """``both`` less ``first`` less ``second``: what the two do only in each other's absence; 0 where they add up."""


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Least squares for the rows that were scored under the same prompts, and these rows."""

    prompts: tuple[int, ...]
    """Places of these prompts in the design."""
    lines: list[tuple[float, ...]]
    """By prompt: 1, each factor as 1/2 or -1/2, and the products of pairs. Shape (prompts, coefficients)."""
    gram: list[list[float]]
    """X'X, shape (coefficients, coefficients)."""
    solver: list[list[float]]
    """Scores to coefficients: (X'X)^-1 X', shape (coefficients, prompts)."""
    scores: list[list[float]] = field(default_factory=list)
    """Shape (rows, prompts)."""
    coefficients: list[list[float]] = field(default_factory=list)
    """Shape (rows, coefficients)."""

    @property
    def spare(self) -> int:
        """Prompts that the fit does not use up."""
        return len(self.prompts) - len(self.solver)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shift:
    """What wordings do to all rows at once."""

    variance: float
    """Of the shift of a prompt; 0 if the prompts differ no more than single rows explain."""
    spread: float
    """Mean square by which mean scores of prompts miss the fit: the shift, and chance of single rows."""
    spare: float
    """Degrees of freedom of ``spread``."""


class RowwiseEffects:
    """Factors fitted to each row's scores: score = level + the sum of the effects of what is present.

    A row lacks what it was not scored under; one with too few scores for a fit is left out. A wording may also shift
    all rows at once: that variance is estimated from the mean residual of each prompt, less what the chance of single
    rows accounts for, and belongs to every :class:`Contrast`.
    """

    def __init__(
        self,
        design: Sequence[Presence],
        scores: Sequence[Sequence[float | None]],
        *,
        products: Sequence[tuple[int, int]] = (),
    ) -> None:
        """``scores``: one sequence per prompt of the design, all on the same rows; None where a score is missing.
        ``products``: pairs of factors that may also do something together.

        Raises:
            ValueError: the shapes do not agree.
        """
        if len(design) != len(scores) or len({len(some) for some in scores}) > 1 or len(set(map(len, design))) != 1:
            raise ValueError("pass the scores of every prompt of the design, all on the same rows")
        self._design, self._scores = design, scores
        self._factors = len(design[0])
        fits: dict[tuple[int, ...], _Fit | None] = {}
        self._order: list[tuple[_Fit, int]] = []
        largest = 0.0
        for row in zip(*scores, strict=True):
            known = [(place, score) for place, score in enumerate(row) if score is not None]
            prompts = tuple(place for place, _ in known)
            if prompts not in fits:
                fits[prompts] = _fit(design, prompts, products)
            fit = fits[prompts]
            if fit is not None:
                values = [score for _, score in known]
                largest = max(largest, *map(abs, values))
                self._order.append((fit, len(fit.scores)))
                fit.scores.append(values)
                fit.coefficients.append([_dot(weights, values) for weights in fit.solver])
        self._fits = [fit for fit in fits.values() if fit is not None]
        self._smallest = _NOTHING * largest
        self._shift = _shift(self._fits, prompts=len(design), rows=self.rows)

    @property
    def prompts(self) -> int:
        """Of the design."""
        return len(self._design)

    @property
    def rows(self) -> int:
        """Rows that have a fit."""
        return len(self._order)

    @property
    def shift_known(self) -> bool:
        """Whether enough prompts are left beside the fit to estimate what wordings do to all rows at once."""
        return self._shift is not None

    def effect(self, factor: int) -> Contrast:
        """What a factor does: score with it less score without it."""
        return self._contrast({factor + 1: 1.0})

    def with_products(self, wanted: Sequence[tuple[int, int]]) -> RowwiseEffects:
        """The same scores, fitted with the products of these pairs of factors too."""
        return RowwiseEffects(self._design, self._scores, products=wanted)

    def pairs(self, wanted: Sequence[tuple[int, int]]) -> tuple[PairContrasts, ...]:
        """What pairs of factors do together, one entry per pair; none at all if the design cannot tell that apart.

        The products of the two factors of every pair are in one fit, so that what one pair does is not taken for
        another's.
        """
        return self.with_products(wanted).products(wanted) if wanted else ()

    def products(self, fitted: Sequence[tuple[int, int]]) -> tuple[PairContrasts, ...]:
        """Of the pairs that this fit holds, in the order in which it was given them; none if under two rows have it."""
        if self.rows < 2:
            return ()
        found = []
        for place, (i, j) in enumerate(fitted, start=self._factors + 1):
            found.append(
                PairContrasts(
                    first=self._contrast({i + 1: 1.0, place: 0.5}),
                    second=self._contrast({j + 1: 1.0, place: 0.5}),
                    both=self._contrast({i + 1: 1.0, j + 1: 1.0}),
                    overlap=self._contrast({place: -1.0}),
                )
            )
        return tuple(found)

    def _contrast(self, weights: Mapping[int, float]) -> Contrast:
        """A weighted sum of coefficients. What is 0 but for rounding is set to 0, so that it is no finding."""
        values = []
        for fit, place in self._order:
            value = sum(weight * fit.coefficients[place][k] for k, weight in weights.items())
            values.append(value if abs(value) >= self._smallest else 0.0)
        rows, shift = len(values), self._shift
        if shift is None or shift.variance == 0.0 or rows < 2:
            return Contrast(values=tuple(values), shift=0.0, degrees=rows - 1)
        leverage = self._leverage(weights)
        by_rows, by_shift = _variance_of_mean(values), leverage * shift.variance
        uncertain = by_rows**2 / (rows - 1) + (leverage * shift.spread) ** 2 / shift.spare
        degrees = (by_rows + by_shift) ** 2 / uncertain if uncertain else rows - 1
        return Contrast(values=tuple(values), shift=by_shift, degrees=min(rows - 1, max(1.0, degrees)))

    def _leverage(self, weights: Mapping[int, float]) -> float:
        """How much of the variance of a shift reaches the mean over rows: its squared weights on the prompts."""
        by_prompt = [0.0] * len(self._design)
        for fit in self._fits:
            share = len(fit.scores) / self.rows
            for k, weight in weights.items():
                for prompt, value in zip(fit.prompts, fit.solver[k], strict=True):
                    by_prompt[prompt] += share * weight * value
        return _dot(by_prompt, by_prompt)


def _fit(design: Sequence[Presence], prompts: tuple[int, ...], products: Sequence[tuple[int, int]]) -> _Fit | None:
    """The least squares for rows with scores under these prompts; None if they do not tell the factors apart."""
    chosen = [design[place] for place in prompts]
    columns = [[1.0] * len(chosen)] + [[some[k] - 0.5 for some in chosen] for k in range(len(design[0]))]
    columns += [list(map(mul, columns[first + 1], columns[second + 1])) for first, second in products]
    gram = [[_dot(a, b) for b in columns] for a in columns]
    inverse = _inverse(gram) if len(chosen) >= len(columns) else None
    if inverse is None:
        return None
    lines = list(zip(*columns, strict=True))
    solver = [[_dot(line, values) for values in lines] for line in inverse]
    return _Fit(prompts=prompts, lines=lines, gram=gram, solver=solver)


def _shift(fits: Sequence[_Fit], *, prompts: int, rows: int) -> _Shift | None:
    """The variance of what each prompt does to all rows at once; None if no prompt is left to tell it.

    By the moments of the two-way layout (Searle, Casella, McCulloch 1992, Variance Components, chapter 4): the mean
    residual of a prompt has the variance of the shift and a share of that of single rows. Exact where no score is
    missing; else nearly so.
    """
    free = sum(fit.spare * len(fit.scores) for fit in fits)
    if rows < 2 or not free:
        return None
    residuals, counts, squares = [0.0] * prompts, [0] * prompts, 0.0
    for fit in fits:
        summed = [sum(values) for values in zip(*fit.coefficients, strict=True)]
        totals = map(sum, zip(*fit.scores, strict=True))
        for prompt, total, line in zip(fit.prompts, totals, fit.lines, strict=True):
            residuals[prompt] += total - _dot(line, summed)
            counts[prompt] += len(fit.scores)
        for values, own in zip(fit.scores, fit.coefficients, strict=True):
            squares += _dot(values, values) - _dot(own, [_dot(line, own) for line in fit.gram])
    measured = [(residual / count, count) for residual, count in zip(residuals, counts, strict=True) if count]
    spare = free / rows
    spread = sum(residual**2 for residual, _ in measured) / spare
    single = max(0.0, squares - sum(count * residual**2 for residual, count in measured)) / (free - spare)
    share = sum(1 / count for _, count in measured) / len(measured)
    return _Shift(variance=max(0.0, spread - single * share), spread=spread, spare=spare)


def _variance_of_mean(values: Sequence[float]) -> float:
    """Of independent values, at least two; 0 where all are equal."""
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return float(sum(map(mul, first, second)))


def _inverse(matrix: list[list[float]]) -> list[list[float]] | None:
    """The inverse by Gauss-Jordan elimination with row exchanges; None if there is none. Shape (n, n)."""
    n = len(matrix)
    work = [[*line, *(float(k == place) for k in range(n))] for place, line in enumerate(matrix)]
    scale = max(abs(value) for line in matrix for value in line) or 1.0
    for k in range(n):
        pivot = max(range(k, n), key=lambda place: abs(work[place][k]))
        if abs(work[pivot][k]) <= _SINGULAR * scale:
            return None
        work[k], work[pivot] = work[pivot], work[k]
        divisor = work[k][k]
        work[k] = [value / divisor for value in work[k]]
        for place in range(n):
            factor = work[place][k]
            if place != k and factor:
                work[place] = [value - factor * top for value, top in zip(work[place], work[k], strict=True)]
    return [line[n:] for line in work]
