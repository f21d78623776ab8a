"""How much of a search is done, from counts alone."""

from rungway_server.domain.decisions import ExperimentState, Tally
from rungway_server.domain.plan import Bracket, Plan


def progress(plan: Plan, tally: Tally) -> float:
    """Part done, 0 to 1: the mean over the brackets.

    A bracket with several rungs counts 5/6 for the results of its lowest rung; once these are all in, the trials that
    nobody trains any more count instead if they are more.
    """
    if tally.state is ExperimentState.DONE:
        return 1.0
    shares = [
        _bracket_progress(bracket, tally.rung_results[b][0], tally.running[b])
        for b, bracket in enumerate(plan.brackets)
    ]
    return sum(shares) / len(shares)


def _bracket_progress(bracket: Bracket, results: int, running: int) -> float:
    total = bracket.max_trials
    if len(bracket.rungs) == 1:
        return min(results / total, 1.0)
    share = results / (1.2 * total)
    return share if results < total else max(share, (total - running) / total)
