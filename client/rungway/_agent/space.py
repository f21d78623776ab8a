"""The hyperparameters of a stored search as a flat list of names, and a configuration as values by these names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter."""

    path: tuple[str, ...]
    """The names of its groups and its own."""
    is_constant: bool
    is_conditional: bool
    """Whether it is left out of some configurations."""

    @property
    def name(self) -> str:
        """Its name, with dots between the groups: "model.lr"."""
        return ".".join(self.path)


def parameters(space: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Parameter]:
    """The hyperparameters of a space in the form in which the service stores it, where each has its type."""
    for name, node in space.items():
        if isinstance(node.get("type"), str):
            yield Parameter((*path, name), node["type"] == "const", "when" in node)
        else:
            yield from parameters(node, (*path, name))


def flat(hparams: Mapping[str, Any], known: tuple[Parameter, ...]) -> dict[str, Any]:
    """The values of a configuration by name; those that it leaves out are missing."""
    found = {}
    for parameter in known:
        node: Any = hparams
        for step in parameter.path:
            if not isinstance(node, Mapping) or step not in node:
                break
            node = node[step]
        else:
            found[parameter.name] = node
    return found
