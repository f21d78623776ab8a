"""Reading the searcher section of population based training."""

from rungway_server.domain.fields import Section, shown
from rungway_server.domain.lengths import length_with_unit
from rungway_server.domain.searcher_config import (
    KEYS,
    MAX_LENGTH,
    MAX_TRIALS,
    Population,
    Sampler,
    SearcherConfig,
    SearcherName,
)

MAX_ROUNDS = 100
"""Most rounds: each is a rung."""
MAX_POPULATION = 1000
"""Most trials of a round: it ends for all of them in one step."""
_UNSAID = ("seed", "replace_function", "source_trial_id", "source_checkpoint_uuid")


def read_population(section: Section, metric: str) -> SearcherConfig:
    """Read the section; what is wrong is noted in it.

    Determined's older form is read too: `replace_function: {truncate_fraction: …}` and `explore_function: {…}`.
    """
    section = section.renamed({"explore_function": "explore"})
    section.allow(KEYS[SearcherName.PBT], unsaid=_UNSAID)
    length, unit = length_with_unit(section, "length_per_round")
    replace = section.section("replace_function") if section.has("replace_function") else section
    if replace is not section:
        replace.allow(("truncate_fraction",))
        if section.has("truncate_fraction"):
            section.refuse("truncate_fraction", "given together with replace_function, wanted one of them")
    explore = section.section("explore")
    explore.allow(("resample_probability", "perturb_factor"))
    population = Population(
        population_size=section.integer("population_size", least=1, most=MAX_POPULATION),
        num_rounds=section.integer("num_rounds", least=1, most=MAX_ROUNDS),
        length_per_round=length,
        truncate_fraction=_fraction(replace, "truncate_fraction", 0.2, most=0.5),
        resample_probability=_fraction(explore, "resample_probability", 0.25, most=1.0),
        perturb_factor=_fraction(explore, "perturb_factor", 0.2, most=1.0),
    )
    return SearcherConfig(
        name=SearcherName.PBT,
        metric=metric,
        smaller_is_better=section.flag("smaller_is_better", True),
        target_metric=section.number("target_metric") if section.has("target_metric") else None,
        max_length=min(length * population.num_rounds, MAX_LENGTH),
        unit=unit,
        max_trials=population.population_size,
        max_concurrent_trials=section.integer("max_concurrent_trials", 16, least=0, most=MAX_TRIALS),
        sampler=section.choice("sampler", Sampler.RANDOM),
        population=population,
    )


def _fraction(section: Section, key: str, default: float, *, most: float) -> float:
    fraction = section.number(key, default)
    if not 0 <= fraction <= most:
        section.refuse(key, f"got {shown(fraction)}, wanted 0 to {most}")
        return default
    return fraction
