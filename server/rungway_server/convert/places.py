"""The line of each key of a YAML or JSON text, so that what has no counterpart is named by its line."""

from collections.abc import Mapping

import yaml

Place = tuple[str | int, ...]
"""The keys and list positions from the top of a document down to a value."""


class Places:
    """Lines by place; a place that is not there has the line of the nearest one above it."""

    def __init__(self, lines: Mapping[Place, int]) -> None:
        self._lines = lines

    def line(self, *place: str | int) -> int:
        """The line, from 1."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)


def places(text: str) -> Places:
    """The places of a text that was read before, so that it is well-formed."""
    lines: dict[Place, int] = {}
    left: list[tuple[Place, yaml.Node, int]] = []
    try:
        root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):  # JSON that is no YAML
        root = None
    if root:
        left.append(((), root, 1))
    seen = set[int]()
    while left:
        place, node, line = left.pop()
        lines[place] = line
        if id(node) in seen:  # an alias: what is below it has the lines of its anchor
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            left += [
                ((*place, str(key.value)), value, key.start_mark.line + 1)
                for key, value in node.value
                if isinstance(key, yaml.ScalarNode)
            ]
        elif isinstance(node, yaml.SequenceNode):
            left += [((*place, index), item, item.start_mark.line + 1) for index, item in enumerate(node.value)]
    return Places(lines)
