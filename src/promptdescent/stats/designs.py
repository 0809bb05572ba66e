"""What each of several factors does, from prompts that hold different selections of them.

A *design* says which factors are present in which prompt. Every prompt is scored on the same rows, and every row is
fitted on its own by least squares, so that an effect is a mean over rows: its interval covers which rows were drawn and
how each row answers to each wording.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from operator import mul

Presence = tuple[bool, ...]
"""Which factors a prompt holds, shape (factors,)."""

_TRIES = 32
"""Columns that are drawn for each factor, of which the one that is least alike to the earlier ones is taken."""

_SINGULAR = 1e-9
"""A pivot below this share of the largest entry counts as zero."""


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
class PairValues:
    """What two factors do, row by row, averaged over the selections of the others. Shape (rows,) each."""

    first: tuple[float, ...]
    """Score with both less score without the first."""
    second: tuple[float, ...]
    both: tuple[float, ...]
    """Score with both less score without either."""
    overlap: tuple[float, ...]
    """``both`` less ``first`` less ``second``: what the two do only in each other's absence; 0 where they add up."""


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Rows that were scored under the same prompts, and the least squares for them."""

    prompts: tuple[int, ...]
    """Places of these prompts in the design."""
    columns: list[list[float]]
    """The intercept, and each factor as 1/2 or -1/2. Shape (factors + 1, prompts)."""
    solver: list[list[float]]
    """Scores to coefficients: (X'X)^-1 X', shape (factors + 1, prompts)."""


class RowwiseEffects:
    """Factors fitted to each row's scores: score = level + the sum of the effects of what is present.

    A row lacks what it was not scored under; one with too few scores for a fit is left out.
    """

    def __init__(self, design: Sequence[Presence], scores: Sequence[Sequence[float | None]]) -> None:
        """``scores``: one sequence per prompt of the design, all on the same rows; None where a score is missing.

        Raises:
            ValueError: the shapes do not agree.
        """
        if len(design) != len(scores) or len({len(some) for some in scores}) > 1 or len(set(map(len, design))) != 1:
            raise ValueError("pass the scores of every prompt of the design, all on the same rows")
        self.prompts = len(design)
        fits: dict[tuple[int, ...], _Fit | None] = {}
        self._rows: list[tuple[_Fit, list[float]]] = []
        self._coefficients: list[list[float]] = []
        for row in zip(*scores, strict=True):
            known = [(place, score) for place, score in enumerate(row) if score is not None]
            prompts = tuple(place for place, _ in known)
            if prompts not in fits:
                fits[prompts] = _fit(design, prompts)
            fit = fits[prompts]
            if fit is not None:
                values = [score for _, score in known]
                self._rows.append((fit, values))
                self._coefficients.append([_dot(weights, values) for weights in fit.solver])

    @property
    def rows(self) -> int:
        """Rows that have a fit."""
        return len(self._rows)

    def effect(self, factor: int) -> tuple[float, ...]:
        """What a factor does, row by row: score with it less score without it. Shape (rows,)."""
        return tuple(coefficients[factor + 1] for coefficients in self._coefficients)

    def pairs(self, wanted: Sequence[tuple[int, int]]) -> tuple[PairValues, ...]:
        """What pairs of factors do together, one entry per pair; none at all if the design cannot tell that apart.

        The products of the two factors of every pair are added to the fit together, by what is left of them beside the
        factors (Frisch and Waugh 1933, Econometrica 1:387-401): so that what one pair does is not taken for another's.
        """
        if not wanted:
            return ()
        products: dict[int, _Products | None] = {}
        values: list[list[tuple[float, float, float, float]]] = []
        for (fit, scores), coefficients in zip(self._rows, self._coefficients, strict=True):
            if id(fit) not in products:
                products[id(fit)] = _products(fit, wanted)
            found = products[id(fit)]
            if found is None:
                continue
            together = [_dot(weights, scores) for weights in found.solver]
            level = [own - _dot(share, together) for own, share in zip(coefficients, found.share, strict=True)]
            values.append(
                [
                    (level[i + 1] + both / 2, level[j + 1] + both / 2, level[i + 1] + level[j + 1], -both)
                    for (i, j), both in zip(wanted, together, strict=True)
                ]
            )
        if len(values) < 2:
            return ()
        return tuple(
            PairValues(first=first, second=second, both=both, overlap=overlap)
            for first, second, both, overlap in (zip(*some, strict=True) for some in zip(*values, strict=True))
        )


@dataclass(frozen=True, kw_only=True)
class _Products:
    """Products of factors in a fit."""

    share: list[list[float]]
    """Coefficients of the products on the intercept and the factors, shape (factors + 1, products)."""
    solver: list[list[float]]
    """Scores to coefficients of the products, shape (products, prompts)."""


def _fit(design: Sequence[Presence], prompts: tuple[int, ...]) -> _Fit | None:
    """The least squares for rows with scores under these prompts; None if they do not tell the factors apart."""
    chosen = [design[place] for place in prompts]
    factors = len(design[0])
    columns = [[1.0] * len(chosen)] + [[some[k] - 0.5 for some in chosen] for k in range(factors)]
    inverse = _inverse([[_dot(a, b) for b in columns] for a in columns])
    if inverse is None:
        return None
    by_prompt = list(zip(*columns, strict=True))
    solver = [[_dot(line, values) for values in by_prompt] for line in inverse]
    return _Fit(prompts=prompts, columns=columns, solver=solver)


def _products(fit: _Fit, pairs: Sequence[tuple[int, int]]) -> _Products | None:
    """The products of some pairs of factors; None if they cannot be told apart from the factors and each other."""
    columns = [list(map(mul, fit.columns[first + 1], fit.columns[second + 1])) for first, second in pairs]
    share = [[_dot(weights, column) for column in columns] for weights in fit.solver]
    by_prompt = list(zip(*fit.columns, strict=True))
    left = []
    for place, column in enumerate(columns):
        on_factors = [line[place] for line in share]
        left.append([value - _dot(on_factors, values) for value, values in zip(column, by_prompt, strict=True)])
    inverse = _inverse([[_dot(a, b) for b in left] for a in left])
    if inverse is None:
        return None
    prompts = list(zip(*left, strict=True))
    return _Products(share=share, solver=[[_dot(line, values) for values in prompts] for line in inverse])


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
