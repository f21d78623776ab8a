"""Checkpoints from a worker to those who use or delete them, over both transports and with both clients."""

import asyncio
import json

import pytest

from rungway import AsyncClient, Client, InvalidArgument, StaleCheckpoint
from tests.support.calls import config, unique_name
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, services

LOSSES = [0.5, 0.2, 0.4, 0.3]
ODD = ["kept\n/etc/passwd", "-rf", "kept"]


async def stale_by_async_client(target: str, name: str) -> list[StaleCheckpoint]:
    async with AsyncClient(target, experiment=name) as client:
        return await client.stale_checkpoints(older_than=0)


def test_the_best_is_kept_and_the_others_may_be_deleted() -> None:
    with redis_on_socket() as url, services(url) as (service,):
        for transport in TRANSPORTS:
            name, target = unique_name("checkpoints"), service.target(transport)
            with Client(target, experiment=name) as client:
                client.create_experiment(name, config("random", max_trials=1, max_length={"epochs": 4}))
                for work in client.trials():
                    with work:
                        for epoch in work.lengths():
                            work.report(epoch, LOSSES[epoch - 1], checkpoint=f"epoch {epoch}")
                trial = client.get_trial(0)
                assert (trial.best_checkpoint, trial.best_length, trial.checkpoint) == ("epoch 2", 2, "epoch 4")
                best = client.best()
                assert best
                assert best.best_checkpoint == "epoch 2"
                stale = client.stale_checkpoints(older_than=0.0, final=True)
                assert [(each.checkpoint, each.trial) for each in stale] == [("epoch 1", 0), ("epoch 3", 0)]
                assert all(trial.create_time <= each.since for each in stale)
                assert client.stale_checkpoints() == []
            assert asyncio.run(stale_by_async_client(target, name)) == stale
            assert run(target, "checkpoints", name, "--stale", "--older-than", "0")[1] == "epoch 1\nepoch 3\n"
            assert run(target, "checkpoints", name, "--stale")[1] == ""
            shown = json.loads(
                run(target, "checkpoints", name, "--stale", "--older-than", "0", "--final", "-o", "json")[1]
            )
            assert [each["checkpoint"] for each in shown["checkpoints"]] == ["epoch 1", "epoch 3"]
            row = {"trial": 0, "state": "completed", "checkpoint": "epoch 4", "checkpoint_length": 4}
            row |= {"best_checkpoint": "epoch 2", "best_length": 2}
            listed = run(target, "checkpoints", name, "-o", "json")[1]
            assert json.loads(listed) == {"experiment": name, "checkpoints": [row]}
            assert "epoch 2" in run(target, "checkpoints", name)[1]
            shown = json.loads(run(target, "best", name, "-o", "json")[1])["trials"][0]
            assert (shown["checkpoint"], shown["best_checkpoint"]) == ("epoch 4", "epoch 2")
            assert "best checkpoint at 2: epoch 2" in run(target, "trial", name, "0")[1]


def test_a_line_of_those_to_delete_is_one_whole_name() -> None:
    with redis_on_socket() as url, services(url) as (service,), Client(service.address, experiment="odd") as client:
        client.create_experiment("odd", config("random", max_trials=1, max_length={"epochs": 3}))
        for work in client.trials():
            with work:
                for epoch in work.lengths():
                    work.report(epoch, 1 / epoch, checkpoint=ODD[epoch - 1])
        code, out, err = run(service.address, "checkpoints", "odd", "--stale", "--older-than", "0", wide=True)
        assert (code, out, err[:10]) == (0, "-rf\n", "1 left out")
        code, out, _ = run(service.address, "checkpoints", "odd", "--stale", "--older-than", "0", "-o", "json")
        assert [each["checkpoint"] for each in json.loads(out)["checkpoints"]] == ["-rf", ODD[0]]
        for flags in (["--final"], ["--older-than", "5"]):
            code, _, err = run(service.address, "checkpoints", "odd", *flags, wide=True)
            assert (code, "need --stale" in err) == (2, True)
        for much in (1e10, 1e30):
            with pytest.raises(InvalidArgument, match="older_than: got"):
                client.stale_checkpoints(older_than=much)
