"""An objective of Optuna: it moves by its import. `import optuna` runs the same with Optuna itself.

pip install 'rungway[local]', or RUNGWAY_TARGET=host:7077 for a service that is there
python examples/engines/optuna_study.py
"""

from rungway.compat import optuna


def objective(trial):
    rate = trial.suggest_float("rate", 1e-3, 1.9, log=True)
    momentum = trial.suggest_float("momentum", 0.0, 0.9, step=0.1)
    start = trial.suggest_int("start", 1, 8)
    kind = trial.suggest_categorical("kind", ["plain", "nesterov"])
    place, speed = float(start), 0.0
    for step in range(27):  # gradient descent on place ** 2
        ahead = place + momentum * speed if kind == "nesterov" else place
        speed = momentum * speed - rate * 2 * ahead
        place += speed
        loss = min(place**2, 1e9)
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    trial.set_user_attr("distance", abs(place))
    return loss


if __name__ == "__main__":
    study = optuna.create_study(direction="minimize")
    study.optimize(objective, n_trials=30, n_jobs=2)
    states = [trial.state for trial in study.trials]
    print("complete:", states.count(optuna.trial.TrialState.COMPLETE))
    print("pruned:", states.count(optuna.trial.TrialState.PRUNED))
    best = study.best_trial
    print("best:", best.number, best.value, best.params, best.user_attrs)
    assert (best.value, best.params) == (study.best_value, study.best_params)
    assert best.intermediate_values[26] == best.value
