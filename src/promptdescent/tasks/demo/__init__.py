"""The demo: messages to a small company, to be told apart by feeling, for the embedded model in both roles."""

from __future__ import annotations

from pathlib import Path

ROWS = Path(__file__).parent / "messages.jsonl"
"""640 messages, written for this project: columns ``text`` and ``label`` (positive or negative)."""

STARTING_PROMPT = "Is this message positive or negative?"
"""What a person would write first: it names the job and its answers."""

BY_HAND = "Is this review positive or negative? Answer with one word."
"""A one-line prompt written by hand, to compare what the search finds with."""


def demo_settings(seed: int) -> dict[str, object]:
    """The demo as fields of :class:`~promptdescent.config.RunSpec`; ``seed`` varies the split and the search."""
    return {
        "data": str(ROWS),
        "input": "text",
        "target": "label",
        "prompt": STARTING_PROMPT,
        "placement": "after",
        "metric": "choice",
        "train_rows": 40,
        "dev_rows": 40,
        "test_rows": 150,
        "task_model": "local:smollm2",
        "task_max_tokens": 8,
        "optimizer_model": "local:smollm2",
        "optimizer_style": "few-shot",
        "optimizer_temperature": 0.9,
        "optimizer_max_tokens": 32,
        "steps": 4,
        "candidates": 8,
        "seed": seed,
    }
