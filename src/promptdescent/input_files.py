"""Prompts, texts and mixtures of parts from the files that a flag or a task file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError


def read_prompt(given: str | None, *, may_be_empty: bool = False) -> str:
    """The text of ``--prompt TEXT`` or ``@FILE``. Raises :class:`ConfigError` if there is none or the file cannot be
    read.
    """
    if given is None:
        raise ConfigError("--prompt is missing: give the prompt you use today, as text or as @FILE")
    if not given.strip() and may_be_empty:
        return ""
    if not given.strip():
        raise ConfigError("--prompt is empty: give the prompt you use today, as text or as @FILE")
    prompt = read_text(given, flag="--prompt")
    if not prompt.strip() and not may_be_empty:
        raise ConfigError(f"--prompt {given}: the file is empty; it is to hold the prompt you use today")
    return prompt


def read_text(given: str, *, flag: str) -> str:
    """The text itself, or that of ``@FILE``. Raises :class:`ConfigError` if the file cannot be read."""
    if not given.startswith("@"):
        return given
    path = Path(given[1:])
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigError(f"{flag} {given}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{flag} {given}: not UTF-8 text (byte {error.start + 1}); save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{flag} {given}: the file cannot be read: {error.strerror}") from error


def read_turn(given: str, *, flag: str) -> str:
    """A turn of a chat, as text or from ``@FILE``; empty for none. Raises :class:`ConfigError` for one of white space
    alone, and for a file that holds no turn.
    """
    text = read_text(given, flag=flag).strip()
    if given and not text:
        raise ConfigError(f"{flag} {given}: there is no text in it; say what the model is to be asked, or leave it out")
    if text.startswith("@"):  # kept as text on record, where it would be taken for the name of a file
        raise ConfigError(f"{flag} {given}: the text may not begin with @")
    return text


def read_mixture(path: Path) -> dict[str, Any]:
    """The mixture of parts in a YAML file, alone or under the one key ``recipe`` as in a task file.

    Raises :class:`ConfigError` if the file cannot be used.
    """
    content = read_yaml(path, kind="recipe", holds="a recipe file holds keys and values, such as `base: gpo`")
    inner = content.get("recipe")
    return inner if len(content) == 1 and isinstance(inner, dict) else content


def read_yaml(path: Path, *, kind: str, holds: str) -> dict[str, Any]:
    """The keys and values of a YAML file of some kind; ``holds`` says what belongs in it.

    Raises :class:`ConfigError`, naming the file and the line, if it cannot be read or holds something else.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such {kind} file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the {kind} file cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ConfigError(f"{path}{line}: this is no valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: this is no valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: {holds}")
    return content
