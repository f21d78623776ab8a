"""Reads an Experiment of Katib as a search of Rungway.

One run of Katib is one step of a ladder: a configuration, trained to the length of a rung. The length is the value of
the parameter that the setting `resource_name` names; all others are hyperparameters.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.search.config import SearcherName
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.preview import reached
from rungway_server.katib.log import SETTING
from rungway_server.katib.parameters import hyperparameter, whole_number
from rungway_server.katib.wire import api_pb2 as pb
from rungway_server.service.experiments import Planned, plan_search

RESOURCE = "resource_name"
TRIAL_DIR = "suggestion_trial_dir"
ENDLESS = 1_000_000
"""Configurations of a single asynchronous ladder: it may grow."""
DEFAULT_RUNS = 100
"""Runs that a ladder is made for where the experiment has no `maxTrialCount`."""
MOST_RUNS = 100_000
"""Most runs that a ladder is made for."""

_METHODS = {
    "asha": SearcherName.ASYNC_HALVING,
    "adaptive-asha": SearcherName.ADAPTIVE_ASHA,
    "sync-halving": SearcherName.SYNC_HALVING,
    "adaptive": SearcherName.ADAPTIVE,
    "hyperband": SearcherName.HYPERBAND,
    "pbt": SearcherName.PBT,
}
"""The algorithm names, each also with `rungway-` before it, where Katib has an algorithm of the name."""
_LADDER = {"divisor": "divisor", "eta": "divisor", "min_length": "min_length"}
_BRACKETS = {"max_rungs": "max_rungs", "mode": "mode"}
_KEYS: Mapping[SearcherName, Mapping[str, str]] = {
    SearcherName.ASYNC_HALVING: _LADDER | {"num_rungs": "num_rungs", "max_rungs": "max_rungs", "brackets": "brackets"},
    SearcherName.ADAPTIVE_ASHA: _LADDER | _BRACKETS,
    SearcherName.SYNC_HALVING: _LADDER | {"num_rungs": "num_rungs"},
    SearcherName.ADAPTIVE: _LADDER | _BRACKETS,
    SearcherName.HYPERBAND: _LADDER,
    SearcherName.PBT: {
        "n_population": "population_size",
        "num_rounds": "num_rounds",
        "truncation_threshold": "truncate_fraction",
        "resample_probability": "explore.resample_probability",
        "perturb_factor": "explore.perturb_factor",
    },
}
"""The settings of each method, beside those of all, with our key for each."""
_OF_ALL = (RESOURCE, "max_length", "r_l", "random_state", "seed", TRIAL_DIR, SETTING)
_MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class KatibSearch:
    """An experiment of Katib as Rungway searches it.

    `document` is the configuration without its number of trials and its seed; `order` has the names of all parameters
    as Katib lists them, `resource` the one that takes the length. `digest` stands for all that Katib never changes.
    `seed` is None where the user gives none, `runs` 0 where Katib may ask for any number. `spelled` has the user's
    words for our fields, for messages. `trial_dir`: whether runs go on from the files of the run before.
    """

    name: str
    algorithm: str
    method: SearcherName
    document: Mapping[str, Any]
    order: tuple[str, ...]
    resource: str
    metric: str
    runs: int
    parallel: int
    seed: int | None
    trial_dir: bool
    digest: str
    log: str
    spelled: Mapping[str, str]

    @property
    def endless(self) -> bool:
        """Whether its one ladder may grow, so that there is never another."""
        return self.method is SearcherName.ASYNC_HALVING and self.document["searcher"].get("brackets", 1) == 1


def read_experiment(experiment: pb.Experiment) -> KatibSearch:
    """The search of an experiment. Raises InvalidInput, with every wrong field that was found."""
    spec, wrong = experiment.spec, list[Violation]()
    method = _method(spec.algorithm.algorithm_name)
    settings = {setting.name: setting.value for setting in spec.algorithm.algorithm_settings}
    known = _KEYS[method]
    for name in settings:
        if name not in known and name not in _OF_ALL:
            wanted = ", ".join(sorted({*known, *_OF_ALL} - {SETTING}))
            wrong.append(Violation(_setting(name), f"unknown to {spec.algorithm.algorithm_name}, wanted {wanted}"))
    parameters = {parameter.name: parameter for parameter in spec.parameter_specs.parameters}
    if len(parameters) < len(spec.parameter_specs.parameters):
        wrong.append(Violation("parameters", "one name stands for several parameters, wanted different names"))
    resource = settings.get(RESOURCE, "")
    low, high = _lengths(parameters.pop(resource, None), resource, settings, wrong)
    hyperparameters = {name: hyperparameter(each, wrong) for name, each in parameters.items()}
    searcher = {"name": method.value, **_objective(spec.objective, wrong), "unit": resource or "length"}
    spelled = _searcher(method, searcher, settings, low, high, wrong)
    if method is SearcherName.PBT and not settings.get(TRIAL_DIR):
        wrong.append(Violation(_setting(TRIAL_DIR), "missing: a run of pbt goes on from the files of another run"))
    seed = _seed(settings, wrong)
    if wrong:
        raise InvalidInput(wrong)
    return KatibSearch(
        name=experiment.name,
        algorithm=spec.algorithm.algorithm_name,
        method=method,
        document={"hyperparameters": hyperparameters, "searcher": searcher, "pause_after_failures": 0},
        order=tuple(parameter.name for parameter in spec.parameter_specs.parameters),
        resource=resource,
        metric=spec.objective.objective_metric_name,
        runs=max(0, spec.max_trial_count),
        parallel=max(1, spec.parallel_trial_count),
        seed=seed,
        trial_dir=bool(settings.get(TRIAL_DIR)),
        digest=_digest(experiment, settings),
        log=settings.get(SETTING, ""),
        spelled=spelled,
    )


def plan_ladder(search: KatibSearch, configurations: int, parallel: int, seed: int) -> Planned:
    """The plan of a ladder with so many configurations (0 = as the searcher says). Raises InvalidInput."""
    searcher = {**search.document["searcher"], "max_concurrent_trials": parallel}
    if configurations:
        searcher["max_trials"] = configurations
    try:
        return plan_search({**search.document, "searcher": searcher, "seed": seed})
    except InvalidInput as error:
        raise InvalidInput([_respelled(search, each) for each in error.violations]) from None


def size_ladder(search: KatibSearch, runs: int) -> int:
    """How many configurations a ladder has that is made for so many runs (0 = Katib sets no limit): the most whose runs
    are not more, if every rung is filled. 0 where that follows from the settings. Raises InvalidInput when there is no
    such ladder."""
    if search.method in (SearcherName.HYPERBAND, SearcherName.PBT):
        plan_ladder(search, 0, search.parallel, 0)
        return 0
    if search.endless:
        endless = _plan(search, ENDLESS)
        if not runs:
            return ENDLESS
    budget = min(runs or DEFAULT_RUNS, MOST_RUNS)
    best, low, high = 0, 1, budget
    refusal = InvalidInput.one("max_trial_count", f"got {budget}, wanted as many runs as one configuration takes")
    while low <= high:
        middle = (low + high) // 2
        try:
            plan = with_configurations(endless, middle) if search.endless else _plan(search, middle)
        except InvalidInput as error:  # such as fewer configurations than brackets
            refusal, low = error, middle + 1
            continue
        if runs_of(plan, search.parallel) <= budget:
            best, low = middle, middle + 1
        else:
            high = middle - 1
    if not best:
        raise refusal
    return best


def with_configurations(plan: Plan, configurations: int) -> Plan:
    """The plan of one asynchronous ladder with another number of configurations."""
    (bracket,) = plan.brackets
    return replace(plan, brackets=(replace(bracket, max_trials=configurations),))


def runs_of(plan: Plan, parallel: int) -> int:
    """The runs that Katib makes of a plan if no trial fails.

    It asks for as many runs as may go on at a time, all or none. So where a plan has one bracket, each of its rungs
    between the lowest and the highest takes so many at least, though they are configurations of another ladder.
    """
    runs = 0
    for bracket in plan.brackets:
        low, *between, high = (*reached(bracket, plan), 0) if len(bracket.rungs) == 1 else reached(bracket, plan)
        least = parallel if len(plan.brackets) == 1 else 0
        runs += low + high + sum(max(each, least) for each in between if each)
    return runs


def _plan(search: KatibSearch, configurations: int) -> Plan:
    return plan_ladder(search, configurations, search.parallel, 0).plan


def _method(name: str) -> SearcherName:
    method = _METHODS.get(name.removeprefix("rungway-"))
    if method is None:
        raise InvalidInput.one("algorithm_name", f"got {name!r}, wanted one of {', '.join(_METHODS)}")
    return method


def _setting(name: str) -> str:
    return f"algorithm_settings[{name}]"


def _lengths(
    parameter: pb.ParameterSpec | None, resource: str, settings: Mapping[str, str], wrong: list[Violation]
) -> tuple[int, int]:
    """The smallest and the largest length, which the resource's own space and the settings say."""
    if parameter is None:
        found = f"got {resource!r}, which is no parameter" if resource else "missing"
        wrong.append(Violation(_setting(RESOURCE), f"{found}, wanted the name of the parameter that takes the length"))
        return 1, 1
    field, space = f"parameters[{resource}]", parameter.feasible_space
    if parameter.parameter_type != pb.INT:
        wrong.append(Violation(field, "takes the length of runs, wanted parameterType int"))
        return 1, 1
    low, high = whole_number(space.min, f"{field}.min", wrong), whole_number(space.max, f"{field}.max", wrong)
    if space.step not in ("", "1"):
        wrong.append(Violation(f"{field}.step", f"got {space.step!r}, wanted none: rungs say which lengths there are"))
    if low < 1 or high < low:
        wrong.append(Violation(field, f"got {low} to {high}, wanted lengths from 1, in order"))
        return 1, 1
    if "max_length" in settings and "r_l" in settings:
        wrong.append(Violation(_setting("r_l"), "given together with max_length, wanted one of them"))
    key = "max_length" if "max_length" in settings else "r_l"
    if key in settings:
        longest = whole_number(settings[key], _setting(key), wrong)
        if not low <= longest <= high:
            wrong.append(Violation(_setting(key), f"got {longest}, wanted {low} to {high}, as {resource} may be"))
        else:
            high = longest
    return low, high


