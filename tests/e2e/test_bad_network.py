"""Searches over HTTP through a network that cuts, swallows and slows down: nothing is lost, nothing counts twice."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rungway import AsyncClient, Client, ClientConfig, ExperimentState
from tests.support.calls import config
from tests.support.network import Link
from tests.support.proxy import running
from tests.support.redis_server import port_of
from tests.support.service import services

TRIALS, LENGTH = 60, 4


@contextmanager
def trouble(link: Link) -> Iterator[None]:
    """Something goes wrong again and again until the block ends."""
    over, rng = threading.Event(), random.Random(7)

    def go_wrong() -> None:
        while not over.wait(rng.uniform(0.0, 0.2)):
            kind = rng.choice(["reset", "half close", "down", "silent", "slow", "small pieces"])
            if kind == "reset":
                link.reset()
            elif kind == "half close":
                link.half_close()
            elif kind == "down":
                link.go_down()
            link.silent = kind == "silent"
            link.delay = 0.02 if kind == "slow" else 0.0
            link.slice = 7 if kind == "small pieces" else 0
            over.wait(0.1)
            link.heal()

    thread = threading.Thread(target=go_wrong)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def by_threads(settings: ClientConfig) -> list[str]:
    """Work with two threads; the ids of the events that a third saw."""
    with Client(config=settings) as client, ThreadPoolExecutor(3) as pool:
        seen = pool.submit(lambda: [event.event_id for event in client.watch_events()])
        list(pool.map(work, [client] * 2))
        return seen.result()


def work(client: Client) -> None:
    for trial in client.trials():
        with trial:
            for length in trial.lengths():
                trial.report(length, length / 10)


async def by_tasks(settings: ClientConfig) -> list[str]:
    """The same with tasks."""

    async def work() -> None:
        async for trial in client.trials():
            async with trial:
                for length in range(1, LENGTH + 1):
                    await trial.report(length, length / 10)

    async def watch() -> list[str]:
        return [event.event_id async for event in client.watch_events()]

    async with AsyncClient(config=settings) as client:
        return (await asyncio.gather(watch(), work(), work()))[0]


def test_a_search_through_a_bad_network(redis_url: str) -> None:
    with (
        services(redis_url) as (service,),
        Client(service.target("http"), experiment="rough") as direct,
        running(Link(port_of(service.http))) as link,
        ThreadPoolExecutor(1) as pool,
    ):
        direct.create_experiment("rough", config(max_trials=TRIALS, max_length={"epochs": LENGTH}))
        settings = ClientConfig(
            target=f"http://127.0.0.1:{link.port}",
            experiment="rough",
            attempt_timeout=2.0,
            backoff_max=0.3,
            report_interval=0.1,
        )
        with trouble(link):
            tasks = pool.submit(asyncio.run, by_tasks(settings))
            seen = [by_threads(settings), tasks.result()]
        found = direct.get_experiment()
        assert (found.state, found.trials.completed) == (ExperimentState.DONE, TRIALS)
        for number in range(TRIALS):
            trial = direct.get_trial(number)
            assert ([each.length for each in trial.curve or ()], trial.restarts) == ([1, 2, 3, 4], 0)
        assert seen == [[event.event_id for event in direct.watch_events()]] * 2
