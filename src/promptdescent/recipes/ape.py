"""APE (Zhou et al., arXiv 2211.01910, ICLR 2023): instructions inferred from rows, then paraphrases of the best."""

from __future__ import annotations

from promptdescent.parts.direction.gradient import DescentDirection
from promptdescent.parts.direction.momentum import NoMomentum
from promptdescent.parts.method.refinement import Generate, Paraphrase
from promptdescent.parts.method.step_size import Unbounded
from promptdescent.parts.recipe import Recipe, Search
from promptdescent.parts.search.estimation import FullDev
from promptdescent.parts.search.initialization import Induction, SeedPrompt
from promptdescent.parts.search.screening import StandardScreening
from promptdescent.parts.search.selection import Greedy, TopK
from promptdescent.parts.search.stopping import Patience, PerfectScore


def ape() -> Recipe:
    """APE as its authors published it: induction in forward mode, then an iterative search among paraphrases.

    From the default configuration of their code: 5 draws of 5 train rows, 50 instructions inferred from each. That is
    250 prompts and 250 times the dev rows in task calls before the first step. Theirs are scored on 50 rows, which
    ``--dev-rows 50`` repeats, by likelihood; here by the task's metric, as in their instruction-induction runs (3 draws
    of 30 prompts). Their temperature is 0.9: ``--optimizer-temperature 0.9``.

    The user's own prompt takes part in the search, which APE's has none of. Ours, because no number was found: 3 rounds
    of 8 paraphrases, of the 4 best prompts so far (the paper keeps the best k %); the end at a perfect score or after 6
    steps without a better prompt; what screening rejects is not scored.
    """
    return Recipe(
        name="ape",
        initialization=Induction(subsamples=5, demonstrations=5, prompts_each=50),
        gradient=DescentDirection(score=False),
        momentum=NoMomentum(),
        step_size=Unbounded(),
        refinement=Paraphrase(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=TopK(k=4),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, rounds=3),
    )


def ape_gpo_paper() -> Recipe:
    """APE as the GPO paper ran it (arXiv 2402.17564, Table 4): prompt, no trajectory, no budget, generation.

    A setting of the GPO paper's own framework, with no induction and no paraphrase: GPO without momentum and budget,
    which is told no score. The authors' script shows the score too, which the paper's table does not say.

    Ours, as in ``gpo``: a plateau of 6 steps, the end at a perfect score, screening.
    """
    return Recipe(
        name="ape:gpo-paper",
        initialization=SeedPrompt(),
        gradient=DescentDirection(score=False),
        momentum=NoMomentum(),
        step_size=Unbounded(),
        refinement=Generate(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=Greedy(accept="always"),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, epochs=3, minibatch=8, shown_rows=3),
    )
