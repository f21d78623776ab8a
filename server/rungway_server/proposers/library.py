"""What a library has to do to propose, and which libraries are known."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from rungway import FailedPrecondition, InvalidArgument
from rungway_server.proposers.seen import Seen

KNOWN = ("optuna", "hyperopt")


class Proposer(Protocol):
    """Proposes configurations. It needs no memory of its own: all that there is to know is in what was seen."""

    def propose(self, seen: Seen, count: int) -> Sequence[Mapping[str, object]]:
        """Whole configurations, at most so many; fewer where the library finds none that meet the constraints."""
        ...


def open_library(name: str) -> Proposer:
    """The proposer of a name: `optuna`, `optuna:SAMPLER`, `hyperopt`, or `module:factory` for one of the user's
    own. Raises InvalidArgument for another name, FailedPrecondition (NOT_INSTALLED) without the package."""
    library, _, rest = name.partition(":")
    if library in KNOWN:
        if importlib.util.find_spec(library) is None:
            raise FailedPrecondition(f"{library} is not installed: pip install {library}", reason="NOT_INSTALLED")
        module = importlib.import_module(f"rungway_server.proposers.with_{library}")
        return cast("Proposer", module.proposer(rest))
    if not library or not rest:
        raise InvalidArgument.one("with", f"got {name!r}, wanted one of {', '.join(KNOWN)}, or module:factory")
    try:
        factory = getattr(importlib.import_module(library), rest)
    except (ImportError, AttributeError) as error:
        raise InvalidArgument.one("with", f"got {name!r}: {error}") from None
    return cast("Proposer", factory())
