"""Enqueued configurations survive a restart of the server."""

from rungway.v1 import experiment_service_pb2 as pb
from rungway.values import from_map, to_map
from tests.support.calls import SECONDS, calls_to, config, unique_name
from tests.support.service import services


def test_what_was_enqueued_is_there_after_a_restart(redis_url: str) -> None:
    experiment, expected = unique_name("restart"), [{"rate": 0.01, "layers": n} for n in (1, 2, 3)]
    with services(redis_url) as (first,), calls_to(first.address) as calls:
        calls.create(experiment, config(max_trials=4))
        for hparams in expected:
            request = pb.EnqueueTrialRequest(experiment=experiment, hparams=to_map(hparams))
            calls.experiments.EnqueueTrial(request, timeout=SECONDS)
        first.kill()
    with services(redis_url) as (second,), calls_to(second.address) as calls:
        given = calls.ask(experiment, 4).assignments
    assert [from_map(assignment.hparams) for assignment in given[:3]] == expected
    assert len(given) == 4
