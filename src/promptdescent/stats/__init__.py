"""Paired tests, intervals, racing and studies: numbers in, numbers out.

Scoring two prompts on the same rows makes the scores pairs, so every comparison here works on what changed within
a row; runs of two recipes with the same seed are pairs in the same way.

* ``compare_paired`` compares two prompts by their mean scores: for pass/fail scores the exact McNemar test goes
  with Tango's score interval, for other scores the sign-flip test goes with a BCa bootstrap interval.
* ``compare_by`` compares them by a value that is no mean over rows.
* ``race_losers`` names the candidates that will not win, from their scores on the rows so far.
* ``rows_needed`` says how many rows show a gain of a given size, ``smallest_gain`` what so many rows show.
* ``mean_interval`` and ``compare_groups`` sum up repeated runs.

Random draws come from ``random.Random(seed)``, and sums are correctly rounded (``math.fsum``) where it matters, so
that the same seed gives the same result.
"""

from promptdescent.stats.basics import Interval
from promptdescent.stats.binary import mcnemar_exact, paired_score_interval, wilson_interval
from promptdescent.stats.comparison import PairedComparison, compare_by, compare_paired
from promptdescent.stats.power import rows_needed, rows_needed_binary, rows_needed_mean, smallest_gain
from promptdescent.stats.racing import race_critical_value, race_losers
from promptdescent.stats.resampling import bootstrap_interval, paired_bootstrap_interval, score_interval, sign_flip_test
from promptdescent.stats.studies import (
    GroupDifference,
    MeanEstimate,
    compare_groups,
    holm,
    mean_interval,
    one_sided_lower_bound,
    paired_t_test,
    student_t_quantile,
)

__all__ = [
    "GroupDifference",
    "Interval",
    "MeanEstimate",
    "PairedComparison",
    "bootstrap_interval",
    "compare_by",
    "compare_groups",
    "compare_paired",
    "holm",
    "mcnemar_exact",
    "mean_interval",
    "one_sided_lower_bound",
    "paired_bootstrap_interval",
    "paired_score_interval",
    "paired_t_test",
    "race_critical_value",
    "race_losers",
    "rows_needed",
    "rows_needed_binary",
    "rows_needed_mean",
    "score_interval",
    "sign_flip_test",
    "smallest_gain",
    "student_t_quantile",
    "wilson_interval",
]
