"""The prompt writer as it is shipped: the file, and what it writes for a job of our own."""

from __future__ import annotations

import hashlib

import pytest
from test_local import needs_model
from training.measuring import PROPOSALS, proposal

from promptdescent.llm.choose import open_model
from promptdescent.llm.local import LocalLLM
from promptdescent.llm.writer import WRITER_MODEL, adapter_file
from promptdescent.parts.raw_job import RawJob
from promptdescent.parts.writer import render_form
from promptdescent.text import word_edit_distance

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

MOST_BYTES = 12 * 2**20
WORDS = 20


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def test_the_file_is_the_one_on_its_card() -> None:
    file = adapter_file()
    card = (file.parent / "MODEL_CARD.md").read_text("utf-8")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card
    assert f"{file.stat().st_size:,} bytes" in card
    assert file.stat().st_size <= MOST_BYTES


@needs_model
async def test_it_writes_varied_short_prompts_for_the_job_that_it_is_shown() -> None:
    current = "What is this message like?"
    form = render_form(
        RawJob(
            verb="write",
            labels=("calm", "angry"),
            rows=(
                ("Take your time, any day next week suits us.", "calm"),
                ("How dare you leave us waiting in the rain!", "angry"),
                ("The parcel came late, but all is well.", "calm"),
            ),
            scored=(("Tell me about it.", "0"), (current, "12")),
            words=WORDS,
        )
    )
    llm = open_model(WRITER_MODEL, role="optimizer", base_url=None, api_key_env=None, timeout=60, rows=(), labels=())
    assert isinstance(llm, LocalLLM)
    await llm.prepare()
    prompts = [await proposal(llm, form, place) for place in range(PROPOSALS)]
    await llm.close()
    assert len(set(prompts)) >= 6
    assert sum("calm" in prompt and "angry" in prompt for prompt in prompts) >= 6
    within = [word_edit_distance(current, prompt) <= WORDS for prompt in prompts]
    assert sum(within) >= 0.8 * PROPOSALS
