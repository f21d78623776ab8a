"""The version of what an experiment looks like in Redis, and which ones this server reads and writes.

CONTRIBUTING.md says when it grows. `LAYOUTS` has one line per version: the fingerprint of keys, records and plans as a
test takes it. A layout that has changed gets a new version, never another fingerprint for an old one, unless servers of
both kinds can work on the same experiment.
"""

from rungway_server.domain.errors import NewerSchema, OlderSchema
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.config import SearcherName
from rungway_server.domain.space.space import Categorical, Const, Double, Int, Log, LogUniform, Parameter

LAYOUTS = {
    1: "131f4cbf85f246b4",
    2: "12db42687a034481",  # metrics as sort keys, all rungs in one key, plan and progress in two parts
    3: "29be52ff44eb4991",  # retention and the bound of the event log in the plan
    4: "9399016e4148b9a4",  # configurations without names
    5: "cc37e57f3d85cd90",  # configurations in records; words as numbers, answers by digests
    6: "cdb717cc660e2a09",  # trials that ended by themselves; how far each has come; points of finite spaces
}
OLDEST = 5
"""The oldest version that is read and worked on as it is."""
SCHEMA = max(LAYOUTS)
"""The version that is written, unless the search has what servers of this version do not know."""
LATER_KINDS = SCHEMA + 1
"""The version of a search whose space has a later kind of parameter. All else is as in `SCHEMA`."""
FURTHER_METRICS = LATER_KINDS + 1
"""The version of a search from the first further metric that is told: servers from before would lose these. It has the
fields of `layout/further.py` beside all that is in `SCHEMA` or `LATER_KINDS`."""
CHECKPOINTS = FURTHER_METRICS + 1
"""The version of a search from the first checkpoint that another one replaces: servers from before would lose the best
checkpoint of a trial (the last field of its record), and do not know `layout/superseded.py`."""
ABOUT = 11
"""The version of a search from the first label, owner or comment on: servers from before would not show them, and would
lose them in an export. It has the field of `layout/about.py` beside all that is in the versions before."""
ENTRIES = 12
"""The version of a search whose plan has entries, a budget, or trials that go on after the last new one: it has fields
in plan, counts and records, and members of rungs and promotable ones, that servers from before do not know."""
SOURCES = 13
"""The version of a search whose plan has sources: it has fields in plan, counts and records, members of rungs, and
proposals among the suggestions, that servers from before do not know."""
OBJECTIVES = 14
"""The version of a search with several objectives or constraints on outcomes: its plan has fields, results and records
have vectors, and rungs an order that servers from before do not know."""
COSTS = 15
"""The version of a cost-aware search: its plan and counts have fields, and its new trials numbers, that servers from
before do not know."""
NUMBERS = 16
"""The version of a search whose plan has entries or sources, since what is counted of them are texts of numbers. One of
a version before, with lists, has them from the first change on."""
NEWEST = NUMBERS
"""The newest version that is read."""


def schema_of(config: ExperimentConfig) -> int:
    """The version that an experiment with this configuration is written as: the oldest that reads it."""
    searcher = config.searcher
    if searcher.name is SearcherName.AUTO or searcher.proposals:
        return NUMBERS
    if searcher.objectives or searcher.outcome_constraints:
        return OBJECTIVES
    bounded = searcher.after_max_trials or searcher.budget_hours
    if bounded or (searcher.name is SearcherName.RANDOM and searcher.budget):
        return ENTRIES
    later = any(_is_later(entry.parameter) for entry in config.space.leaves.values())
    return LATER_KINDS if later else SCHEMA


def _is_later(node: Parameter) -> bool:
    """Whether the first servers of `SCHEMA` would refuse the parameter as an unknown type or key."""
    match node:
        case Const() | Int() | Double() | Log() | LogUniform(step=None) | Categorical(weights=()):
            return False
        case _:
            return True


def check_schema(experiment: str, found: int) -> None:
    """Raises NewerSchema or OlderSchema for a version that this server does not read."""
    if found > NEWEST:
        raise NewerSchema(experiment, found, NEWEST)
    if found < OLDEST:
        raise OlderSchema(experiment, found, OLDEST)
