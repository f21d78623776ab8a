"""A hundred trials in one process, and a service that is 50 ms away: their leases are renewed in time all the same."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from itertools import pairwise

import pytest
from google.protobuf.message import Message

from rungway import AsyncClient, Client, ClientConfig, Trial
from rungway._async.driver import AsyncDriver
from rungway._core.flow import Attempt
from rungway._sync.driver import SyncDriver
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services
from tests.support.waiting import happens, wait_until

TRIALS = 100
LEASE = 3.0
TELL = 0.05
CONFIG = {
    "hyperparameters": {"x": {"type": "double", "minval": 0, "maxval": 1}},
    "searcher": {
        "name": "random", "metric": "loss", "max_trials": TRIALS, "max_length": 10_000, "max_concurrent_trials": 0
    },
    "lease_seconds": LEASE,
}  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class FarDriver(SyncDriver):
    """Each tell takes its time; when leases were renewed is written down."""

    renewals: list[float]

    def _attempt(self, effect: Attempt) -> Message:
        if effect.rpc.name == "Tell":
            time.sleep(TELL)
        reply = super()._attempt(effect)
        if effect.rpc.name == "Heartbeat":
            self.renewals.append(time.monotonic())
        return reply


class FarAsyncDriver(AsyncDriver):
    """The same for asyncio."""

    renewals: list[float]

    async def _attempt(self, effect: Attempt) -> Message:
        if effect.rpc.name == "Tell":
            await asyncio.sleep(TELL)
        reply = await super()._attempt(effect)
        if effect.rpc.name == "Heartbeat":
            self.renewals.append(time.monotonic())
        return reply


def check(trials: list[Trial], renewals: list[float], told: int) -> None:
    gaps = [after - before for before, after in pairwise(renewals)]
    assert max(gaps) < LEASE, gaps
    for trial in trials:
        assert (trial.restarts, trial.length) == (0, told)
        assert [report.length for report in trial.curve or ()] == list(range(1, told + 1))


def settings(service: Service, transport: str, name: str) -> ClientConfig:
    experiment = f"{name}-{transport}"
    return ClientConfig(target=service.target(transport), experiment=experiment, report_interval=0.5)


def test_renewals_keep_to_their_time(service: Service, transport: str) -> None:
    with Client(config=settings(service, transport, "threads")) as client, ExitStack() as stack:
        client.create_experiment(client.config.experiment, CONFIG)
        client._driver.close()
        driver = client._driver = FarDriver(client.config)
        stack.callback(driver.close)
        client._keeper = type(client._keeper)(driver, client._work)
        driver.renewals = []
        runs = [stack.enter_context(client.trial()) for _ in range(TRIALS)]
        told = 0
        while len(driver.renewals) < 4:
            told += 1
            for run in runs:
                run.report(told, 0.5)
            wait_until(lambda: not any(run._outbox.is_overdue(0) for run in runs))
        stack.pop_all().close()
        with Client(config=settings(service, transport, "threads")) as reader:
            check([reader.get_trial(number) for number in range(TRIALS)], driver.renewals, told)


async def test_renewals_of_tasks_keep_to_their_time(service: Service, transport: str) -> None:
    async with AsyncClient(config=settings(service, transport, "tasks")) as client:
        await client.create_experiment(client.config.experiment, CONFIG)
        await client._driver.close()
        driver = client._driver = FarAsyncDriver(client.config)
        client._keeper = type(client._keeper)(driver, client._work)
        driver.renewals = []
        async with AsyncExitStack() as stack:
            runs = [await stack.enter_async_context(client.trial()) for _ in range(TRIALS)]
            told = 0
            while len(driver.renewals) < 4:
                told += 1
                for run in runs:
                    await run.report(told, 0.5)
                await happens(lambda: not any(run._outbox.is_overdue(0) for run in runs))
        check([await client.get_trial(number) for number in range(TRIALS)], driver.renewals, told)
