"""Keras 3, on the backend that KERAS_BACKEND names.

rungway create examples/frameworks/search.yaml --name keras
RUNGWAY_EXPERIMENT=keras RUNGWAY_CHECKPOINTS=checkpoints KERAS_BACKEND=torch python examples/frameworks/keras_fit.py
"""

import keras
import numpy as np
from record import record

from rungway import Client, Preempted
from rungway.integrations import trials
from rungway.integrations.keras import RungwayCallback, resumed_model

STEPS = 12  # in an epoch
x = np.random.default_rng(0).normal(size=(96, 8)).astype("float32")
y = np.tanh(x[:, :1] * x[:, 1:2])


class Steps(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        record(trial.number, step, round(float(self.model.optimizer.learning_rate), 9))


def new_model(trial):
    keras.utils.set_random_seed(trial.number)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(1)])
    # The schedule spans the search, not what the trial may train to for now.
    rate = keras.optimizers.schedules.CosineDecay(trial.hparams["learning_rate"], trial.max_length * STEPS)
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


try:
    for trial in trials(Client()):
        with trial:
            model = resumed_model(trial) or new_model(trial)
            model.fit(
                x,
                y,
                batch_size=8,
                shuffle=False,
                validation_data=(x, y),
                initial_epoch=trial.from_length,
                epochs=trial.max_length,
                callbacks=[Steps(), RungwayCallback(trial, "val_loss")],
                verbose=0,
            )
except Preempted as why:
    print(why)
