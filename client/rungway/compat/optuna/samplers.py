"""Samplers: configurations are drawn at random; those that learn from results are refused by name."""

from typing import Any

from rungway.compat.optuna._refused import refused


class RandomSampler:
    """Draws at random, which is what is done without a sampler, too."""

    def __init__(self, seed: int | None = None) -> None:
        """`seed` is the seed of a study that is created; None = any."""
        self.seed = seed


def __getattr__(name: str) -> Any:
    known = dict.fromkeys(
        ("TPESampler", "CmaEsSampler", "GPSampler", "NSGAIISampler", "NSGAIIISampler", "BoTorchSampler"),
        "configurations are drawn at random, so leave the sampler out",
    )
    known["QMCSampler"] = "give create_study searcher={'sampler': 'sobol'}"
    known["GridSampler"] = "give create_study searcher={'name': 'grid'} and a space with counts"
    known["BruteForceSampler"] = "a finite space is gone through without repeats by itself: leave the sampler out"
    known["PartialFixedSampler"] = "give create_study a space with rungway.const"
    known["BaseSampler"] = "client.enqueue_trial takes configurations from elsewhere"
    raise refused(f"optuna.samplers.{name}", name, known)
