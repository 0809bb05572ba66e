"""The prompt writer: an adapter of the embedded model, beside this file."""

from __future__ import annotations

from pathlib import Path

WRITER = "writer"
WRITER_MODEL = f"local:smollm2+{WRITER}"
"""The embedded model with the adapter."""


def adapter_file() -> Path:
    """The adapter, a LoRA in a GGUF file."""
    return Path(__file__).parent / "writer.gguf"
