"""`tune.get_context()`: which trial this is."""

from typing import Any

from rungway.compat.tune._refused import no_attribute
from rungway.compat.tune._session import current

_REFUSED = {
    "get_trial_dir": "write into a folder of your own; checkpoints are those that tune.report gets",
    "get_trial_resources": "resources are those of the worker",
    "get_world_size": "several processes for one trial: rungway.distributed",
    "get_world_rank": "several processes for one trial: rungway.distributed",
    "get_local_rank": "several processes for one trial: rungway.distributed",
    "get_local_world_size": "several processes for one trial: rungway.distributed",
    "get_node_rank": "several processes for one trial: rungway.distributed",
}


class TuneContext:
    """The trial of this thread. Each method raises FailedPrecondition (NO_CURRENT_TRIAL) outside of one."""

    def get_trial_id(self) -> str:
        """Its number, as a text."""
        return str(current().trial.number)

    def get_trial_name(self) -> str:
        """The id of its search, and its number."""
        return f"{self.get_experiment_name()}_{self.get_trial_id()}"

    def get_experiment_name(self) -> str:
        """The id of its search."""
        return current().trial.experiment

    def __getattr__(self, name: str) -> Any:
        no_attribute("TuneContext", name, _REFUSED)


def get_context() -> TuneContext:
    """The context of this thread."""
    return TuneContext()
