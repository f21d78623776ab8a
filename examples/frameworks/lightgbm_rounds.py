"""LightGBM: a length is a round of boosting, and every round is reported.

rungway create examples/frameworks/rounds.yaml --name lightgbm
RUNGWAY_EXPERIMENT=lightgbm RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/lightgbm_rounds.py
"""

import lightgbm
from record import record
from sklearn.datasets import load_diabetes

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.lightgbm import rounds, rungway_callback

x, y = load_diabetes(return_X_y=True)

try:
    for trial in trials(Client()):
        with trial:

            def rate(number):
                step = trial.from_length + number  # LightGBM begins at 0 again when it is resumed
                value = trial.hparams["learning_rate"] * (1 - step / (trial.max_length + 1))
                record(trial.number, step, value)
                return value

            train = lightgbm.Dataset(x[:300], y[:300], free_raw_data=False)
            lightgbm.train(
                {"objective": "l2", "num_leaves": 7, "seed": trial.number, "num_threads": 1, "verbose": -1},
                train,
                valid_sets=[lightgbm.Dataset(x[300:], y[300:], reference=train, free_raw_data=False)],
                valid_names=["validation"],
                callbacks=[
                    lightgbm.reset_parameter(learning_rate=rate),
                    rungway_callback(trial, "validation", "l2"),
                ],
                **rounds(trial),
            )
except Preempted as why:
    print(why)
