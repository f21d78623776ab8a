"""What needs the tools of `make deploy-test` is for that verb alone."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` has the rest."""
    return True if collection_path.name == "test_chart.py" and not config.getoption("--helm") else None
