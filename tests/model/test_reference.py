"""The games worked by hand, on the model alone and on the store with the model beside it.

What a rule promises stands in each game in numbers that a person worked out, so that model and Lua cannot be wrong
together.
"""

import pytest

from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.sources import CODES
from tests.model.driver import Workbench
from tests.model.examples import EXAMPLES
from tests.model.finite import Finite
from tests.model.hand import LEASE_MS, MAX_RESTARTS, Example, Hand
from tests.model.reference import ReferenceModel

each_example = pytest.mark.parametrize("play", EXAMPLES, ids=[play.__name__ for play in EXAMPLES])


@each_example
def test_model(play: Example) -> None:
    def start(
        plan: Plan,
        *,
        smaller_is_better: bool = True,
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
    ) -> Hand:
        model = ReferenceModel(
            plan,
            lease_ms=LEASE_MS,
            max_restarts=MAX_RESTARTS,
            smaller_is_better=smaller_is_better,
            first_fencing_token=1,
            hparams=lambda number: {"x": finite.size - 1 - number % finite.size if finite else number},
            target=target,
            pause_after=pause_after,
            finite=finite,
            model_hparams=lambda source, number: {
                "x": (7 * number + CODES[source]) % finite.size if finite else -1 - number
            },
        )
        return Hand(model)

    play(start)


@each_example
def test_store(play: Example, workbench: Workbench) -> None:
    play(workbench.start)
