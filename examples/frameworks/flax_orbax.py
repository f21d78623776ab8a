"""JAX with Flax, Optax and Orbax. Orbax writes in the background: its checkpointer is waited for before the report.

rungway create examples/frameworks/search.yaml --name flax
RUNGWAY_EXPERIMENT=flax RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/flax_orbax.py
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
from record import record

from rungway import Client, Preempted
from rungway.integrations import trials

STEPS = 12  # in an epoch
x = jax.random.normal(jax.random.key(0), (256, 8))
y = jnp.tanh(x[:, :1] * x[:, 1:2])
network = nn.Sequential([nn.Dense(16), nn.tanh, nn.Dense(1)])


def loss_of(weights, x, y):
    return jnp.mean((network.apply(weights, x) - y) ** 2)


try:
    for trial in trials(Client()):
        with trial:
            # The schedule spans the search, not what the trial may train to for now.
            schedule = optax.cosine_decay_schedule(trial.hparams["learning_rate"], trial.max_length * STEPS)
            optimizer = optax.adam(schedule)
            weights = network.init(jax.random.key(trial.number), x)
            state = {"weights": weights, "optimizer": optimizer.init(weights), "step": 0}

            @jax.jit
            def train(state, x, y):
                slopes = jax.grad(loss_of)(state["weights"], x, y)
                moves, moments = optimizer.update(slopes, state["optimizer"], state["weights"])
                weights = optax.apply_updates(state["weights"], moves)
                return {"weights": weights, "optimizer": moments, "step": state["step"] + 1}

            checkpointer = ocp.StandardCheckpointer()
            if folder := trial.restore():
                state = checkpointer.restore(folder / "state", state)

            def save(folder):
                checkpointer.save(folder / "state", state)
                checkpointer.wait_until_finished()

            for epoch in trial.lengths():
                while (step := int(state["step"])) < epoch * STEPS:
                    some = jax.random.randint(jax.random.key(step), (32,), 0, 256)
                    record(trial.number, step, float(schedule(step)))
                    state = train(state, x[some], y[some])
                    if trial.must_leave():
                        trial.leave(save)
                if not trial.report(epoch, float(loss_of(state["weights"], x, y)), save):
                    break
except Preempted as why:
    print(why)
