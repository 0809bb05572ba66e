"""All that a page says of a run, in the order in which it says it."""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.report.page.cost import CostSection, cost_section
from promptdescent.report.page.diff import Diff, diff_of
from promptdescent.report.page.explanation import ExplanationSection, explanation_section
from promptdescent.report.page.facts import Facts, read_facts
from promptdescent.report.page.failure_groups import FailureSection, failure_section
from promptdescent.report.page.flips import FlipsSection, flips_section
from promptdescent.report.page.lineage import Lineage, lineage_of
from promptdescent.report.page.notices import Notice, notices
from promptdescent.report.page.proposals import ProposalsSection, proposals_section
from promptdescent.report.page.row_review import RowsSection, rows_section
from promptdescent.report.page.settings import SettingsSection, settings_section
from promptdescent.report.page.steps import SearchSection, search_section
from promptdescent.report.page.verdict import VerdictSection, verdict_section
from promptdescent.report.text import STATUS_WORDS
from promptdescent.store.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPage:
    """A run as a page shows it. Texts are as they are on record: whoever shows them makes them safe for its medium."""

    run: str
    """Its id."""
    title: str
    """Recipe and seed, or what was scored."""
    status: str
    """``running``, ``finished``, ``failed`` or ``interrupted``."""
    status_words: str
    created: str
    """ISO 8601, UTC."""
    version: str
    """Of promptdescent that made the run."""
    tags: tuple[str, ...]
    verdict: VerdictSection
    notices: tuple[Notice, ...]
    start: str
    """The starting prompt, or the one that was scored."""
    best: str
    """The prompt with the highest dev score so far."""
    best_words: str
    """Where the best prompt stands on the dev rows, in words; empty if it was not scored."""
    diff: Diff | None
    """From the starting to the best prompt; None where only one prompt was scored."""
    cost: CostSection
    search: SearchSection | None
    lineage: Lineage | None
    proposals: ProposalsSection
    explanation: ExplanationSection | None
    flips: FlipsSection | None
    failures: FailureSection | None
    rows: RowsSection | None
    settings: SettingsSection


def read_page(store: Store, run: str) -> RunPage:
    """The page of a run; ``run`` is a prefix of its id or ``latest``. Raises
    :class:`~promptdescent.errors.StoreError` if there is no such run or a newer version wrote it.
    """
    return page_of(read_facts(store, run))


def page_of(facts: Facts) -> RunPage:
    """The page of what was read."""
    record = facts.record
    start, best = record["start"]["prompt"], record["best"]["prompt"]
    search = search_section(facts)
    return RunPage(
        run=record["id"],
        title=_title(facts),
        status=record["status"],
        status_words=STATUS_WORDS[record["status"]],
        created=record["created"],
        version=record["version"],
        tags=facts.tags,
        verdict=verdict_section(facts),
        notices=notices(facts),
        start=start,
        best=best,
        best_words=_best_words(facts, search),
        diff=diff_of(start, best) if search and search.steps else None,
        cost=cost_section(facts),
        search=search,
        lineage=lineage_of(facts, search),
        proposals=proposals_section(search),
        explanation=explanation_section(facts),
        flips=flips_section(facts),
        failures=failure_section(facts),
        rows=rows_section(facts),
        settings=settings_section(facts),
    )


def _title(facts: Facts) -> str:
    if not facts.searched:
        return f"score of a prompt, seed {facts.record['seed']}"
    return f"{facts.record['recipe']}, seed {facts.record['seed']}"


def _best_words(facts: Facts, search: SearchSection | None) -> str:
    best, start = facts.record["best"], facts.record["start"]
    if search is None or best["dev_score"] is None:
        return ""
    name = search.score_name
    return (
        f"{name[0].upper()}{name[1:]} {best['dev_score']:.3f} on {best['rows']:,} rows; the starting prompt "
        f"{start['dev_score']:.3f}."
    )
