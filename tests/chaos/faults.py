"""What is done to a stage and its workers. Each fault returns when it is over: what was cut is whole again."""

import random
import time
from collections.abc import Callable

from tests.chaos.fleet import Fleet
from tests.chaos.stage import Stage
from tests.support.network import Link
from tests.support.redis_topology import quietly, wait_for

Fault = Callable[[Stage, Fleet, random.Random], str]
"""Does it, by the dice given, and says what it did."""


def kill_replica(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL a replica and start it again."""
    place = dice.randrange(len(stage.replicas))
    stage.replicas[place].kill()
    time.sleep(dice.uniform(0.0, 0.5))
    stage.replicas[place].start()
    return f"replica {place} killed"


def roll_replicas(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGTERM to each replica in turn, as a rolling update does: the next when the one before is back."""
    for replica in stage.replicas:
        replica.terminate()
        replica.start()
    return "replicas rolled"


def kill_worker(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGKILL a worker."""
    place = dice.randrange(len(fleet.workers))
    fleet.kill(place)
    return f"worker {place} killed"


def pause_worker(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """SIGSTOP a worker for so long that its lease expires, or nearly so."""
    place = dice.randrange(len(fleet.workers))
    seconds = dice.uniform(0.5, 2.5) * LEASE_SECONDS
    fleet.pause(place)
    time.sleep(seconds)
    fleet.resume(place)
    return f"worker {place} stopped for {seconds:.1f} s"


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
    wait_for(lambda: quietly(stage.topology.settled))
    return "primary killed"


def fail_over(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """Have a replica take over in good order."""
    stage.topology.failover(stage.key)
    wait_for(lambda: quietly(stage.topology.settled))
    return "failed over in good order"


def spoil_redis_network(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """A bad network between the service and Redis."""
    return f"service to Redis {spoil(stage.redis_link, dice)}"


def spoil_worker_network(stage: Stage, fleet: Fleet, dice: random.Random) -> str:
    """A bad network between the workers and one or all replicas."""
    links = stage.links if dice.random() < 0.5 else [dice.choice(stage.links)]
    state = dice.getstate()
    for link in links[:-1]:  # the same to each, at the same moment but for the last, which waits until it is over
        dice.setstate(state)
        spoil(link, dice, wait=False)
    dice.setstate(state)
    what = spoil(links[-1], dice)
    for link in links:
        link.heal()
    return f"workers to {len(links)} replicas {what}"


def spoil(link: Link, dice: random.Random, *, wait: bool = True) -> str:
    """One of the ways in which a network is bad, for a while."""
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
