"""Decisions in words."""

import pytest

from rungway_server.domain.engine import Explanation, Reason
from rungway_server.domain.explain import in_words


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ((Reason.NOT_PROMOTED, 0, 0, 4, 12, 3, 0.25), "waits: rank 4 of 12 at rung 0, the best 3 go on (cut-off 0.25)"),
        ((Reason.NOT_PROMOTED, 0, 1, 0, 2, 0, None), "waits: rank 0 of 2 at rung 1, none goes on yet"),
        ((Reason.PROMOTED, 0, 0, 0, 3, 1, 0.5), "promoted: rank 0 of 3 at rung 0, the best 1 goes on (cut-off 0.5)"),
        (
            (Reason.STOPPED_AT_RUNG, 0, 0, 1, 2, 1, 0.5),
            "stopped: rank 1 of 2 at rung 0, the best 1 goes on (cut-off 0.5)",
        ),
        ((Reason.COMPLETED, 0, 4, 0, 1, 0, None), "completed at the top: rank 0 of 1 at rung 4"),
        ((Reason.COMPLETED, 0, 4, 2, 5, 1, 0.5), "completed at the top: rank 2 of 5 at rung 4"),  # the stopping form
    ],
)
def test_rungs_in_words(why: tuple[Reason, int, int, int, int, int, float | None], words: str) -> None:
    assert in_words(Explanation(*why)) == words
