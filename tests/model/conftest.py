"""One redis-server and one store for all tests of this folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.redis_server import redis_on_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rungway_server.domain.experiment import ExperimentConfig
    from rungway_server.domain.search.plan import Plan
    from tests.model.driver import Workbench
    from tests.model.pair import Engine

_EXAMPLES = Path(__file__).parent.glob("examples_*.py")
pytest.register_assert_rewrite(*(f"tests.model.{file.stem}" for file in _EXAMPLES))


@pytest.fixture(scope="session")
def workbench() -> "Iterator[Workbench]":
    """A store on a real redis-server."""
    from tests.model.driver import open_workbench  # after the registration above

    with redis_on_socket() as url, open_workbench(url) as workbench:
        yield workbench


@pytest.fixture(params=["model", "store"])
def make_engine(request: pytest.FixtureRequest) -> "Callable[[ExperimentConfig, Plan], Engine]":
    """Makes an engine of a configuration and its plan: the reference model, and the store."""
    if request.param == "store":
        workbench: Workbench = request.getfixturevalue("workbench")
        return workbench.create
    from tests.model.driver import model_of

    return model_of
