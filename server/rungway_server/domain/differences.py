"""In which fields two configurations differ, for users who create an experiment that is there already."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.documents.json_values import same
from rungway_server.domain.documents.paths import Path, spelled
from rungway_server.domain.errors import Violation
from rungway_server.domain.experiment import ExperimentConfig, to_document
from rungway_server.domain.search.config import SearcherName


def differences(stored: ExperimentConfig, given: ExperimentConfig) -> list[Violation]:
    """Each field with another value, defaults filled in on both sides: first those of the top level, then deeper ones
    in the order of the stored configuration."""
    return [
        Violation(spelled(*path), f"stored {_found(one)}, given {_found(other)}")
        for path, one, other in _pairs(to_document(stored), to_document(given), ())
    ]


def is_older(stored: ExperimentConfig, given: ExperimentConfig, document: Mapping[str, object]) -> bool:
    """Whether the stored search is the one of this document from when `auto` had no models by default."""
    section = document.get("searcher")
    if given.searcher.name is not SearcherName.AUTO or not isinstance(section, Mapping) or "proposals" in section:
        return False
    return stored == replace(given, searcher=replace(given.searcher, proposals=None))


_ABSENT = object()


def _pairs(one: Mapping[str, object], other: Mapping[str, object], top: Path) -> Iterator[tuple[Path, object, object]]:
    """The paths at which two nested mappings differ, with both values."""
    for name in dict.fromkeys((*one, *other)):
        left, right = one.get(name, _ABSENT), other.get(name, _ABSENT)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from _pairs(left, right, (*top, name))
        elif left is _ABSENT or right is _ABSENT or not same(left, right):
            yield (*top, name), left, right


def _found(value: object) -> str:
    return "none" if value is _ABSENT else shown(value)
