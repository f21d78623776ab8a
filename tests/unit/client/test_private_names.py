"""The client uses public interfaces only: a private one of gRPC, protobuf or Python may change with any release."""

import ast
from collections.abc import Iterator
from pathlib import Path

import rungway

_FOLDER = Path(rungway.__file__).parent
_TREES = [ast.parse(path.read_text()) for path in _FOLDER.rglob("*.py") if path.parent.name != "v1"]


def nodes() -> Iterator[ast.AST]:
    for tree in _TREES:
        yield from ast.walk(tree)


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def test_no_private_name_of_another_library_is_imported() -> None:
    imported = [each.name for node in nodes() if isinstance(node, ast.Import) for each in node.names]
    imported += [
        f"{node.module}.{each.name}"
        for node in nodes()
        if isinstance(node, ast.ImportFrom) and node.module
        for each in node.names
    ]
    assert "grpc" in imported
    assert [name for name in imported if is_private(name) and not name.startswith("rungway.")] == []


def test_every_private_attribute_is_one_of_the_client() -> None:
    own = {node.name for node in nodes() if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    attributes = [node for node in nodes() if isinstance(node, ast.Attribute) and is_private(node.attr)]
    own |= {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "self"}
    used = {node.attr for node in attributes}
    assert "_send_lock" in used
    assert used - own == set()
