"""Spaces written in Python are what a file would hold."""

import pytest

import rungway
from rungway.space import Parameter
from rungway_server.domain.experiment import parse


@pytest.mark.parametrize(
    ("made", "expect"),
    [
        (rungway.uniform(0, 1), {"type": "double", "minval": 0, "maxval": 1}),
        (rungway.uniform(0, 1, count=3), {"type": "double", "minval": 0, "maxval": 1, "count": 3}),
        (rungway.quantized_uniform(0, 1, 0.1), {"type": "double", "minval": 0, "maxval": 1, "step": 0.1}),
        (rungway.log_uniform(1e-5, 0.1, count=2), {"type": "log_uniform", "minval": 1e-5, "maxval": 0.1, "count": 2}),
        (rungway.randint(1, 4), {"type": "int", "minval": 1, "maxval": 4}),
        (rungway.quantized_randint(1, 9, 2), {"type": "int", "minval": 1, "maxval": 9, "step": 2}),
        (
            rungway.log_uniform(0.1, 1, step=0.1),
            {"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1},
        ),
        (rungway.log_randint(1, 64, count=7), {"type": "log_int", "minval": 1, "maxval": 64, "count": 7}),
        (rungway.log_randint(8, 64, step=8), {"type": "log_int", "minval": 8, "maxval": 64, "step": 8}),
        (rungway.reverse_log_uniform(0.9, 0.99), {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.99}),
        (rungway.normal(0, 1), {"type": "normal", "mu": 0, "sigma": 1}),
        (rungway.normal(0, 1, low=-1, step=0.5), {"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "step": 0.5}),
        (rungway.lognormal(-3, 1, high=1), {"type": "lognormal", "mu": -3, "sigma": 1, "maxval": 1}),
        (rungway.choice(("a", 2)), {"type": "categorical", "vals": ["a", 2]}),
        (rungway.choice("ab", weights=(1, 2)), {"type": "categorical", "vals": ["a", "b"], "weights": [1, 2]}),
        (rungway.ordinal((8, 16)), {"type": "ordinal", "vals": [8, 16]}),
        (rungway.ordinal((8, 16), weights=[1, 2]), {"type": "ordinal", "vals": [8, 16], "weights": [1, 2]}),
        (rungway.const(None), {"type": "const", "val": None}),
        (rungway.const({"a": 1}, when={"b": 2}), {"type": "const", "val": {"a": 1}, "when": {"b": 2}}),
        (
            rungway.uniform(0, 1, when={"b": ["x", "y"]}),
            {"type": "double", "minval": 0, "maxval": 1, "when": {"b": ["x", "y"]}},
        ),
    ],
)
def test_parameters(made: Parameter, expect: Parameter) -> None:
    assert made == expect


def test_the_service_understands_them() -> None:
    space = {
        "lr": rungway.log_uniform(1e-5, 1e-1, count=3),
        "layers": rungway.randint(1, 4, count=4),
        "width": rungway.quantized_randint(16, 64, 16),
        "optimizer": {"kind": rungway.choice(["adam", "sgd"]), "eps": rungway.const(1e-8)},
        "momentum": rungway.quantized_uniform(0.5, 0.9, 0.1, when={"optimizer.kind": "sgd"}),
        "decay": rungway.uniform(0, 1, count=2, when={"layers": [2, 3]}),
        "batch": rungway.log_randint(8, 512, step=8, count=3),
        "beta": rungway.reverse_log_uniform(0.9, 0.999, count=2),
        "noise": rungway.normal(0, 1, low=-2, count=2, when={"layers": 3}),
        "scale": rungway.lognormal(-3, 1, step=0.01, count=2),
        "size": rungway.ordinal(["s", "m"], weights=[2, 1]),
        "activation": rungway.choice(["relu", "gelu"], weights=[1, 3]),
        "epochs": 9,
    }
    for name, keys in (("grid", {}), ("random", {"max_trials": 5})):
        parse({"hyperparameters": space, "searcher": {"name": name, "metric": "loss", **keys}})
