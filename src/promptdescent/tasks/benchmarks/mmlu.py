"""Massive Multitask Language Understanding (Hendrycks et al. 2021): 57 subjects of four-way choices."""

from __future__ import annotations

from promptdescent.tasks.benchmarks.read_row import four_choices
from promptdescent.tasks.benchmarks.suite import METRICS, REFERENCE_METRICS, BenchmarkTask, HubSource, Suite
from promptdescent.tasks.splits import SPLIT_VALUES, SplitSizes

SUBJECTS = (
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "business_ethics",
    "clinical_knowledge",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_medicine",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "econometrics",
    "electrical_engineering",
    "elementary_mathematics",
    "formal_logic",
    "global_facts",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_european_history",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_mathematics",
    "high_school_microeconomics",
    "high_school_physics",
    "high_school_psychology",
    "high_school_statistics",
    "high_school_us_history",
    "high_school_world_history",
    "human_aging",
    "human_sexuality",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "machine_learning",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "moral_disputes",
    "moral_scenarios",
    "nutrition",
    "philosophy",
    "prehistory",
    "professional_accounting",
    "professional_law",
    "professional_medicine",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
    "virology",
    "world_religions",
)

SHORTER = frozenset(
    {
        "abstract_algebra",
        "business_ethics",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "computer_security",
        "global_facts",
        "high_school_computer_science",
        "medical_genetics",
        "us_foreign_policy",
    }
)
"""Subjects of which the paper has 59 test rows, not 60."""


def _task(name: str) -> BenchmarkTask:
    subject = name.replace("_", " ")
    return BenchmarkTask(
        name=name,
        kind="choice",
        metric=METRICS["choice"],
        reference_metric=REFERENCE_METRICS["choice"],
        start=f"The following are multiple choice questions about {subject}.",
        placement="before",
        sizes=SplitSizes(train=20, dev=20, test=59 if name in SHORTER else 60),
        about=f"answer questions about {subject}",
        bare_answer="Now give only your final answer: (A), (B), (C) or (D).",
    )


MMLU = Suite(
    name="mmlu",
    title="MMLU",
    tasks={name: _task(name) for name in SUBJECTS},
    licence="MIT",
    layout="file-per-task",
    read_row=four_choices,
    split_names={**SPLIT_VALUES, "eval": "dev"},
    # The hub's dev and validation splits have 5 and from 8 rows a subject, too few for 20 and 20: all are one pool, as
    # they must have been for the paper.
    hub=HubSource(id="cais/mmlu", config="{task}", splits={"test": None, "validation": None, "dev": None}),
    how_to_get=(
        "write the rows of the repository hendrycks/test on GitHub as SUBJECT.jsonl with question, choices, answer "
        "(0 to 3, or a letter) and, if you like, split"
    ),
)
