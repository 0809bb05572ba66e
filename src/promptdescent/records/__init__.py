"""The frozen values that flow through a run, and the two protocols by which a lower layer reaches an upper one.

All are immutable and serialise to JSON with :func:`to_json` and back with :func:`from_json`; a run's record is made
of them.
"""

from promptdescent.records.calls import Finish, ModelSettings, Reply, Style, Usage
from promptdescent.records.evaluation import Candidate, Evaluate, Evaluation, Fate, Outcome, OutcomeKind
from promptdescent.records.explanation import (
    DoubtKind,
    Effect,
    Explanation,
    PieceEffect,
    PrunedPrompt,
    RedundantPair,
    RowDoubt,
)
from promptdescent.records.run import Progress, PromptScore, RunManifest, RunObserver, Verdict
from promptdescent.records.search import (
    OptimizerState,
    Purpose,
    RowHistory,
    SentRequest,
    StepRecord,
    read_step,
    state_inside,
)
from promptdescent.records.serial import from_json, to_json
from promptdescent.records.task import (
    ROLES,
    Example,
    Message,
    Placement,
    Prompt,
    PromptPart,
    Role,
    ScoredRows,
    Split,
    TaskBrief,
)

__all__ = [
    "Candidate",
    "DoubtKind",
    "Effect",
    "Evaluate",
    "Evaluation",
    "Example",
    "Explanation",
    "Fate",
    "Finish",
    "Message",
    "ModelSettings",
    "OptimizerState",
    "Outcome",
    "OutcomeKind",
    "PieceEffect",
    "Placement",
    "Progress",
    "Prompt",
    "PromptPart",
    "PromptScore",
    "PrunedPrompt",
    "Purpose",
    "ROLES",
    "RedundantPair",
    "Reply",
    "Role",
    "RowDoubt",
    "RowHistory",
    "RunManifest",
    "RunObserver",
    "ScoredRows",
    "SentRequest",
    "Split",
    "StepRecord",
    "Style",
    "TaskBrief",
    "Usage",
    "Verdict",
    "from_json",
    "read_step",
    "state_inside",
    "to_json",
]
