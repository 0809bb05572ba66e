"""The demo: what customers write to small companies, told apart by feeling by the embedded model, in both roles."""

from __future__ import annotations

from pathlib import Path

ROWS = Path(__file__).parent / "messages.jsonl"
"""640 messages, written for this project: columns ``text`` and ``label`` (positive or negative)."""

STARTING_PROMPT = "Is this customer review positive or negative?"
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
        "dev_rows": 24,
        "test_rows": 150,
        "task_model": "local:smollm2",
        "task_max_tokens": 5,
        "optimizer_model": "local:smollm2",
        "optimizer_style": "few-shot",
        "optimizer_temperature": 0.9,
        "optimizer_max_tokens": 32,
        "steps": 2,
        "candidates": 8,
        "seed": seed,
    }
