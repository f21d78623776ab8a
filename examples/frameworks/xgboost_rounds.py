"""XGBoost: a length is a round of boosting, and every round is reported.

rungway create examples/frameworks/rounds.yaml --name xgboost
RUNGWAY_EXPERIMENT=xgboost RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/xgboost_rounds.py
"""

import xgboost
from record import record
from sklearn.datasets import load_diabetes

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.xgboost import RungwayCallback, rounds

x, y = load_diabetes(return_X_y=True)
train, validation = xgboost.DMatrix(x[:300], y[:300]), xgboost.DMatrix(x[300:], y[300:])

try:
    for trial in trials(Client()):
        with trial:

            def rate_at(step):
                return trial.hparams["learning_rate"] * (1 - step / (trial.max_length + 1))

            def rate(number):  # asked after a round, for the next one
                step = trial.from_length + number  # XGBoost begins at 0 again when it is resumed
                record(trial.number, step, rate_at(step))
                return rate_at(step + 1)

            xgboost.train(
                {"max_depth": 3, "nthread": 1, "learning_rate": rate_at(trial.from_length)},
                train,
                evals=[(validation, "validation")],
                verbose_eval=False,
                callbacks=[
                    xgboost.callback.LearningRateScheduler(rate),
                    RungwayCallback(trial, "validation", "rmse"),
                ],
                **rounds(trial),
            )
except Preempted as why:
    print(why)
