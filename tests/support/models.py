"""In place of models: proposals that follow from their number alone, at once and without a process."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.sampling.sampling import number_of_points
from rungway_server.domain.sampling.sampling import propose as drawn
from rungway_server.domain.search.sources import CODES
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.observing import places_for


def untaught_hparams(config: ExperimentConfig, source: str, number: int) -> Mapping[str, object]:
    """What a source proposes under this number."""
    count = 7 * number + CODES[source]
    if [*config.space.leaves] != [("x",)]:
        return drawn(config.space, config.seed + 1, count)
    points = number_of_points(config.space)
    return {"x": count % points if points else count % 97 / 97}


async def untaught(_: str, work: Callable[..., object], config: bytes, *args: Any) -> object:
    """A `compute` of a store."""
    parsed: ExperimentConfig = pickle.loads(config)  # pickled by the store
    if work is places_for:
        return tuple(() for _ in args[1].sizes)
    _, source, numbers, _ = args
    pack = Configurations(parsed.space).pack
    return [pack(untaught_hparams(parsed, source.value, number)) for number in numbers]
