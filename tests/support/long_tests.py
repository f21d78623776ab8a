"""Which cases of a test only `make test-long` has."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def params(cases: Mapping[str, object], long: Iterable[str]) -> list[Any]:
    """These cases by name, for `parametrize`; those named `long` are marked. Raises LookupError for any other name."""
    marked = set(long)
    if unknown := marked - cases.keys():
        raise LookupError(f"no case is called {sorted(unknown)}")
    return [
        pytest.param(case, id=name, marks=[pytest.mark.long] if name in marked else []) for name, case in cases.items()
    ]
