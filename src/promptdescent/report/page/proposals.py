"""All proposals of a search in short, however many there were."""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptdescent.report.page.shortened import shortened
from promptdescent.report.page.steps import Proposal, SearchSection

MOST_PROPOSALS = 1_000
"""Proposals that a page lists; each step gets its even share of them, those that were kept or scored best first."""
LONGEST_PROPOSAL = 240
"""Characters of a proposal, and of why it was not scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepProposals:
    """The proposals of one step."""

    label: str
    proposals: tuple[Proposal, ...]
    """In the order of their index."""
    left_out: int
    failed: int
    """Proposals that never came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposalsSection:
    """The proposals of all steps."""

    steps: tuple[StepProposals, ...]
    count: int
    shown: int


def proposals_section(search: SearchSection | None) -> ProposalsSection:
    """The proposals of a search; none for a run that searches nothing."""
    if search is None or not search.step_records:
        return ProposalsSection(steps=(), count=0, shown=0)
    each = max(1, MOST_PROPOSALS // len(search.step_records)) if search.proposals > MOST_PROPOSALS else search.proposals
    steps = []
    for step in search.step_records[:MOST_PROPOSALS]:
        chosen = sorted(step.proposals, key=lambda one: (not one.kept, -(-1.0 if one.score is None else one.score)))
        kept = {one.id for one in chosen[:each]}
        shown = tuple(_short(one) for one in step.proposals if one.id in kept)
        steps.append(
            StepProposals(
                label=f"Step {step.number}" if step.number else "First prompts",
                proposals=shown,
                left_out=len(step.proposals) - len(shown),
                failed=step.failed_proposals,
            )
        )
    return ProposalsSection(
        steps=tuple(steps), count=search.proposals, shown=sum(len(step.proposals) for step in steps)
    )


def _short(proposal: Proposal) -> Proposal:
    return replace(
        proposal,
        prompt=shortened(" ".join(proposal.prompt.split()), LONGEST_PROPOSAL),
        reason=shortened(proposal.reason, LONGEST_PROPOSAL),
    )
