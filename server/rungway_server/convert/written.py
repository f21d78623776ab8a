"""A configuration as YAML that reads back equal, with what has no counterpart as comments above it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from rungway_server.convert.draft import Draft, Gap

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
"""Words that are no texts, in one version of YAML or the other."""


def written(draft: Draft, document: Mapping[str, object], source: str) -> str:
    """The text of a file. `source` names the file that was converted."""
    head = [f"# Made of {draft.tool.value} ({source}) by `rungway convert`."]
    if draft.gaps:
        head += ["# Without an exact counterpart, by line of that file:"]
        head += [f"#   {each.line}: {_one_line(each.what)}" for each in in_order(draft.gaps)]
    body = yaml.dump(_with_flow(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join(head) + "\n" + body


def in_order(gaps: Sequence[Gap]) -> list[Gap]:
    """By line, each once."""
    return sorted(set(gaps))


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class _Flow(dict[str, object]):
    """A mapping on one line."""


def _with_flow(document: Mapping[str, Any]) -> dict[str, object]:
    """The document with each parameter on one line."""
    return {
        key: (_Flow(value) if "type" in value and key != "searcher" else _with_flow(value))
        if isinstance(value, Mapping)
        else value
        for key, value in document.items()
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts in quotes unless they are plain words, because versions of YAML read others differently."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _flow(dumper: yaml.SafeDumper, mapping: _Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Flow, _flow)
