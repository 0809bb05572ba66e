"""Records as JSON text and back."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


_adapters: dict[Any, Any] = {}


def _adapter(kind: Any) -> Any:
    """Pydantic's reader and writer of a type, made once: it takes longer than reading does."""
    from pydantic import TypeAdapter

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_json(value: Any) -> str:
    """A record as JSON text."""
    return str(_adapter(type(value)).dump_json(value).decode())


def from_json(kind: type[T], text: str, *, whole: bool = False) -> T:
    """The record of type ``kind`` that :func:`to_json` wrote. Raises ``pydantic.ValidationError`` for anything else.

    Fields that ``kind`` does not have are left out; with ``whole`` they raise as well.
    """
    result: T = _adapter(kind).validate_json(text, extra="forbid" if whole else "ignore")
    return result
