"""The training: factors of low rank beside the weights of the embedded model, in transformers and peft."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from training.adapter import write_adapter
from training.examples import Lesson

WEIGHTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

SAVE_EVERY = 300.0
"""Seconds between two savings of the state."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the factors are trained."""

    seed: int = 0
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    first_layer: int = 10
    """Layers below it stay as they are, which saves a third of the time."""
    batch: int = 16
    """Lessons per step."""
    rate: float = 7e-4
    warmup: float = 0.05
    """Share of the steps over which the rate rises; then it falls like a cosine."""
    longest: int = 512
    """Tokens of a lesson; longer ones are left out."""


@dataclass(frozen=True, kw_only=True)
class _Encoded:
    form: list[int]
    answers: list[list[int]]

    @property
    def tokens(self) -> int:
        return len(self.form) + sum(len(answer) for answer in self.answers)


class Training:
    """A training that can be interrupted: all of it follows from model, plan, lessons and the step that is reached."""

    def __init__(self, gguf: Path, lessons: Sequence[Lesson], plan: Plan, state: Path) -> None:
        self._plan = plan
        self._state = state
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(plan.seed)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self._tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        base = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        self._heads = {"attn_q": base.config.num_attention_heads, "attn_k": base.config.num_key_value_heads}
        self._model = get_peft_model(
            base,
            LoraConfig(
                r=plan.rank,
                lora_alpha=plan.alpha,
                lora_dropout=plan.dropout,
                target_modules=WEIGHTS,
                layers_to_transform=list(range(plan.first_layer, base.config.num_hidden_layers)),
            ),
        ).to(self._device)
        self._base = base
        self._factors = [weight for weight in self._model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(self._factors, lr=plan.rate, weight_decay=0.01)
        self._batches = self._batched([self._encoded(lesson) for lesson in lessons])
        everything = [gguf.name, asdict(plan), [[(one.form, one.answers) for one in batch] for batch in self._batches]]
        self._key = hashlib.sha256(json.dumps(everything).encode()).hexdigest()

    @property
    def steps(self) -> int:
        """Steps in all."""
        return len(self._batches)

    def run(self) -> float:
        """Train from the state that is saved, if it is one of this training, to the end.

        Returns the mean loss of the last tenth of the steps.
        """
        start, losses = self._load()
        began = saved = time.monotonic()
        self._model.train()
        for step in range(start, self.steps):
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate(step)
            torch.manual_seed(self._plan.seed * self.steps + step)  # of dropout: a training that goes on drops the same
            loss = self._loss(self._batches[step])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._factors, 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            if (step + 1) % 10 == 0 or step + 1 == self.steps:
                left = (time.monotonic() - began) / (step + 1 - start) * (self.steps - step - 1)
                recent = losses[-20:]
                print(
                    f"training: step {step + 1} of {self.steps}, loss {sum(recent) / len(recent):.3f}, "
                    f"{left / 60:.0f} min left",
                    flush=True,
                )
            if time.monotonic() - saved > SAVE_EVERY or step + 1 == self.steps:
                self._save(step + 1, losses)
                saved = time.monotonic()
        last = losses[-max(1, len(losses) // 10) :]
        return sum(last) / len(last)

    def loss_on(self, lessons: Sequence[Lesson]) -> float:
        """Mean loss per token of lessons that were not trained on, averaged over batches."""
        self._model.eval()
        with torch.no_grad():
            losses = [float(self._loss(batch)) for batch in self._batched([self._encoded(one) for one in lessons])]
        return sum(losses) / len(losses)

    def write(self, path: Path, about: dict[str, str]) -> None:
        """The adapter as a GGUF file."""
        factors = {
            name: weight.detach().float().cpu().numpy()
            for name, weight in get_peft_model_state_dict(self._model).items()
        }
        write_adapter(path, factors, alpha=self._plan.alpha, heads=self._heads, about=about)

    def _rate(self, step: int) -> float:
        rising = max(1, round(self._plan.warmup * self.steps))
        if step < rising:
            return self._plan.rate * (step + 1) / rising
        return self._plan.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * (step - rising) / (self.steps - rising))) / 2)

    def _encoded(self, lesson: Lesson) -> _Encoded:
        # The answer goes on after the colon with a space, and ends with its line.
        return _Encoded(
            form=self._tokenizer(lesson.form)["input_ids"],
            answers=[self._tokenizer(f" {answer}\n")["input_ids"] for answer in lesson.answers],
        )

    def _batched(self, lessons: Sequence[_Encoded]) -> list[list[_Encoded]]:
        """Batches in an order that the seed decides, each of lessons of about the same length."""
        chance = random.Random(self._plan.seed)
        size = self._plan.batch
        fitting = [lesson for lesson in lessons if lesson.tokens <= self._plan.longest]
        batches = []
        for start in range(0, len(fitting), 16 * size):
            stretch = sorted(fitting[start : start + 16 * size], key=lambda lesson: lesson.tokens)
            of_stretch = [stretch[place : place + size] for place in range(0, len(stretch), size)]
            chance.shuffle(of_stretch)
            batches += of_stretch
        return batches

    def _loss(self, batch: Sequence[_Encoded]) -> torch.Tensor:
        """Mean loss per token of all answers.

        A lesson is one sequence: the form, then its answers one after the other. Each answer sees the form and itself
        and no other answer, and has the positions that it would have alone.
        """
        length = max(lesson.tokens for lesson in batch)
        ids = torch.zeros(len(batch), length, dtype=torch.long)
        positions = torch.zeros(len(batch), length, dtype=torch.long)
        seen = torch.eye(length, dtype=torch.bool).repeat(len(batch), 1, 1)
        where: list[tuple[int, int, int]] = []
        """Lesson, place of the state that predicts, token that is predicted."""
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        for row, lesson in enumerate(batch):
            form = len(lesson.form)
            ids[row, :form] = torch.tensor(lesson.form)
            positions[row, :form] = torch.arange(form)
            seen[row, :form, :form] = causal[:form, :form]
            place = form
            for answer in lesson.answers:
                end = place + len(answer)
                ids[row, place:end] = torch.tensor(answer)
                positions[row, place:end] = torch.arange(form, form + len(answer))
                seen[row, place:end, :form] = True
                seen[row, place:end, place:end] = causal[: end - place, : end - place]
                before = [form - 1, *range(place, end - 1)]
                where += [(row, at, token) for at, token in zip(before, answer, strict=True)]
                place = end
        mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
        states = self._base.model(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=mask.to(self._device),
            use_cache=False,
        ).last_hidden_state
        rows, places, tokens = (torch.tensor(column, device=self._device) for column in zip(*where, strict=True))
        return functional.cross_entropy(self._base.lm_head(states[rows, places]), tokens)

    def _load(self) -> tuple[int, list[float]]:
        if not self._state.exists():
            return 0, []
        saved: dict[str, Any] = torch.load(self._state, map_location=self._device, weights_only=True)
        if saved["key"] != self._key:
            print(f"training: {self._state} is of other lessons or another plan; starting anew", flush=True)
            return 0, []
        for weight, value in zip(self._factors, saved["factors"], strict=True):
            weight.data.copy_(value)
        self._optimizer.load_state_dict(saved["optimizer"])
        return saved["step"], saved["losses"]

    def _save(self, step: int, losses: list[float]) -> None:
        being_written = self._state.with_suffix(".part")
        torch.save(
            {
                "key": self._key,
                "step": step,
                "losses": losses,
                "factors": [weight.data for weight in self._factors],
                "optimizer": self._optimizer.state_dict(),
            },
            being_written,
        )
        being_written.replace(self._state)
