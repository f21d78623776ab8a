"""Other libraries propose in a real search: killed, restarted and doubled, and better than chance."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import pytest

from rungway import Client, InvalidArgument, Results, RungResult, TrialState
from rungway_server.domain.sampling.sampling import suggest_many
from rungway_server.domain.space.membership import check_configuration
from rungway_server.proposers.library import open_library
from rungway_server.proposers.seen import Seen
from tests.support.observed import space_of
from tests.support.proposing import SEARCH, TRIALS, check_all_there, killed_restarted_and_doubled, loss

LIBRARIES = ["optuna", "optuna:RandomSampler", "optuna:QMCSampler", "hyperopt"]
LEARNING = [each for each in LIBRARIES if "Sampler" not in each]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("library", LEARNING)
def test_killed_restarted_and_doubled_while_workers_go_on(target: str, tmp_path: Path, library: str) -> None:
    with Client(target, experiment=f"doubled-{library}") as client:
        client.create_experiment(f"doubled-{library}", SEARCH)
        killed_restarted_and_doubled(client, target, tmp_path, "--with", library)
        assert check_all_there(client) >= TRIALS // 4


def seen(client: Client, library: str, trials: int) -> Seen:
    """A search of random trials, some of which died, as a proposer sees it."""
    name = f"seen-{library.replace(':', '-').lower()}"
    client.create_experiment(name, SEARCH)
    found = Seen(client.get_experiment(name))
    drawn = suggest_many(space_of(dict(hyperparameters()), "inner.x <= 0.5"), 3, range(trials))
    flat = [
        {**{k: v for k, v in h.items() if k != "inner"}, **{f"inner.{k}": v for k, v in inner(h).items()}}
        for h in drawn
    ]
    results = [RungResult(i, 0, 0, math.nan if i % 9 == 0 else loss(h)) for i, h in enumerate(drawn)]
    results += [RungResult(i, 0, 2, loss(h)) for i, h in enumerate(drawn) if i % 9 and i % 4 == 0]
    states = [TrialState.PAUSED] * trials
    found.add(Results("", True, False, range(trials), states, flat, results))
    found.add(Results("", False, False, [trials], [TrialState.RUNNING], flat[:1], []))
    return found


def hyperparameters() -> Mapping[str, object]:
    section = SEARCH["hyperparameters"]
    assert isinstance(section, Mapping)
    return section


def inner(hparams: Mapping[str, object]) -> Mapping[str, object]:
    group = hparams["inner"]
    assert isinstance(group, Mapping)
    return group


@pytest.mark.parametrize("library", LIBRARIES)
def test_proposals_are_of_the_space_and_better_than_chance(target: str, library: str) -> None:
    space = space_of(dict(hyperparameters()), "inner.x <= 0.5")
    with Client(target) as client:
        known = seen(client, library, 60)
        found = open_library(library).propose(known, 12)
        assert len(found) == 12
        assert [hparams for hparams in found if check_configuration(space, hparams)] == []
        assert len({repr(hparams) for hparams in found}) == 12
        if library in LEARNING:
            chance = fmean(map(loss, suggest_many(space, 5, range(300))))
            assert fmean(map(loss, found)) < 0.8 * chance


@pytest.mark.parametrize("library", LIBRARIES)
def test_they_begin_without_results(target: str, library: str) -> None:
    random.seed(1)
    with Client(target) as client:
        name = f"empty-{library.replace(':', '-').lower()}"
        client.create_experiment(name, SEARCH)
        assert len(open_library(library).propose(Seen(client.get_experiment(name)), 3)) == 3


@pytest.mark.parametrize("name", ["optuna:Nothing", "optuna:GridSampler", "hyperopt:x"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="with"):
        open_library(name)
