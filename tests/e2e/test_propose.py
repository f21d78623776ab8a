"""`rungway propose` with a proposer of the user's own. `make proposers` does the same with other libraries."""

from pathlib import Path

import pytest

from rungway import Client, FailedPrecondition, InvalidArgument
from tests.support.command_line import run as command
from tests.support.proposing import OWN, SEARCH, check_all_there, killed_restarted_and_doubled

GOOD = {"by": "proposer", "inner": {"x": 0.1, "depth": 8}}


def test_killed_restarted_and_doubled_while_workers_go_on(target: str, tmp_path: Path) -> None:
    name = "doubled"
    with Client(target, experiment=name) as client:
        client.create_experiment(name, SEARCH)
        killed_restarted_and_doubled(client, target, tmp_path, *OWN)
        assert check_all_there(client) == sum(trial.hparams["by"] == "proposer" for trial in client.list_trials())


def test_proposals_count_by_their_numbers(target: str) -> None:
    with Client(target, experiment="numbered") as client:
        client.create_experiment("numbered", SEARCH)
        other = {"by": "sampler", "inner": {"x": 0.2, "depth": 8}}
        assert client.add_proposals([GOOD], 0, revision=1)[:2] == (1, 1)
        assert client.add_proposals([other, other], 0)[:2] == (2, 2)  # the first number is taken
        assert client.add_proposals([other], 5)[:2] == (2, 2)  # those before it are missing
        given = [client.ask() for _ in range(3)]
        assert [each.hparams["inner"]["x"] for each in given if each][:2] == [0.1, 0.2]
        assert given[2]
        assert given[2].hparams["by"] == "sampler"
        assert client.add_proposals([], 0)[:2] == (0, 2)
        client.stop_experiment()
        with pytest.raises(FailedPrecondition, match="starts no more trials"):
            client.add_proposals([GOOD], 2)


def test_what_is_refused(target: str) -> None:
    with Client(target, experiment="refusing") as client:
        client.create_experiment("refusing", SEARCH)
        for bad, field in (
            ([GOOD, {**GOOD, "by": "nobody"}], "proposals[1].by"),
            ([{"by": "proposer"}], "proposals[0].inner.depth"),
            ([{**GOOD, "inner": {"x": 0.9, "depth": 8}}], "proposals[0]"),
            ([GOOD] * 257, "proposals"),
        ):
            with pytest.raises(InvalidArgument) as refused:
                client.add_proposals(bad, 0)
            assert refused.value.violations[0][0] == field
        with pytest.raises(InvalidArgument, match="at least 0"):
            client.add_proposals([GOOD], 0, revision=-1)
        client.create_experiment("plain", {**SEARCH, "searcher": {**SEARCH["searcher"], "proposals": "random"}})  # type: ignore[dict-item]  # a mapping
        with pytest.raises(InvalidArgument, match="proposals: external"):
            client.add_proposals([], 0, experiment="plain")


def test_wrong_names_of_libraries(target: str) -> None:
    for library, said in (
        ("nobody", "wanted one of"),
        ("tests.support:none", "none"),
        ("hyperopt", "hyperopt is not installed"),
    ):
        code, _, error = command(target, "propose", "numbered", "--with", library)
        assert (code, said in error) == (1, True), error
