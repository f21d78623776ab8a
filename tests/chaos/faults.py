"""What is done to a stage and its workers. Each fault returns when it is over and everything works again."""

import random
import time
from collections.abc import Callable

from tests.chaos.fleet import Fleet
from tests.chaos.stage import Stage
from tests.support.network import Link
from tests.support.redis_topology import quietly, wait_for

Fault = Callable[[Stage, Fleet, random.Random], str]
"""Injects the fault with the given dice, and returns a description."""


def kill_replica(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL a replica and start it again."""
    index = dice.randrange(len(stage.replicas))
    stage.replicas[index].kill()
    time.sleep(dice.uniform(0.0, 0.5))
    stage.replicas[index].start()
    return f"replica {index} killed"


def roll_replicas(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGTERM to each replica in turn, as a rolling update does: the next one when the one before is back."""
    for replica in stage.replicas:
        replica.terminate()
        replica.start()
    return "replicas rolled"


def kill_worker(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL a worker."""
    index = dice.randrange(len(fleet.workers))
    fleet.kill(index)
    return f"worker {index} killed"


def pause_worker(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGSTOP a worker for about as long as its lease lasts, or longer."""
    index = dice.randrange(len(fleet.workers))
    seconds = dice.uniform(0.5, 2.5) * LEASE_SECONDS
    fleet.pause(index)
    time.sleep(seconds)
    fleet.resume(index)
    return f"worker {index} stopped for {seconds:.1f} s"


def kill_redis(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL Redis and start it again."""
    stage.redis.kill()
    time.sleep(dice.uniform(0.0, 1.0))
    stage.redis.start()
    return "Redis killed"


def cut_power_of_redis(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL Redis, take what it had not synced from its file, and start it again."""
    stage.redis.cut_power()
    time.sleep(dice.uniform(0.0, 1.0))
    stage.redis.start()
    return "power of Redis cut"


def kill_primary(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL the primary, have a replica take over, and start the dead one again: it follows."""
    dead = stage.topology.kill_primary(stage.key)
    stage.topology.wait_for_new_primary(dead, stage.key)
    time.sleep(dice.uniform(0.5, 1.5))
    dead.start()
    wait_for(lambda: quietly(stage.topology.in_agreement))
    return "primary killed"


def fail_over(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """An orderly failover to a replica."""
    stage.topology.failover(stage.key)
    wait_for(lambda: quietly(stage.topology.in_agreement))
    return "failed over in good order"


def spoil_redis_network(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """A bad network between the service and Redis."""
    return f"service to Redis {spoil(stage.redis_link, dice)}"


def spoil_worker_network(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """A bad network between the workers and one or all replicas."""
    links = stage.links if dice.random() < 0.5 else [dice.choice(stage.links)]
    state = dice.getstate()
    for link in links[:-1]:  # the same fault for each at the same moment; the last one waits until it is over
        dice.setstate(state)
        spoil(link, dice, wait=False)
    dice.setstate(state)
    what = spoil(links[-1], dice)
    for link in links:
        link.heal()
    return f"workers to {len(links)} replicas {what}"


def spoil(link: Link, dice: random.Random, *, wait: bool = True) -> str:
    """Make a link bad in one of several ways, for a while."""
    way, seconds = dice.choice(("down", "silent", "slow", "sliced", "reset", "half closed")), dice.uniform(0.2, 3.0)
    match way:
        case "down":
            link.go_down()
        case "silent":
            link.silent = True
        case "slow":
            link.delay = dice.uniform(0.01, 0.3)
        case "sliced":
            link.slice = dice.randint(1, 7)
        case "reset":
            link.reset()
        case "half closed":
            link.half_close()
    if wait:
        time.sleep(seconds)
        link.heal()
    return f"{way} for {seconds:.1f} s"


def take_service_away(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL every replica, and start them again when nearly all the time of the run is over."""
    seconds = stage.seconds * 0.9
    for replica in stage.replicas:
        replica.kill()
    time.sleep(seconds)
    for replica in stage.replicas:
        replica.begin()
    for replica in stage.replicas:
        replica.wait()
    return f"no service for {seconds:.0f} s"


LEASE_SECONDS = 2.0
"""How long a lease lasts in the searches of a run."""
