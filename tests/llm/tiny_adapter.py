"""A LoRA of the embedded model that changes much and was trained on nothing, as a GGUF file."""

from __future__ import annotations

import random
import struct
from pathlib import Path

HIDDEN, QUERIES = 576, 576
"""Widths of the embedded model."""

_F32, _STRING = 6, 8
_F32_TENSOR = 0
_ALIGNMENT = 32


def write_tiny_adapter(path: Path, *, width: int = HIDDEN) -> Path:
    """Rank 1, on the queries of the last layer. Another ``width`` than the model's fits no embedded model."""
    chance = random.Random(0)
    about = [
        ("general.architecture", _STRING, "llama"),
        ("general.type", _STRING, "adapter"),
        ("adapter.type", _STRING, "lora"),
        ("adapter.lora.alpha", _F32, 64.0),
    ]
    tensors = [
        ("blk.29.attn_q.weight.lora_a", (width, 1), [chance.gauss(0, 1) for _ in range(width)]),
        ("blk.29.attn_q.weight.lora_b", (1, QUERIES), [chance.gauss(0, 1) for _ in range(QUERIES)]),
    ]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about))
    for key, kind, value in about:
        header += _text(key) + struct.pack("<I", kind)
        header += _text(value) if isinstance(value, str) else struct.pack("<f", value)
    body = b""
    for name, shape, values in tensors:
        header += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, _F32_TENSOR, len(body))
        body += _padded(struct.pack(f"<{len(values)}f", *values))
    path.write_bytes(_padded(header) + body)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
