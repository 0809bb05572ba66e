"""The source of a user's function, as a digest that tells whether its scores may have changed."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator

from promptdescent.text import fingerprint

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source_digest(function: Callable[..., object]) -> str:
    """Digest of the function's source and of whatever it refers to in its own module: 64 hex digits.

    Comments and layout do not count. What is imported is not looked at. Empty where the source cannot be seen, as of
    a built-in function, a lambda or one that was typed into an interpreter.
    """
    function = inspect.unwrap(function)
    try:
        own = ast.parse(textwrap.dedent(inspect.getsource(function)))
        module = inspect.getmodule(function)
        others = _definitions(ast.parse(inspect.getsource(module))) if module else {}
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    (definition,) = own.body if len(own.body) == 1 else (None,)
    if not isinstance(definition, Definition):
        return ""
    needed: dict[str, list[ast.stmt]] = {}
    unread: list[ast.stmt] = [definition]
    while unread:
        for name in _names(unread.pop()):
            if name in others and name not in needed:
                needed[name] = others[name]
                unread.extend(others[name])
    texts = {name: [ast.unparse(node) for node in nodes] for name, nodes in needed.items() if name != definition.name}
    return fingerprint({"function": ast.unparse(definition), "refers to": texts})


def _definitions(module: ast.Module) -> dict[str, list[ast.stmt]]:
    """The statements at the top of a module that give a name its value, by name. Imports are left out."""
    found: dict[str, list[ast.stmt]] = {}
    for statement in module.body:
        if isinstance(statement, Definition):
            found.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                for name in _names(target):
                    found.setdefault(name, []).append(statement)
    return found


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
