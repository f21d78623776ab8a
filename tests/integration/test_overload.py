"""More calls than a server accepts: refused with a hint, fair to other experiments, and over when the load is."""

import asyncio
import uuid
from itertools import islice

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from rungway import AsyncClient
from rungway.v1 import search_service_pb2 as pb
from rungway.v1.search_service_pb2_grpc import SearchServiceStub
from tests.support.redis_topologies import start
from tests.support.service import services
from tests.support.waiting import SECONDS

_CONFIG = {
    "hyperparameters": {"rate": {"type": "double", "minval": 0, "maxval": 1}},
    "searcher": {"name": "random", "metric": "m", "max_trials": 500, "max_length": 1, "max_concurrent_trials": 0},
}


async def test_a_flooded_server_refuses_and_stays_fair() -> None:
    with (
        start("standalone") as redis,
        services(redis.url, 1, "--max-concurrent-rpcs", "16", "--redis-timeout", "30") as (service,),
    ):
        async with AsyncClient(service.address) as client, grpc.aio.insecure_channel(service.address) as channel:
            for name in ("busy", "quiet"):
                await client.create_experiment(name, _CONFIG)
            stub = SearchServiceStub(channel)

            def ask(experiment: str) -> asyncio.Future[pb.AskResponse]:
                return asyncio.ensure_future(
                    stub.Ask(pb.AskRequest(experiment=experiment, request_id=uuid.uuid4().hex), timeout=SECONDS)
                )

            await asyncio.gather(ask("busy"), ask("quiet"))
            redis.nodes[0].stop()  # calls pile up
            try:
                flood = [ask("busy") for _ in range(40)]
                first = asyncio.as_completed(flood, timeout=SECONDS)
                for answer in islice(first, 34):
                    with pytest.raises(grpc.aio.AioRpcError):
                        await answer
                polite = ask("quiet")
                await asyncio.sleep(0.5)
            finally:
                redis.nodes[0].resume()
            answers = await asyncio.gather(*flood, return_exceptions=True)
            refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
            given = [each.assignments[0].lease.trial for each in answers if isinstance(each, pb.AskResponse)]
            assert len(given) == len(set(given)) == 6  # half of the 12 places that are not for streams
            assert len(refused) == 34
            for each in refused:
                check_refusal(each)
            assert (await polite).assignments
            assert (await ask("busy")).assignments


def check_refusal(error: grpc.aio.AioRpcError) -> None:
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(error)
    assert status is not None, "refused by gRPC itself, without a reason"
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "OVERLOADED"
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 1


async def test_more_calls_than_a_connection_takes_wait_at_the_client() -> None:
    with start("standalone") as redis, services(redis.url, 1) as (service,):
        async with AsyncClient(service.address, experiment="many") as client:
            await client.create_experiment("many", _CONFIG)
            assignments = await asyncio.gather(*(client.ask() for _ in range(300)))
    assert sorted(each.trial for each in assignments if each) == list(range(300))
