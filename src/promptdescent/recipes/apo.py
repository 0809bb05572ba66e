"""APO, also called ProTeGi (Pryzant et al., arXiv 2305.03495, EMNLP 2023): textual gradients, a beam, a bandit."""

from __future__ import annotations

from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import NoMomentum
from promptdescent.parts.method.refinement import Edit, Paraphrase, Then
from promptdescent.parts.method.step_size import Unbounded
from promptdescent.parts.recipe import Recipe, Search
from promptdescent.parts.search.estimation import Bandit, FullDev
from promptdescent.parts.search.initialization import SeedPrompt
from promptdescent.parts.search.screening import StandardScreening
from promptdescent.parts.search.selection import Beam, Greedy
from promptdescent.parts.search.stopping import Patience, PerfectScore


def apo() -> Recipe:
    """APO as its authors published it.

    From the defaults of their script: 6 rounds, a beam of 4, minibatches of 64 train rows, 4 reflections per prompt on
    4 errors each, 1 edit for each, at most 8 new prompts per prompt of the beam; a UCB bandit with 8 rounds of 8
    prompts on 32 rows each and exploration 1. (The script's own default is to score on all rows; the paper and the
    command in its instructions use the bandit.)

    They ask for 2 paraphrases of every edit and draw 8 at random of those 12 prompts; here a prompt that would be
    thrown away is not asked for: 4 edits and 1 paraphrase of each. Their bandit scores on train rows, ours on dev rows,
    and completes the scores of the beam. Ours too: rows of the task are shown, the search ends at a perfect score or
    after 6 steps without a better prompt, and what screening rejects is not scored.
    """
    return Recipe(
        name="apo",
        initialization=SeedPrompt(),
        gradient=DescentDirection(score=False, reflection=Reflect(reasons=4, mistakes=4)),
        momentum=NoMomentum(),
        step_size=Unbounded(),
        refinement=Then(first=Edit(), then=Paraphrase(), variants=1),
        screening=StandardScreening(),
        estimation=Bandit(rounds=8, prompts=8, rows=32, exploration=1.0),
        selection=Beam(width=4),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, rounds=6, minibatch=64),
    )


def apo_gpo_paper() -> Recipe:
    """APO as the GPO paper ran it (arXiv 2402.17564, Table 4): prompt + reflection, no trajectory, no budget, editing.

    A setting of the GPO paper's own framework, without beam, bandit and paraphrases: one reflection per step on the
    errors of its minibatch. The authors' script shows the score too, and the paper gives APO the numbers of the cell
    "no momentum, prompt + score + reflection" of its Table 2.

    Ours, as in ``gpo``: a plateau of 6 steps, the end at a perfect score, screening.
    """
    return Recipe(
        name="apo:gpo-paper",
        initialization=SeedPrompt(),
        gradient=DescentDirection(score=False, reflection=Reflect(reasons=1, mistakes=8)),
        momentum=NoMomentum(),
        step_size=Unbounded(),
        refinement=Edit(),
        screening=StandardScreening(),
        estimation=FullDev(),
        selection=Greedy(accept="always"),
        stopping=(Patience(steps=6), PerfectScore()),
        search=Search(candidates=8, epochs=3, minibatch=8, shown_rows=3),
    )
