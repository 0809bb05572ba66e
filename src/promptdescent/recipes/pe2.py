"""PE2 (Ye et al., arXiv 2311.05661, Findings of ACL 2024): reasoning over errors by a template for each of them."""

from __future__ import annotations

from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import NoMomentum, RecencyRetrieval
from promptdescent.parts.method.refinement import Generate
from promptdescent.parts.method.step_size import Constant, Unbounded
from promptdescent.parts.recipe import Recipe, Search
from promptdescent.parts.search.estimation import FullDev
from promptdescent.parts.search.initialization import SeedPrompt
from promptdescent.parts.search.screening import StandardScreening
from promptdescent.parts.search.selection import Beam, Greedy
from promptdescent.parts.search.stopping import Patience, PerfectScore


def pe2() -> Recipe:
    """PE2 as its authors published it.

    From the example script and the defaults of their code (INK-USC/PE2, commit 704060b): the 4 best prompts of all so
    far, 4 new prompts from each, every one after a look at 2 errors of its own draw; 4 rounds of scoring, hence 3 of
    rewriting; every prompt scored on all dev rows; the end at a perfect score. A word budget (10, if on) and a history
    are options that the script leaves off; the meta-prompt shows no score.

    Their model reasons and rewrites in one reply; here the reasoning is a reflection of its own, at temperature 0.
    They answer train rows until there are 4 errors; ours are those of 16 train rows. Their prompts have at most 50
    tokens, ours no limit of that kind. What screening rejects is not scored. Ours: the 16 rows, the 3 rows
    shown, and the end after 6 steps without a better prompt.
    """
    return Recipe(
        name="pe2",
        initialization=SeedPrompt(),
        gradient=DescentDirection(score=False, reflection=Reflect(reasons=4, mistakes=2, per_example=True)),
        momentum=NoMomentum(),
        step_size=Unbounded(),
        refinement=Generate(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=Beam(width=4),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=4, rounds=3, minibatch=16, shown_rows=3),
    )


def pe2_gpo_paper() -> Recipe:
    """PE2 as the GPO paper ran it (arXiv 2402.17564, Table 4): prompt + score + reflection, recency, a fixed budget,
    generation.

    A setting of the GPO paper's own framework; 3 prompts shown and 30 words are the numbers of its script. That script
    pays for a reflection in each step and then leaves it out of the meta-prompt; here it is shown, as the paper says.

    Ours, as in ``gpo``: a plateau of 6 steps, the end at a perfect score, screening.
    """
    return Recipe(
        name="pe2:gpo-paper",
        initialization=SeedPrompt(),
        gradient=DescentDirection(reflection=Reflect(reasons=1, mistakes=8)),
        momentum=RecencyRetrieval(k=3),
        step_size=Constant(amount=30),
        refinement=Generate(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=Greedy(accept="always"),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, epochs=3, minibatch=8, shown_rows=3),
    )
