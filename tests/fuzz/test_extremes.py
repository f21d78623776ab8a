"""Extreme numbers in a configuration, each pair of fields and values, are refused or planned: nothing overflows."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.experiments import plan_search
from rungway_server.transport.wire import preview_message
from tests.fuzz.corpus import line_for_corpus
from tests.fuzz.extent import LONG
from tests.fuzz.extremes import extreme_searchers, extreme_spaces

LAST_TRIAL = 10**7 - 1
ONE_OF = 8
"""Of so many pairs one is tried, and in `make fuzz` each: that takes a minute. There are 19 values of a number: so each
meets an eighth of the others."""


@pytest.mark.parametrize("documents", [extreme_searchers, extreme_spaces], ids=lambda function: function.__name__)
def test_two_extreme_numbers(documents: Callable[[], Iterator[dict[str, Any]]]) -> None:
    planned = refused = 0
    for document in islice(documents(), None, None, 1 if LONG else ONE_OF):
        try:
            understood(document)
            planned += 1
        except InvalidInput:
            refused += 1
        except Exception as error:
            error.add_note(line_for_corpus(document))
            raise
    assert planned > 200
    assert refused > planned


def understood(document: dict[str, Any]) -> None:
    """What the service makes of a configuration, as far as it answers by it."""
    planned = plan_search(document)
    preview_message(planned).SerializeToString()
    for number in (0, LAST_TRIAL):
        json.dumps(propose(planned.config.space, planned.config.seed, number), allow_nan=False)
    assert parse(to_document(planned.config))[0] == planned.config
