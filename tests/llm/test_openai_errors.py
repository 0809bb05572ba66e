"""What the answers of known servers mean: which are tried again, which end a run, which cost one row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptdescent.errors import (
    EndpointFailed,
    KeyRefused,
    ModelError,
    ModelNotFound,
    PermanentError,
    RateLimited,
    RequestRefused,
    TimedOut,
)
from promptdescent.llm.openai_errors import Caller, error_for, read_refusal

CALLER = Caller(address="http://host/v1", model="My-Model", key_env="MY_KEY", key_flag="--task-api-key-env")


def mean(status: int, body: object, **headers: str) -> ModelError:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return error_for(status, headers, read_refusal(content), path="/chat/completions", caller=CALLER)


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


BODIES = {
    # OpenAI and Azure
    "openai key": (401, openai("Incorrect API key provided: sk-ab**12", "invalid_api_key"), KeyRefused),
    "openai model": (404, openai("The model `my-model` does not exist", "model_not_found"), ModelNotFound),
    "openai model of a project": (403, openai("No access to model", "model_not_found"), ModelNotFound),
    "openai model id": (400, openai("invalid model ID"), ModelNotFound),
    "openai rate": (429, openai("Rate limit reached for My-Model", "rate_limit_exceeded", "tokens"), RateLimited),
    "openai never fits": (
        429,
        openai("Request too large for My-Model: Limit 10", "rate_limit_exceeded"),
        RequestRefused,
    ),
    "openai quota": (429, openai("You exceeded your quota", "insufficient_quota"), PermanentError),
    "openai billing": (429, openai("Your account is not active", "billing_not_active"), PermanentError),
    "openai country": (403, openai("Country not supported", "unsupported_country_region_territory"), KeyRefused),
    "openai context": (400, openai("maximum context length is 10", "context_length_exceeded"), RequestRefused),
    "openai overloaded": (503, openai("The engine is overloaded", None, "server_error"), EndpointFailed),
    "azure filter": (400, openai("The response was filtered", "content_filter"), RequestRefused),
    "azure deployment": (404, {"error": {"code": "DeploymentNotFound", "message": "no such"}}, ModelNotFound),
    # vLLM
    "vllm model": (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, ModelNotFound),
    "vllm context": (400, {"object": "error", "message": "maximum context length is 9 tokens"}, RequestRefused),
    "vllm key": (401, {"error": "Unauthorized"}, KeyRefused),
    "fastapi path": (404, {"detail": "Not Found"}, RequestRefused),
    # llama.cpp
    "llama.cpp loading": (503, openai("Loading model", None, "unavailable_error"), EndpointFailed),
    "llama.cpp context": (
        400,
        openai("exceeds the available context size", None, "exceed_context_size_error"),
        RequestRefused,
    ),
    "llama.cpp path": (404, openai("File Not Found", None, "not_found_error"), RequestRefused),
    "llama.cpp router": (400, openai("model 'my-model' not found"), ModelNotFound),
    "llama.cpp chat": (501, openai("This server does not support chat", None, "not_supported_error"), RequestRefused),
    # Ollama
    "ollama model": (404, openai('model "x" not found, try pulling it first', None, "api_error"), ModelNotFound),
    "ollama path": (404, "404 page not found", RequestRefused),
    "ollama busy": (503, openai("server busy, please try again"), EndpointFailed),
    # OpenRouter
    "openrouter money": (402, {"error": {"code": 402, "message": "Insufficient credits"}}, PermanentError),
    "openrouter filter": (403, {"error": {"code": 403, "message": "Your input was flagged: violence"}}, RequestRefused),
    "openrouter model": (404, {"error": {"code": 404, "message": "No endpoints found for a/b."}}, ModelNotFound),
    "openrouter name": (400, {"error": {"code": 400, "message": "a/b is not a valid model ID"}}, ModelNotFound),
    "openrouter late": (408, {"error": {"code": 408, "message": "timed out"}}, TimedOut),
    # LM Studio
    "lm studio path": (404, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}, RequestRefused),
    "lm studio model": (404, openai("Model not found", "model_not_found"), ModelNotFound),
    "lm studio none": (400, openai("No models loaded. Please load a model"), ModelNotFound),
    # LiteLLM's proxy
    "litellm model": (400, openai("Invalid model name passed in model=My-Model", "400"), ModelNotFound),
    "litellm context": (400, openai("litellm.ContextWindowExceededError: too many", "400"), RequestRefused),
    "litellm budget": (400, openai("Budget has been exceeded! Cost: 2", "400", "budget_exceeded"), PermanentError),
    "litellm cooldown": (429, openai("No deployments available for selected model", "429"), RateLimited),
    # others
    "gemini key": (400, [{"error": {"code": 400, "message": "API key not valid. Pass a valid one."}}], KeyRefused),
    "gemini model": (404, [{"error": {"code": 404, "message": "models/x is not found for API v1"}}], ModelNotFound),
    "gemini pace": (429, [{"error": {"code": 429, "message": "You exceeded your current quota"}}], RateLimited),
    "xai key": (400, {"code": "invalid argument", "error": "Incorrect API key provided: x"}, KeyRefused),
    "xai filter": (403, {"error": "Content violates usage guidelines. SAFETY_CHECK_TYPE_CSAM"}, RequestRefused),
    "anthropic overloaded": (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
        RateLimited,
    ),
    "anthropic money": (400, openai("Your credit balance is too low to access the API"), PermanentError),
    "anthropic long": (400, openai("prompt is too long: 20 tokens > 10 maximum"), RequestRefused),
    "groq flex": (498, openai("capacity exceeded", "capacity_exceeded"), RateLimited),
    "groq never fits": (413, openai("Request too large for model `x`", "rate_limit_exceeded"), RequestRefused),
    "cloudflare": (524, "<html><title>A timeout occurred</title></html>", TimedOut),
    "nginx": (404, "<html><h1>404 Not Found</h1><hr>nginx</html>", RequestRefused),
}


@pytest.mark.parametrize("case", BODIES)
def test_what_known_servers_say(case: str) -> None:
    status, body, kind = BODIES[case]
    error = mean(status, body)
    assert type(error) is kind, error
    assert str(error).startswith(f"http://host/v1 answered {status}")


STATUSES: dict[type[ModelError], tuple[int, ...]] = {
    KeyRefused: (401, 403),
    PermanentError: (402,),
    RequestRefused: (301, 308, 400, 404, 405, 407, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505),
    RateLimited: (429, 498, 529),
    TimedOut: (408, 499, 504, 524),
    EndpointFailed: (409, 423, 424, 425, 500, 502, 503, 507, 520, 521, 522, 523, 525, 526, 527, 530, 599),
}


@pytest.mark.parametrize(
    ("status", "kind"), [(status, kind) for kind, statuses in STATUSES.items() for status in statuses]
)
def test_every_status_without_a_word(status: int, kind: type[ModelError]) -> None:
    assert type(mean(status, "")) is kind


def test_a_message_that_quotes_the_request_does_not_end_the_run() -> None:
    """A refusal may repeat the row or the reply that it is about, which may speak of models and keys."""
    for status, quoted in ((400, "unreadable: 'the fashion model was not found'"), (422, "the key is invalid")):
        assert type(mean(status, openai(quoted))) is RequestRefused
    assert type(mean(500, openai("model not found; invalid api key; insufficient_quota"))) is EndpointFailed


def test_words_of_an_endpoint_are_only_quoted() -> None:
    message = "{0} {caller} %s $(x) \x1b]0;x\x07 model" + " model" * 50_000
    for status in (400, 404, 429, 500, 504):
        text = str(mean(status, openai(message)))
        assert "{0} {caller} %s $(x)" in text
        assert len(text) < 1000


def test_only_what_may_have_been_done_may_be_charged() -> None:
    assert mean(504, "").may_be_charged
    assert not any(mean(status, "").may_be_charged for status in (400, 401, 429, 500, 503))
