"""The scenarios: what goes wrong, how often, and what may be lost by it."""

from dataclasses import dataclass

from tests.chaos import faults
from tests.chaos.faults import LEASE_SECONDS, Fault


@dataclass(frozen=True)
class Scenario:
    """One kind of trouble. A scenario that is not `loses` promises that nothing acknowledged is ever lost."""

    name: str
    what: str
    faults: tuple[Fault, ...]
    pause: tuple[float, float]
    """Seconds between two faults, shortest and longest."""
    share: float
    """Its part of the time of a run of all scenarios."""
    loses: bool = False
    keeps_leases: bool = False
    """Whether no lease may expire: no worker fails, and none is cut off from a service that others reach."""
    topology: str = "standalone"
    once: bool = False
    """Whether one fault is all."""
    fsync: str = "everysec"
    replicas: int = 2
    workers: int = 6
    mishaps: float = 0.05
    lease_seconds: float = LEASE_SECONDS


_ANYTHING = (
    faults.kill_replica,
    faults.kill_worker,
    faults.pause_worker,
    faults.kill_redis,
    faults.spoil_redis_network,
    faults.spoil_worker_network,
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "replica-kill", "replicas killed", (faults.kill_replica,), (0.3, 2.0), 1, replicas=3, keeps_leases=True
        ),
        Scenario(
            "replica-roll", "replicas rolled", (faults.roll_replicas,), (0.5, 2.0), 1, replicas=3, keeps_leases=True
        ),
        Scenario(
            "outage",
            "no service for nearly all the time",
            (faults.take_service_away,),
            (2.0, 2.0),
            6,
            lease_seconds=60.0,
            once=True,
            keeps_leases=True,
        ),
        Scenario("worker-kill", "workers killed", (faults.kill_worker,), (0.5, 2.0), 1),
        Scenario("worker-stop", "workers stopped past their lease", (faults.pause_worker,), (0.2, 1.0), 1),
        Scenario(
            "redis-kill",
            "Redis killed, fsync always",
            (faults.kill_redis,),
            (1.0, 4.0),
            1,
            fsync="always",
            keeps_leases=True,
        ),
        Scenario(
            "redis-kill-everysec", "Redis killed, fsync everysec", (faults.kill_redis,), (1.0, 4.0), 1, loses=True
        ),
        Scenario("redis-power", "power cut, fsync everysec", (faults.cut_power_of_redis,), (1.0, 2.5), 1, loses=True),
        *(
            Scenario(
                f"{topology}-failover",
                f"primary killed, or replaced in good order, {where}",
                (faults.kill_primary, faults.kill_primary, faults.fail_over),
                (2.0, 5.0),
                1.5,
                loses=True,
                topology=topology,
            )
            for topology, where in (("sentinel", "under Sentinel"), ("cluster", "in a Cluster"))
        ),
        Scenario("redis-network", "service to Redis", (faults.spoil_redis_network,), (0.3, 1.5), 1),
        Scenario("mixed", "all of the above that lose nothing", _ANYTHING, (0.2, 1.0), 1, fsync="always"),
        Scenario("worker-network", "workers to service", (faults.spoil_worker_network,), (0.3, 1.5), 1),
    )
}
