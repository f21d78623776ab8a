"""Reads literals and calls in a Python file, which is parsed and never executed."""

import ast
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rungway_server.convert.draft import CannotConvert

_MOST = 10**300
_LARGEST_POWER = 300
_DEEPEST = 20
_MOST_PARTS = 100_000
"""Of a value: a list of names that stand for lists of names may be endless."""
_CONSTANTS = {("math", "pi"): math.pi, ("math", "e"): math.e}


class NotLiteral(Exception):
    """The value of an expression cannot be known without running the file."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call with the name of the function, the module or object before it, and what is a literal of its arguments."""

    node: ast.Call
    name: str
    before: str
    args: tuple[ast.expr, ...]
    keywords: Mapping[str, ast.expr]

    @property
    def line(self) -> int:
        """Its line, from 1."""
        return self.node.lineno


@dataclass(slots=True)
class Source:
    """A file: its tree, the names of its module that stand for literals, and what was imported under which name."""

    tree: ast.Module
    names: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    """"tune" -> "ray.tune", "choice" -> "ray.tune.choice"."""
    _parts: int = 0

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """The value of a literal, of a name that stands for one, or of arithmetic with them. Raises NotLiteral."""
        self._parts = self._parts + 1 if depth else 1
        if depth > _DEEPEST or self._parts > _MOST_PARTS:
            raise NotLiteral
        found: Any = None
        match node:
            case ast.Constant(value) if isinstance(value, str | int | float | bool | None):
                found = value
            case ast.Name(name) if name in self.names:
                found = self.value(self.names[name], depth + 1)
            case ast.List(elements) | ast.Tuple(elements):
                found = [self.value(each, depth + 1) for each in elements]
            case ast.Dict(keys, values) if all(keys):
                found = self._mapping(zip(keys, values, strict=True), depth)
            case ast.UnaryOp(ast.USub(), operand):
                found = -self._number(operand, depth)
            case ast.BinOp(left, operator, right):
                found = _computed(self._number(left, depth), operator, self._number(right, depth))
            case ast.Subscript(container, ast.Constant(place)):
                found = self._item(container, place, depth)
            case ast.Attribute(ast.Name(module), name) if (module, name) in _CONSTANTS:
                found = _CONSTANTS[module, name]
            case _:
                raise NotLiteral
        return found

    def _mapping(self, pairs: Iterable[tuple[ast.expr | None, ast.expr]], depth: int) -> dict[Any, Any]:
        try:
            return {self.value(key, depth + 1): self.value(each, depth + 1) for key, each in pairs if key}
        except TypeError:  # a key that is a list or a mapping
            raise NotLiteral from None

    def _item(self, container: ast.expr, place: object, depth: int) -> Any:
        items = self.value(container, depth + 1)
        try:
            return items[place]
        except (LookupError, TypeError):
            raise NotLiteral from None

    def _number(self, node: ast.expr, depth: int) -> int | float:
        value = self.value(node, depth + 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise NotLiteral
        return value

    def call(self, node: ast.AST) -> Call | None:
        """The node as a call; None if it is none, or one of something without a name."""
        if not isinstance(node, ast.Call):
            return None
        full = _dotted(node.func)
        first, dot, rest = full.partition(".")
        full = self.imported.get(first, first) + dot + rest
        before, _, name = full.rpartition(".")
        keywords = {each.arg: each.value for each in node.keywords if each.arg}
        return Call(node, name, before, tuple(node.args), keywords) if name else None

    def calls(self, node: ast.AST) -> Iterator[Call]:
        """The calls within a node, by line."""
        nodes = (each for each in ast.walk(node) if isinstance(each, ast.Call))
        for each in sorted(nodes, key=lambda call: (call.lineno, call.col_offset)):
            if found := self.call(each):
                yield found

    def arguments(self, call: Call, *names: str) -> dict[str, Any]:
        """The arguments by name; `names` are those of positional ones. Raises NotLiteral."""
        given = dict(zip(names, call.args, strict=False)) | dict(call.keywords)
        return {name: self.value(node) for name, node in given.items()}

    def literals(self, call: Call) -> dict[str, Any]:
        """The keyword arguments that are literals."""
        found = {}
        for name, node in call.keywords.items():
            with suppress(NotLiteral):
                found[name] = self.value(node)
        return found


def read_source(text: str) -> Source:
    """The file. Raises CannotConvert for what is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        raise CannotConvert(f"{line}no Python: {error.msg if isinstance(error, SyntaxError) else error}") from None
    source = Source(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            source.imported |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            source.imported |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                assigned.setdefault(target.id, []).append(value)
    source.names = {name: values[0] for name, values in assigned.items() if len(values) == 1}
    return source


def _dotted(node: ast.expr) -> str:
    """ "a.b.c" of an attribute or name; "" before anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}"
    return ""


def _computed(left: float, operator: ast.operator, right: float) -> int | float:
    """Arithmetic with two numbers; nothing that takes long. Raises NotLiteral."""
    try:
        match operator:
            case ast.Add():
                found = left + right
            case ast.Sub():
                found = left - right
            case ast.Mult():
                found = left * right
            case ast.Div():
                found = left / right
            case ast.FloorDiv():
                found = left // right
            case ast.Pow() if abs(right) <= _LARGEST_POWER and abs(left) <= _MOST:
                found = left**right
            case _:
                raise NotLiteral
    except (ArithmeticError, ValueError):
        raise NotLiteral from None
    if isinstance(found, complex) or not abs(found) <= _MOST:
        raise NotLiteral
    return found
