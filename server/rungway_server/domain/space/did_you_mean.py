"""What a user probably meant: by a mapping without `type` that looks like a range, and by exponents that look like
bounds.

Other tools have other words (W&B `min` and `max`, Optuna `low` and `high`, Ray `grid_search`, Katib `feasibleSpace`).
Read as a group of constants, such a mapping would silently search nothing. So it is refused, and the message shows the
form that was probably meant. A group of constants that has such names writes one of them as `{type: const, val: …}`.
"""

import math
from collections.abc import Iterator, Mapping

from rungway_server.domain.documents.fields import is_text, shown
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.space.decimals import exponential
from rungway_server.domain.space.other_words import (
    HIGH,
    KIND,
    LIST,
    LOW,
    MU,
    ONE,
    SCALE,
    SIGMA,
    STEP,
    WEIGHTS,
    advice,
    almost_type,
    is_kind,
    number,
    word,
    words_in,
    written,
)
from rungway_server.domain.space.ranges import bounds
from rungway_server.domain.space.space import Log, LogNormal, Space

_BESIDE = STEP | SCALE | WEIGHTS | words_in("count base log logscale num default mu sigma")
_OF_CURVES = MU | SIGMA | words_in("a b")
"""Names beside the name of a distribution."""
_TELLING = LOW | HIGH | LIST | ONE | KIND
_OF_SCHEDULES = words_in("start stop end from to")
"""Names of bounds that are also usual in groups of constants (schedules), beside other keys."""
_OWN = words_in("minval maxval vals")
_LARGE_MU = 10.0
"""e to this power is 22026."""
_NO_CONDITIONS = (
    "a group has no conditions: write them at each of its parameters. A group of constants called when is meant?"
    " Write its members as {type: const, val: …}"
)


def suspicion(values: Mapping[str, object]) -> tuple[str, str]:
    """Why a mapping without `type` is refused as a group: the key to blame ("" = the whole mapping) and the reason; two
    empty texts if it is a group."""
    values = dict(sorted(values.items(), key=lambda item: shown(item[0])))  # maps of the wire have no order
    parameters = any(isinstance(value, Mapping) and "type" in value for value in values.values())
    for key, value in values.items():
        if not parameters and almost_type(key) and is_kind(value):
            return key, f"unknown key, wanted 'type'; {advice(values)}{_otherwise(values)}"
    words = {word(key): value for key, value in values.items() if value is not None and key != "when"}
    if any(isinstance(value, Mapping) for value in words.values()) or not words.keys() & _TELLING:
        return ("when", _NO_CONDITIONS) if _conditional(values) else ("", "")
    sure = (LOW - _OF_SCHEDULES, HIGH - _OF_SCHEDULES)
    bounded = all(any(number(words[each]) is not None for each in words.keys() & side) for side in sure)
    beside = _BESIDE | (_OF_CURVES if any(is_kind(words.get(key)) for key in KIND) else frozenset())
    if not (words.keys() <= _TELLING | beside or words.keys() & _OWN or bounded):
        return "", ""
    names = ", ".join(map(_name, list(values)[:5]))
    return "", f"got {names[:60]} without a type, as of a range; {advice(values)}{_otherwise(values)}"


def _conditional(group: Mapping[str, object]) -> bool:
    """Whether a group has what looks like conditions of its own."""
    when = group.get("when")
    return isinstance(when, Mapping) and bool(when) and not any(isinstance(value, Mapping) for value in when.values())


def space_notes(space: Space) -> Iterator[str]:
    """Notes for the user of a space: exponents of `log` that look like bounds, `mu` of `lognormal` that looks like a
    value."""
    for path, entry in space.leaves.items():
        if isinstance(entry.node, Log) and _plain_bounds(entry.node):
            node = entry.node
            low, high = bounds(node)
            yield (
                f"hyperparameters.{spelled(*path)}: draws from {low:.5g} to {high:.5g}, for minval and maxval of log"
                f" are exponents of {node.base:g}; if {node.minval:g} to {node.maxval:g} is meant, write log_uniform"
            )
        if isinstance(entry.node, LogNormal) and _plain_mu(entry.node):
            mu = entry.node.mu
            yield (
                f"hyperparameters.{spelled(*path)}: draws around {exponential(mu):.5g}, for mu of lognormal is that of"
                f" the logarithm; if {mu:g} is meant, write mu: {math.log(mu):.5g}"
            )


def _otherwise(values: Mapping[str, object]) -> str:
    key, value = next((key, value) for key, value in values.items() if key != "when")
    return f". A group of constants is meant? Write {_name(key)[:40]}: {{type: const, val: {written(value)}}}"


def _name(key: object) -> str:
    return spelled(key) if isinstance(key, str) and is_text(key) else shown(key)


def _plain_mu(node: LogNormal) -> bool:
    """Whether mu looks like a value, not like the logarithm of one."""
    return (node.minval is None or node.maxval is None) and (0 < node.mu < 1 or node.mu >= _LARGE_MU)


def _plain_bounds(node: Log) -> bool:
    """Whether exponents look like the bounds themselves: fractions from 0 up, or what makes an absurd range."""
    if node.minval < 0 or (node.minval == 0 and node.maxval > 1):
        return False
    span = abs(math.log10(node.base)) * (node.maxval - node.minval)
    return node.minval < 1 or span >= 9
