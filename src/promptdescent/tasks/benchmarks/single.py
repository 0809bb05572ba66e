"""The benchmarks of one task each: GSM8K, the Winograd schemas and WebNLG."""

from __future__ import annotations

from promptdescent.tasks.benchmarks.bbh import LETTER, NUMBER
from promptdescent.tasks.benchmarks.read_row import pronoun, triples, worked_solution
from promptdescent.tasks.benchmarks.suite import METRICS, REFERENCE_METRICS, BenchmarkTask, HubSource, Kind, Suite
from promptdescent.tasks.splits import SplitSizes

_LARGE = SplitSizes(train=100, dev=100, test=300)


def _only(name: str, kind: Kind, *, sizes: SplitSizes, about: str, bare_answer: str) -> dict[str, BenchmarkTask]:
    task = BenchmarkTask(
        name=name,
        kind=kind,
        metric=METRICS[kind],
        reference_metric=REFERENCE_METRICS[kind],
        sizes=sizes,
        about=about,
        bare_answer=bare_answer,
    )
    return {name: task}


GSM8K = Suite(
    name="gsm8k",
    title="GSM8K",
    tasks=_only("gsm8k", "number", sizes=_LARGE, about="solve a word problem of school maths", bare_answer=NUMBER),
    licence="MIT",
    layout="file-per-split",
    read_row=worked_solution,
    hub=HubSource(id="openai/gsm8k", config="main", splits={"train": "train", "test": "test"}),
    how_to_get=(
        "take train.jsonl and test.jsonl from the folder grade_school_math/data of the repository "
        "openai/grade-school-math on GitHub"
    ),
)

WSC = Suite(
    name="wsc",
    title="Winograd Schema Challenge",
    tasks=_only(
        "wsc",
        "choice",
        sizes=SplitSizes(train=50, dev=50, test=150),
        about="say whom or what a pronoun means",
        bare_answer=LETTER,
    ),
    licence="CC BY 4.0",
    layout="file-per-split",
    read_row=pronoun,
    hub=HubSource(id="lighteval/winograd_wsc", config="wsc273", splits={"test": None}),
    how_to_get=(
        "write the Winograd schema collection of Ernest Davis (New York University) as train.jsonl, validation.jsonl "
        "and test.jsonl with input (the options below it as (A) and (B)) and output"
    ),
)

WEBNLG = Suite(
    name="webnlg",
    title="WebNLG",
    tasks=_only("webnlg", "rouge-l", sizes=_LARGE, about="put facts from a knowledge base into words", bare_answer=""),
    licence="CC BY-NC-SA 4.0",
    layout="file-per-split",
    read_row=triples,
    hub=HubSource(
        id="GEM/web_nlg",
        splits={"train": "train", "validation": "dev", "test": "test"},
        files="hf://datasets/GEM/web_nlg@refs/convert/parquet/en/{split}/*.parquet",
    ),
    how_to_get=(
        "write the English rows of the WebNLG corpus (webnlg-dataset, release 3.0) as train.jsonl, validation.jsonl "
        "and test.jsonl with input and output, a list of references"
    ),
)
