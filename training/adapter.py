"""A LoRA as llama.cpp reads it: a GGUF file of pairs of factors, named after the weights that they change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""transformers' names of a layer's weights, and llama.cpp's."""

_FACTOR = re.compile(r"layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.")


def write_adapter(
    path: Path, factors: Mapping[str, Any], *, alpha: float, heads: Mapping[str, int], about: Mapping[str, str]
) -> None:
    """Write the factors of a LoRA, arrays by peft's names, as half-precision numbers.

    ``alpha``: what the product is scaled by, divided by the rank. ``heads``: heads of ``attn_q`` and ``attn_k``, whose
    rows llama.cpp has in another order. ``about``: metadata such as a name and a licence.
    Raises ValueError for a name that is not a LoRA factor of a Llama layer.
    """
    part = path.with_name(f"{path.name}.part")
    writer = GGUFWriter(part, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for key, text in about.items():
        writer.add_string(f"general.{key}", text)
    for name, array in sorted(factors.items()):
        found = _FACTOR.search(name)
        if found is None or found[2] not in GGUF_NAMES:
            raise ValueError(f"{name} is no factor of a layer's weight")
        weight, factor = GGUF_NAMES[found[2]], found[3]
        values = np.asarray(array, dtype=np.float32)
        if factor == "B" and weight in heads:
            values = interleaved(values, heads[weight])
        writer.add_tensor(f"blk.{found[1]}.{weight}.weight.lora_{factor.lower()}", values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)  # whoever reads the former file goes on reading a whole one


def interleaved(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key weight in llama.cpp's order: it rotates neighbours, where transformers rotates the halves
    of a head. Shape is kept.
    """
    per_head = rows.shape[0] // heads
    return rows.reshape(heads, 2, per_head // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
