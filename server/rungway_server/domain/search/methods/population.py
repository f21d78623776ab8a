"""Population based training."""

from fractions import Fraction

from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.methods.common import plan_of
from rungway_server.domain.search.plan import Bracket, Plan, PromotionRule, Rung


def pbt(searcher: SearcherConfig) -> Plan:
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks"): one bracket
    with a rung at the end of each round, where all trials of the population are compared.

    The worst `truncate_fraction` of them, rounded down, are replaced by as many clones of the best.
    """
    population = searcher.population
    if population is None:
        raise ValueError(f"{searcher.name} without a population")
    size, rounds, length = population.population_size, population.num_rounds, population.length_per_round
    # In decimals, as the user wrote it: 0.29 of 100 is 29, though 0.29 * 100 is less than 29 in binary.
    cut = int(Fraction(str(population.truncate_fraction)) * size)
    rungs = (*(Rung(length * k, size, size - cut, cut) for k in range(1, rounds)), Rung(length * rounds, size))
    share = searcher.max_concurrent_trials or size
    return plan_of(searcher, (Bracket(rungs, size + cut * (rounds - 1), share),), PromotionRule.POPULATION)
