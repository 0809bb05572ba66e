"""A LoRA of the embedded model that changes much and was trained on nothing, as a GGUF file."""

from __future__ import annotations

import random
import struct
from pathlib import Path

HIDDEN, VALUES = 576, 192
"""Widths of the embedded model: of a token, and of the values of its three heads."""

LAYER = 2
"""Early, so that what an engine remembers of a text differs with and without it in all later layers."""

_F32, _STRING = 6, 8
_F32_TENSOR = 0
_ALIGNMENT = 32


def write_tiny_adapter(path: Path, *, width: int = HIDDEN, seed: int = 0) -> Path:
    """Rank 1, on the values of one layer. Another ``width`` than the model's fits no embedded model."""
    chance = random.Random(seed)
    about = [
        ("general.architecture", _STRING, "llama"),
        ("general.type", _STRING, "adapter"),
        ("adapter.type", _STRING, "lora"),
        ("adapter.lora.alpha", _F32, 64.0),
    ]
    tensors = [
        (f"blk.{LAYER}.attn_v.weight.lora_a", (width, 1), [chance.gauss(0, 1) for _ in range(width)]),
        (f"blk.{LAYER}.attn_v.weight.lora_b", (1, VALUES), [chance.gauss(0, 1) for _ in range(VALUES)]),
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
