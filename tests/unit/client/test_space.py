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
        (rungway.choice(("a", 2)), {"type": "categorical", "vals": ["a", 2]}),
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
        "epochs": 9,
    }
    for name, keys in (("grid", {}), ("random", {"max_trials": 5})):
        parse({"hyperparameters": space, "searcher": {"name": name, "metric": "loss", **keys}})
