"""Reads a configuration in YAML or JSON as plain mappings, lists, texts and numbers.

YAML is read by the rules of YAML 1.2, so that `1e-3` is a number and `off` is a text, as the author of a Determined
configuration expects.
"""

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_BYTES = 1 << 20
"""Of a document."""
MAX_DEPTH = 32
MAX_VALUES = 100_000


WANTED = "a mapping with 'hyperparameters' and 'searcher'"
_JSON = re.compile(r'\s*\{\s*["}]')
"""The beginning of a mapping in JSON; in YAML it may be one, too, without quotes."""


class BadDocument(Exception):
    """The text cannot be read as one mapping; the message says why and where."""


def read_mapping(text: str, *, as_json: bool, wanted: str = WANTED) -> dict[str, Any]:
    """The mapping in a text in YAML or JSON.

    `wanted` says in refusals what should be there. Raises BadDocument when the text is not well-formed, names a key
    twice, or holds anything but one mapping with text keys.
    """
    try:
        document = _parse_json(text) if as_json else _parse_yaml(text)
        if document is None:
            raise BadDocument(f"it is empty: {wanted} was wanted")
        if not isinstance(document, dict):
            raise BadDocument(f"the top level is {_kind(document)}: {wanted} was wanted")
        plain: dict[str, Any] = _Plain().copy(document, "", 0)
    except RecursionError:
        raise BadDocument(f"nested deeper than {MAX_DEPTH} levels") from None
    return plain


def read_either(text: str) -> dict[str, Any]:
    """The mapping in a text in YAML or JSON, whichever it is. Raises BadDocument as `read_mapping`."""
    if text.lstrip().startswith("{"):
        try:
            return read_mapping(text, as_json=True)
        except BadDocument:
            if _JSON.match(text):
                raise
    return read_mapping(text, as_json=False)


def read_value(text: str) -> Any:
    """One value in the syntax of YAML: `0.1`, `true`, `[1, 2]`, `adam`. Raises BadDocument."""
    try:
        return _Plain().copy(_parse_yaml(text), "", 0)
    except RecursionError:
        raise BadDocument(f"nested deeper than {MAX_DEPTH} levels") from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise BadDocument(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:  # a number with thousands of digits
        raise BadDocument(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise BadDocument(f"the key {key!r} is given twice in one mapping")
        mapping[key] = value
    return mapping


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadDocument(place + " ".join(part for part in (error.context, error.problem) if part)) from None
    except yaml.YAMLError as error:
        raise BadDocument(str(error).splitlines()[0]) from None
    except ValueError as error:
        raise BadDocument(str(error)) from None
    except (LookupError, AttributeError, TypeError):  # what PyYAML raises for `!!bool 7`
        raise BadDocument("a value does not fit the tag that is written with it") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2; refuses a key that is given twice."""

    _taken_in = _composed = 0
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (as in the base class)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node, with a limit on values before more of the text is read: each takes much more memory than its
        text."""
        if index is not None or not isinstance(parent, yaml.MappingNode):  # otherwise it is a key
            self._composed += 1
            if self._composed > MAX_VALUES:
                raise BadDocument(f"more than {MAX_VALUES:,} values")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve "<<", with a limit on values: references may repeat the same mapping exponentially often."""
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    self._take_in(source)
        super().flatten_mapping(node)

    def _take_in(self, source: yaml.Node) -> None:
        if isinstance(source, yaml.MappingNode):
            self.flatten_mapping(source)
            self._taken_in += len(source.value)
        if self._taken_in > MAX_VALUES:
            raise BadDocument(f"more than {MAX_VALUES:,} values")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, str(key_node.value))
            if key in seen and isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice in one mapping", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _core_schema() -> None:
    """How a plain scalar resolves in YAML 1.2, chapter 10.3; anything else is a text. "<<" of YAML 1.1 stays."""
    words = (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?[0-9]+", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
        ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
        ("merge", "<<", ["<"]),
    )
    for tag, pattern, first in words:
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})$"), first)
    _Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


_core_schema()


class _Plain:
    """Copies a document into new mappings and lists, so that aliases cannot make it infinite or huge."""

    def __init__(self) -> None:
        self.values = 0

    def copy(self, value: Any, path: str, depth: int) -> Any:
        """The same value, checked."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise BadDocument(f"more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise BadDocument(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            return {self._key(key, path): self.copy(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise BadDocument(f"{path.lstrip('.')}: {_kind(value)} is not supported")

    def _key(self, key: object, path: str) -> str:
        if not isinstance(key, str):
            raise BadDocument(
                f"{path.lstrip('.') or 'the top level'}: the key {key!r} is {_kind(key)}, not text: quote it"
            )
        return key


def _kind(value: object) -> str:
    names = {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), f"a value of the type {type(value).__name__}")
