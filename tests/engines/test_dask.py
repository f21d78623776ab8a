"""Searches by workers of Dask."""

from distributed import Client as DaskClient
from distributed import LocalCluster

from rungway import Client, ExperimentState
from tests.support.calls import config, unique_name


def loop(number: int, target: str, experiment: str) -> int:
    """What a worker does: every trial that it gets."""
    trained = 0
    with Client(target, experiment=experiment) as client:
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    trial.report(length, trial.number + 1 / length)
                trained += 1
    return trained


def test_the_loop_over_trials_is_a_task_of_dask(target: str) -> None:
    name = unique_name("dask")
    with Client(target, experiment=name) as client:
        client.create_experiment(
            name, config("async_halving", max_trials=9, max_length={"epochs": 9}, divisor=3, num_rungs=3)
        )
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            dask = DaskClient(cluster)
            futures = dask.map(loop, range(2), target=target, experiment=name, pure=False)
            trained = dask.gather(futures)
            dask.close()
        assert client.get_experiment().state is ExperimentState.DONE
        assert sum(trained) >= 9
