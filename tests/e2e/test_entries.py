"""Entries as users see them: with each new trial, in the plan, and on the command line."""

import pytest

from rungway import Client, ClientConfig, Reason
from tests.support.calls import config
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import services


def test_where_a_trial_enters_and_what_the_training_goes_to() -> None:
    document = config("auto", max_trials=30, max_length={"epochs": 9}, budget={"epochs": 100})
    with redis_on_socket() as url, services(url, 1) as (service,):
        with Client(config=ClientConfig(target=service.address, experiment="e")) as client:
            client.create_experiment("e", document)
            work = client.ask()
            assert work
            assert (work.explanation.reason, work.explanation.rung) == (Reason.NEW_TRIAL, 0)
            assert [entry.share for entry in work.explanation.entries] == pytest.approx([0.7, 0.2, 0.1], abs=0.001)
            assert work.explanation.text.endswith("unjudged; shares of the training: 70%, 20%, 10%, drawn by sampler")
            plan = client.get_experiment("e").plan
            assert plan
            assert ([entry.spent for entry in plan.entries], plan.go_on, plan.budget) == ([1, 0, 0], True, 100)
            explained = client.explain_trial(work.trial)[0].explanation
            assert explained
            assert explained.entries == work.explanation.entries
        _, shown, said = run(service.address, "status", "e")
        assert "Enter here" in shown, said
        assert "70%" in shown
