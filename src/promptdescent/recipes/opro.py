"""OPRO (Yang et al., arXiv 2309.03409, ICLR 2024): new prompts written after the best ones so far."""

from __future__ import annotations

from promptdescent.parts.direction.gradient import DescentDirection
from promptdescent.parts.direction.momentum import ImportanceRetrieval, RecencyRetrieval
from promptdescent.parts.method.refinement import Generate
from promptdescent.parts.method.step_size import Unbounded
from promptdescent.parts.recipe import Recipe, Search
from promptdescent.parts.search.estimation import FullDev
from promptdescent.parts.search.initialization import SeedPrompt
from promptdescent.parts.search.screening import StandardScreening
from promptdescent.parts.search.selection import Greedy, TopK
from promptdescent.parts.search.stopping import Patience, PerfectScore


def opro() -> Recipe:
    """OPRO as its authors published it: the 20 best prompts of all so far, ascending, scores rounded to integers.

    From the paper and its code: 8 prompts per step at temperature 1, 3 rows shown, up to 200 steps. A run makes at most
    18 steps unless told otherwise: ``--steps 200 --patience 0`` is their length.

    OPRO knows no current prompt; here it is the best one so far, which also ends the trajectory. Their rows are drawn
    anew in each step, ours once per run; theirs are scored on a part of the train rows, ours on the dev rows; they
    never show a prompt that scores below a threshold, here the 20 places decide alone. Ours too: the end at a perfect
    score or after 6 steps without a better prompt, and what screening rejects is not scored.
    """
    return Recipe(
        name="opro",
        initialization=SeedPrompt(),
        gradient=DescentDirection(),
        momentum=ImportanceRetrieval(k=20, of="all"),
        step_size=Unbounded(),
        refinement=Generate(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=TopK(k=1),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, rounds=200, shown_rows=3),
    )


def opro_gpo_paper() -> Recipe:
    """OPRO as the GPO paper ran it (arXiv 2402.17564, Table 4): prompt + score, recency, no budget, generation.

    A setting of the GPO paper's own framework: its trajectory holds one prompt per step, the one selected, and 3 of
    them are shown. The authors' script retrieves by importance, where the paper's table says recency.

    Ours, as in ``gpo``: a plateau of 6 steps, the end at a perfect score, screening.
    """
    return Recipe(
        name="opro:gpo-paper",
        initialization=SeedPrompt(),
        gradient=DescentDirection(),
        momentum=RecencyRetrieval(k=3),
        step_size=Unbounded(),
        refinement=Generate(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=Greedy(accept="always"),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, epochs=3, minibatch=8, shown_rows=3),
    )
