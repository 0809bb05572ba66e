"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Mapping

from promptdescent.errors import ConfigError, nearest
from promptdescent.tasks.benchmarks.bbh import BBH
from promptdescent.tasks.benchmarks.instruction_induction import INSTRUCTION_INDUCTION
from promptdescent.tasks.benchmarks.mmlu import MMLU
from promptdescent.tasks.benchmarks.single import GSM8K, WEBNLG, WSC
from promptdescent.tasks.benchmarks.suite import Suite

SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (BBH, MMLU, GSM8K, WSC, WEBNLG, INSTRUCTION_INDUCTION)}


def suite_named(name: str) -> Suite:
    """The suite of that name. Raises :class:`ConfigError` with the nearest one if there is none."""
    if name not in SUITES:
        raise ConfigError(f"{name}: no such benchmark; {nearest(name, SUITES)}")
    return SUITES[name]


def task_names(suite: Suite, wanted: str | None) -> tuple[str, ...]:
    """The tasks that ``wanted`` names, with commas between them, in that order; all of the suite's if it is None.

    Raises :class:`ConfigError` for a name that is no task of the suite, one that is named twice, and none at all.
    """
    if wanted is None:
        return tuple(suite.tasks)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise ConfigError(f"--tasks {wanted!r}: names no task; leave it out for all {len(suite.tasks)} of {suite.name}")
    for name in names:
        if name not in suite.tasks:
            raise ConfigError(f"--tasks {name}: no such task of {suite.name}; {nearest(name, suite.tasks)}")
        if names.count(name) > 1:
            raise ConfigError(f"--tasks names {name} more than once")
    return tuple(names)
