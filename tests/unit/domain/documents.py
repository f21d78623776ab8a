"""Documents as the domain reads them."""

from typing import Any

import pytest

from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.experiment import parse
from rungway_server.domain.space.reader import read_space
from rungway_server.domain.space.space import Space


def violations_of(document: Any) -> list[Violation]:
    """All that is wrong with a configuration, which must be something."""
    with pytest.raises(InvalidInput) as caught:
        parse(document)
    return list(caught.value.violations)


def read(document: object) -> tuple[Space, list[Violation]]:
    """A search space, and what is wrong with it."""
    violations: list[Violation] = []
    return read_space(document, "hyperparameters", violations), violations
