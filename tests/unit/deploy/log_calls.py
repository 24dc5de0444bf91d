"""Finds every event that the package can log, by reading its source: name and levels of each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}


@cache
def events() -> dict[str, frozenset[str]]:
    """The levels at which each event is logged."""
    found: dict[str, set[str]] = {}
    for tree in _trees():
        for function in _functions(tree):
            for name, levels in _logged(function):
                found.setdefault(name, set()).update(levels)
    return {name: frozenset(levels) for name, levels in found.items()}


@cache
def _trees() -> tuple[ast.Module, ...]:
    files = sorted((ROOT / "runner").rglob("*.py"))
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function; a function inside of another is a part of that one too, which does no harm."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _logged(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, set[str]]]:
    """What a function logs: by a method of ``_log``, or by a local name that stands for some of them."""
    chosen = dict(_chosen(function))
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        levels = chosen.get(call.func.id, set()) if isinstance(call.func, ast.Name) else _levels(call.func)
        if levels:
            yield from ((name, levels) for name in _names(function, call.args[0]))


def _chosen(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            levels = {level for part in ast.walk(node.value) for level in _levels(part)}
            if levels and not isinstance(node.value, ast.Call):
                yield node.targets[0].id, levels


def _levels(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return set()
    return {LEVELS[node.attr]} if node.value.id == "_log" and node.attr in LEVELS else set()


def _names(function: ast.FunctionDef | ast.AsyncFunctionDef, first: ast.expr) -> Iterator[str]:
    """The name itself; or, where it is a parameter, what the callers of the function say."""
    if isinstance(first, ast.Constant):
        yield str(first.value)
        return
    assert isinstance(first, ast.Name), f"{function.name}: an event has a name, not {ast.unparse(first)}"
    parameters = [each.arg for each in function.args.args if each.arg != "self"]
    place = parameters.index(first.id)
    for tree in _trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _called(call) == function.name and len(call.args) > place:
                said = call.args[place]
                assert isinstance(said, ast.Constant), f"{function.name}: {ast.unparse(call)}"
                yield str(said.value)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
