"""A model by its name: ``local:PATH``, ``local:PATH+ADAPTER``, ``simulated:NAME``, or one of an OpenAI-compatible
endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from promptdescent.errors import ConfigError
from promptdescent.llm.base import LLM
from promptdescent.llm.endpoint import is_loopback
from promptdescent.llm.local import SMOLLM2, LocalLLM, existing_files, model_files
from promptdescent.llm.openai_compatible import OpenAICompatible
from promptdescent.llm.ray_actors import RayLocalLLM
from promptdescent.llm.simulated import preset_named, simulated
from promptdescent.llm.writer import WRITER_MODEL
from promptdescent.records import Example, Role

LOCAL = "local:"
SIMULATED = "simulated:"
PYTHON = "python:"
"""Before the name of a model that was handed in from Python."""


def open_model(
    name: str,
    *,
    role: Role,
    base_url: str | None,
    api_key_env: str | None,
    timeout: float,
    rows: Sequence[Example],
    labels: Sequence[str],
    ray: str | None = None,
    engines: int | None = None,
    beside: Sequence[LLM] = (),
) -> LLM:
    """The model ``name``; ``rows`` and ``labels`` are for simulated task models, which must know the right answers.
    ``timeout``: seconds that one call of an endpoint may take. ``ray``: address of a cluster that serves a local task
    model, with at most so many ``engines``. ``beside``: models that are open already; a file on this machine that one
    of them computes is in memory once.

    Nothing is loaded or called yet. Raises :class:`ConfigError` for a name that cannot be used, and
    :class:`KeyRefused` for a key that is missing.
    """
    check_model(name, role=role, base_url=base_url, api_key_env=api_key_env)
    if name.startswith(PYTHON):
        raise ConfigError(
            f"the {role} model {name} was handed in from Python: hand it in there again, as {role}_model of "
            "promptdescent.resume, or of promptdescent.explain_run for an explanation"
        )
    if name.startswith(LOCAL):
        model = name.removeprefix(LOCAL)
        if ray is None or role != "task":
            return LocalLLM(model, beside=beside)
        return RayLocalLLM(model, address=ray, most=engines)
    if name.startswith(SIMULATED):
        return simulated(name.removeprefix(SIMULATED), role=role, rows=rows, labels=labels)
    key_flag = f"--{role}-api-key-env"
    endpoint = OpenAICompatible(name, base_url=base_url, api_key_env=api_key_env, key_flag=key_flag, timeout=timeout)
    endpoint.check_key()
    return endpoint


def check_model(name: str, *, role: Role, base_url: str | None, api_key_env: str | None) -> None:
    """What can be known without opening it. Raises :class:`ConfigError` for a name that cannot be used, or not so."""
    in_process = name.startswith((LOCAL, SIMULATED))
    if in_process and (base_url or api_key_env):
        given = f"--{role}-base-url" if base_url else f"--{role}-api-key-env"
        raise ConfigError(f"{name} runs in this process and takes no {given}")
    check_role(name, role)
    if name.startswith(LOCAL):
        model_files(name.removeprefix(LOCAL))


def missing_file(name: str) -> str:
    """Why a model's files cannot be used on this machine; empty if they can, or if it has none."""
    if name.startswith(LOCAL):
        try:
            existing_files(name.removeprefix(LOCAL))
        except ConfigError as error:
            return str(error)
    return ""


def check_role(name: str, role: Role) -> None:
    """Raise :class:`ConfigError` if the model is the prompt writer and the role is another than the optimizer's."""
    if name.removeprefix(PYTHON) == WRITER_MODEL and role != "optimizer":
        raise ConfigError(
            f"{WRITER_MODEL} writes prompts and does nothing else; --{role}-model local:{SMOLLM2} is the bare model"
        )


def check_simulated(names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` for a simulated model that there is not."""
    for name in names:
        if name.startswith(SIMULATED):
            preset_named(name)


def is_remote(name: str, base_url: str | None) -> bool:
    """Whether calls to the model leave this machine."""
    if name.startswith((LOCAL, SIMULATED)):
        return False
    return not is_loopback(urlsplit(base_url or "https://api.openai.com").hostname or "")
