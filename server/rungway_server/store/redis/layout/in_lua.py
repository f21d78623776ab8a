"""The stored layout in Lua: what scripts know of the tables of Python, so that each table stands in one place.

Scripts write `Reason.promoted` or `Field.entries`, and `--- @include "layout"` for functions that are made here.
"""

import re
from collections.abc import Iterable, Mapping

from rungway_server.domain.engine import (
    MOST_BEST,
    MOST_FURTHER_NAMES,
    Decision,
    ExperimentState,
    Outcome,
    Reason,
    TrialState,
)
from rungway_server.domain.search import sources
from rungway_server.domain.search.objectives import COMPARED
from rungway_server.domain.search.plan import DecisionForm, PromotionRule
from rungway_server.store.redis.layout.codes import CODES
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import PIECE_BYTES
from rungway_server.store.redis.layout.records import ATTRIBUTES
from rungway_server.store.redis.layout.schema import ABOUT, CHECKPOINTS, FURTHER_METRICS, NUMBERS
from rungway_server.store.redis.layout.superseded import MOST, MOST_BYTES

_FIELDS = tuple(ATTRIBUTES.values())
_ENUMS = (Decision, DecisionForm, ExperimentState, Outcome, PromotionRule, Reason, TrialState)
_VALUES: Mapping[str, Mapping[str, str]] = {
    **{each.__name__: {word.value: f"'{word}'" for word in each} for each in _ENUMS},
    "Field": {name: str(at) for at, name in enumerate(_FIELDS, 1)},
    "Source": {word: str(code) for word, code in sources.CODES.items()},
    "Size": {
        "curve_piece": str(CURVE_PIECE),
        "curve_piece_bytes": str(CURVE_PIECE * POINT.size),
        "most_best": str(MOST_BEST),
        "most_further": str(MOST_FURTHER_NAMES),
        "further_piece_bytes": str(PIECE_BYTES),
        "further_layout": str(FURTHER_METRICS),
        "about_layout": str(ABOUT),
        "checkpoints_layout": str(CHECKPOINTS),
        "numbers_layout": str(NUMBERS),
        "whole_share": str(sources.PARTS),
        "most_compared": str(COMPARED),
        "most_superseded": str(MOST),
        "most_superseded_bytes": str(MOST_BYTES),
    },
}
"""What scripts name, as Lua text: words, places in a record, and sizes."""
_NAME = re.compile(rf"(?<![\w.])({'|'.join(_VALUES)})\.(\w+)")
_LATER = ("origin", "best_checkpoint", "objectives")
"""The last fields, which most records lack; one that has any of them has something at the first. Lua makes room for
fields that are nil, too, and with these there would be too many: a trial would move to a larger table in every call."""
_SHORTENED = ("state", "metric", "best_key", "best_length", "origin", "best_checkpoint")
"""Fields that are stored in another form than scripts work with (`pack_trial` in `lua/include/trials.lua`)."""


def with_values(text: str) -> str:
    """The text of a script with the value of each name. Raises KeyError for a name that its table does not have."""
    return _NAME.sub(lambda name: _VALUES[name[1]][name[2]], text)


def layout_include() -> str:
    """The functions of `--- @include "layout"`.

    They make no tables of words: a script would make these in every call.
    """
    first = len(_FIELDS) - len(_LATER)
    read = ", ".join(f"{name} = stored[{at}]" for at, name in enumerate(_FIELDS[:first], 1))
    read_later = ", ".join(f"stored[{at}]" for at in range(first + 1, len(_FIELDS) + 1))
    written = ", ".join(name if name in _SHORTENED else f"trial.{name}" for name in _FIELDS)
    return "\n".join(
        (
            *_chain("code_of", "word", ((f"'{word}'", str(code)) for word, code in CODES.items())),
            *_chain("word_of", "code", ((str(code), f"'{word}'") for word, code in CODES.items())),
            *_chain("state_of", "letter", ((f"'{state[0]}'", f"'{state}'") for state in TrialState)),
            "local function trial_of(stored)",
            f"  local trial = {{ {read} }}",
            f"  if stored[{first + 1}] ~= nil then {', '.join(f'trial.{name}' for name in _LATER)} = {read_later} end",
            "  return trial",
            "end",
            f"local function fields_of(trial, {', '.join(_SHORTENED)}) return {{ {written} }} end",
            "",
        )
    )


def _chain(function: str, given: str, pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    """A Lua function that returns the other word or number of a pair; what is in no pair comes back as it is."""
    yield f"local function {function}({given})"
    yield from (f"  if {given} == {one} then return {other} end" for one, other in pairs)
    yield f"  return {given}"
    yield "end"
