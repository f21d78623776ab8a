"""More calls at once than a server is set to take: refused before anything is done, and cured by the SDK."""

import threading
import time
from collections import Counter

import grpc
from redis import Redis

from rungway import Client
from rungway.v1 import search_service_pb2 as pb
from tests.support.audited import check_all_sound
from tests.support.calls import SECONDS, Calls, config, new_id, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

LIMIT = 4
CALLS = 60


def test_what_is_too_much_is_refused_and_the_rest_is_answered() -> None:
    experiment = unique_name("overload")
    with (
        redis_on_socket() as url,
        Redis.from_url(url) as redis,
        services(url, 1, "--max-concurrent-rpcs", str(LIMIT)) as (service,),
        grpc.insecure_channel(service.address) as channel,
    ):
        calls = Calls(channel)
        calls.create(experiment, config(max_trials=1000, max_concurrent_trials=0))
        calls.ask(experiment)
        redis.execute_command("CLIENT", "PAUSE", 1500, "ALL")  # nothing is answered meanwhile
        began = time.monotonic()
        asked = [
            calls.search.Ask.future(pb.AskRequest(experiment=experiment, request_id=new_id()), timeout=SECONDS)
            for _ in range(CALLS)
        ]
        ends = Counter(call.code() for call in asked)
        assert ends.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert ends[grpc.StatusCode.OK] >= LIMIT
        assert ends[grpc.StatusCode.RESOURCE_EXHAUSTED] >= CALLS / 2
        assert time.monotonic() - began < SECONDS
        answered = {call.result().assignments[0].lease.trial for call in asked if call.code() is grpc.StatusCode.OK}
        assert redis.zcard(f"rungway:{{default/{experiment}}}:leases") == 1 + ends[grpc.StatusCode.OK]
        assert answered == set(range(1, 1 + ends[grpc.StatusCode.OK]))  # the others took no trial's number

        with Client(service.address, experiment=experiment) as client:
            redis.execute_command("CLIENT", "PAUSE", 700, "ALL")
            replies = []
            threads = [threading.Thread(target=lambda: replies.append(client.ask_once())) for _ in range(5 * LIMIT)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert len({reply.assignments[0].trial for reply in replies}) == 5 * LIMIT
        check_all_sound(url)
