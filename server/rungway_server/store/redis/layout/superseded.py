"""Checkpoints that others have replaced, as they are stored (lua/include/checkpoints.lua): fields of `curves`.

`superseded` of the progress has the number of the first that is remembered, that of the next to come, and their bytes.
"""

from typing import Any

from rungway_server.domain.checkpoints import Superseded
from rungway_server.store.redis.layout.records import unpack

MOST, MOST_BYTES = 50_000, 1 << 24
"""Most that an experiment remembers, and most bytes of them; the oldest are forgotten first."""
FIELD = "superseded"
"""The field of the progress. Searches that never replaced a checkpoint, and have no best one apart, have none."""
_PREFIX = "s"


def is_superseded(field: str) -> bool:
    """Whether a field of `curves` is of a replaced checkpoint."""
    return field.startswith(_PREFIX)


def superseded_field(number: int) -> str:
    """The field of `curves` of the replaced checkpoint with this number."""
    return f"{_PREFIX}{number}"


def remembered(progress: dict[str, Any]) -> range:
    """The numbers of those that are remembered."""
    first, following, _ = progress.get(FIELD, (0, 0, 0))
    return range(first, following)


def read_superseded(packed: bytes) -> Superseded:
    """One of them. Raises ValueError or TypeError for what is none."""
    since_ms, trial, checkpoint = unpack(packed)
    return Superseded(int(trial), checkpoint.encode(errors="surrogateescape").decode(errors="replace"), int(since_ms))
