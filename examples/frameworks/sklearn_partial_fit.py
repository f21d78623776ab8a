"""scikit-learn: a loop over `partial_fit`, saved with joblib. The schedule is set from outside.

rungway create examples/frameworks/search.yaml --name sklearn
RUNGWAY_EXPERIMENT=sklearn RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/sklearn_partial_fit.py
"""

import joblib
import numpy as np
from record import record
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from rungway import Client, Preempted
from rungway.integrations import trials

x, y = load_digits(return_X_y=True)
x = x / 16
PIECES = 12  # of an epoch

try:
    for trial in trials(Client()):
        with trial:
            model = SGDClassifier(loss="log_loss", learning_rate="constant", random_state=trial.number)
            if folder := trial.restore():
                model = joblib.load(folder / "model.joblib")

            def save(folder):
                joblib.dump(model, folder / "model.joblib")

            for epoch in trial.lengths():
                for piece in range(PIECES):
                    step = (epoch - 1) * PIECES + piece
                    model.eta0 = trial.hparams["learning_rate"] * (1 - step / PIECES / trial.max_length)
                    record(trial.number, step, model.eta0)
                    model.partial_fit(x[:1200][piece::PIECES], y[:1200][piece::PIECES], classes=np.arange(10))
                if not trial.report(epoch, log_loss(y[1200:], model.predict_proba(x[1200:])), save):
                    break
except Preempted as why:
    print(why)
