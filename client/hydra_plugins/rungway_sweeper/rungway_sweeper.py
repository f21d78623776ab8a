"""`hydra/sweeper=rungway`, as Hydra sees it. Every app of Hydra imports it, so it imports nothing of Rungway."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, List, Optional  # noqa: UP035  (types of a structured config)

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher


@dataclass
class RungwaySweeperConf:
    """What can be set: `hydra.sweeper.n_trials=50`."""

    _target_: str = "hydra_plugins.rungway_sweeper.rungway_sweeper.RungwaySweeper"
    experiment: Optional[str] = None  # noqa: UP045
    """The id of the search, by which a sweep goes on after it was killed; by default a new one."""
    target: Optional[str] = None  # noqa: UP045
    """Where the service is; by default RUNGWAY_TARGET, else one of this machine is started."""
    n_trials: int = 20
    """Most trials of the search."""
    n_jobs: int = 1
    """Jobs at once."""
    direction: str = "minimize"
    """`minimize` or `maximize`."""
    metric: str = "value"
    """The name of the result."""
    params: Any = None
    """The space: overrides by key ("interval(0, 1)"), or parameters as in a configuration of Rungway."""
    searcher: Any = None
    """Further keys of the searcher."""
    config: Any = None
    """Further keys of the configuration of the search: seed, constraints, lease_seconds, …"""


ConfigStore.instance().store(group="hydra/sweeper", name="rungway", node=RungwaySweeperConf, provider="rungway")


class RungwaySweeper(Sweeper):
    """Keeps `n_jobs` slots of the launcher full with trials of a search, until the search is over."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        from hydra_plugins.rungway_sweeper._task import VARIABLE, Task

        with read_write(config), open_dict(config):  # each job overrides it: launchers show no override of Hydra's own
            config.hydra.overrides.hydra.append(f"++hydra.job.env_set.{VARIABLE}=''")
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=Task(task_function), config=config
        )

    def sweep(self, arguments: List[str]) -> Any:  # noqa: UP006
        """Run the search; the overrides are its space and what all trials share. Returns the best that was found."""
        from hydra_plugins.rungway_sweeper._sweep import sweep

        return sweep(self, arguments)