def _objective(objective: pb.ObjectiveSpec, wrong: list[Violation]) -> dict[str, object]:
    if objective.type not in (pb.MINIMIZE, pb.MAXIMIZE):
        wrong.append(Violation("objective.type", "missing, wanted minimize or maximize"))
    if not objective.objective_metric_name:
        wrong.append(Violation("objective.objective_metric_name", "missing, wanted the name of the metric"))
    return {
        "metric": objective.objective_metric_name or "metric",
        "smaller_is_better": objective.type == pb.MINIMIZE,
    }


def _searcher(
    method: SearcherName, searcher: dict[str, object], settings: Mapping[str, str], low: int, high: int,
    wrong: list[Violation],
) -> dict[str, str]:  # fmt: skip
    """Add what the settings say to a searcher section. Returns the user's spelling of our fields."""
    spelled = {"searcher.max_length": "algorithm_settings[max_length]"}
    explore: dict[str, object] = {}
    for name, key in _KEYS[method].items():
        if name not in settings:
            continue
        section, last = (explore, key.removeprefix("explore.")) if key.startswith("explore.") else (searcher, key)
        if last in section:
            wrong.append(Violation(_setting(name), f"given together with {key}, wanted one of them"))
        section[last] = _number(settings[name])
        spelled[f"searcher.{key}"] = _setting(name)
    if method is SearcherName.PBT:
        rounds = searcher.setdefault("num_rounds", high // low)
        most = rounds if isinstance(rounds, int) and 1 <= rounds <= high else 1
        searcher["length_per_round"] = high // most
        searcher["explore"] = explore
        return spelled
    searcher["max_length"] = high
    shortest = searcher.get("min_length", low)
    if isinstance(shortest, int) and not low <= shortest <= high:
        wrong.append(Violation(_setting("min_length"), f"got {shortest}, wanted {low} to {high}"))
    counted_down = "num_rungs" in searcher or (method is SearcherName.ASYNC_HALVING and "max_rungs" in searcher)
    if not counted_down:
        searcher["min_length"] = shortest
    return spelled


def _number(text: str) -> object:
    """The number that a text is, else the text: the reader of searchers says what it wanted."""
    for read in (int, float):
        kind: Callable[[str], float] = read
        if re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", text):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _seed(settings: Mapping[str, str], wrong: list[Violation]) -> int | None:
    for name in ("random_state", "seed"):
        if name in settings:
            seed = whole_number(settings[name], _setting(name), wrong)
            if not 0 <= seed <= _MOST_SEED:
                wrong.append(Violation(_setting(name), f"got {seed}, wanted 0 to {_MOST_SEED}"))
            return seed
    return None


def _digest(experiment: pb.Experiment, settings: Mapping[str, str]) -> str:
    """A hash of what Katib never changes in an experiment."""
    fixed = pb.Experiment(name=experiment.name)
    spec, given = fixed.spec, experiment.spec
    spec.parameter_specs.CopyFrom(given.parameter_specs)
    spec.objective.CopyFrom(given.objective)
    spec.algorithm.algorithm_name = given.algorithm.algorithm_name
    for name in sorted(settings):
        if name != SETTING:
            spec.algorithm.algorithm_settings.add(name=name, value=settings[name])
    return hashlib.sha256(fixed.SerializeToString(deterministic=True)).hexdigest()


def _respelled(search: KatibSearch, violation: Violation) -> Violation:
    """The violation under the name that the user wrote."""
    field = search.spelled.get(violation.field, violation.field)
    head, _, rest = field.partition(".")
    if head == "hyperparameters" and rest:
        name = next((each for each in search.order if rest == each or rest.startswith(f"{each}.")), "")
        field = f"parameters[{name}]{rest.removeprefix(name)}" if name else field
    return Violation(field, violation.description)
