"""What a user probably meant: by a mapping without `type` that looks like a range, and by exponents that look like
bounds.

Other tools have other words (W&B `min` and `max`, Optuna `low` and `high`, Ray `grid_search`, Katib `feasibleSpace`).
Read as a group of constants, such a mapping would silently search nothing. So it is refused, and the message shows the
form that was probably meant. A group of constants that has such names writes one of them as `{type: const, val: …}`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from rungway_server.domain.documents.fields import finite, is_text, shown
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.space.decimals import power
from rungway_server.domain.space.space import Log, Space


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


_LOW = _words("min minval minvalue minimum low lower lowerbound lo start from")
_HIGH = _words("max maxval maxvalue maximum high upper upperbound hi stop end to")
_LIST = _words("vals values choices categories options list gridsearch")
_ONE = _words("val value")
_KIND = _words("distribution dist")
_STEP = _words("step q")
_SCALE = _words("scale scaling scaletype scalingtype")
_BESIDE = _STEP | _SCALE | _words("count base log logscale num default probabilities mu sigma")
_TELLING = _LOW | _HIGH | _LIST | _ONE | _KIND
_OF_SCHEDULES = _words("start stop end from to")
"""Names of bounds that are also usual in groups of constants (schedules), beside other keys."""
_OWN = _words("minval maxval vals")
_KINDS = _words(
    "const constant int integer intuniform randint qrandint lograndint double float real uniform quniform"
    " log loguniform loguniformvalues qloguniform reverseloguniform invloguniform normal qnormal lognormal choice"
    " categorical ordinal discrete"
)
_NO_CONDITIONS = (
    "a group has no conditions: write them at each of its parameters. A group of constants called when is meant?"
    " Write its members as {type: const, val: …}"
)
_LONGEST = 40
"""Longest text of a value in a refusal, in characters."""


def suspicion(values: Mapping[str, object]) -> tuple[str, str]:
    """Why a mapping without `type` is refused as a group: the key to blame ("" = the whole mapping) and the reason; two
    empty texts if it is a group."""
    values = dict(sorted(values.items(), key=lambda item: shown(item[0])))  # maps of the wire have no order
    parameters = any(isinstance(value, Mapping) and "type" in value for value in values.values())
    for key, value in values.items():
        if not parameters and _almost_type(key) and is_kind(value):
            return key, f"unknown key, wanted 'type'{_meant(values)}{_otherwise(values)}"
    words = {_word(key): value for key, value in values.items() if value is not None and key != "when"}
    if any(isinstance(value, Mapping) for value in words.values()) or not words.keys() & _TELLING:
        return ("when", _NO_CONDITIONS) if _conditional(values) else ("", "")
    sure = (_LOW - _OF_SCHEDULES, _HIGH - _OF_SCHEDULES)
    bounded = all(any(_number(words[word]) is not None for word in words.keys() & side) for side in sure)
    if not (words.keys() <= _TELLING | _BESIDE or words.keys() & _OWN or bounded):
        return "", ""
    names = ", ".join(map(_name, list(values)[:5]))
    return "", f"got {names[:60]} without a type, as of a range{_meant(values)}{_otherwise(values)}"


def _conditional(group: Mapping[str, object]) -> bool:
    """Whether a group has what looks like conditions of its own."""
    when = group.get("when")
    return isinstance(when, Mapping) and bool(when) and not any(isinstance(value, Mapping) for value in when.values())


def in_our_words(values: Mapping[str, object]) -> str:
    """A range that is written in another tool's words, in the words of Rungway; "…" stands for missing values."""
    words = {_word(key): value for key, value in values.items() if value is not None}
    kind = next((_word(value) for key, value in values.items() if _names_kind(key)), "")
    if "list" in kind or kind in ("choice", "categorical", "ordinal", "discrete") or words.keys() & _LIST:
        listed = _first(words, _LIST) or _first(words, _ONE)
        return f"{{type: categorical, vals: {written(listed) if isinstance(listed, list | tuple) else '[…]'}}}"
    if words.keys() & _ONE and not words.keys() & (_LOW | _HIGH):
        pair = _first(words, _ONE)
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and kind not in ("", "const", "constant")):
            return f"{{type: const, val: {written(pair)}}}"
        words |= {"low": pair[0], "high": pair[1]}
    return _range(kind, words)


def is_kind(word: object) -> bool:
    """Whether a text names a type of parameter, here or in another tool."""
    return _word(word) in _KINDS


def list_advice(value: Sequence[object]) -> str:
    """What to write in place of a bare list."""
    text = written(value)
    choice = f"{{type: categorical, vals: {text}}} (choice({text}) in Python) to search among its values, or "
    itself = f"{{type: const, val: {text}}} (const({text})) for the list itself"
    return f"got a bare list, wanted {choice if value else ''}{itself}"


def space_notes(space: Space) -> Iterator[str]:
    """Notes for the user of a space: exponents of `log` that look like bounds."""
    for path, entry in space.leaves.items():
        if isinstance(entry.node, Log) and _plain_bounds(entry.node):
            node = entry.node
            low, high = sorted((power(node.base, node.minval), power(node.base, node.maxval)))
            yield (
                f"hyperparameters.{spelled(*path)}: draws from {low:.5g} to {high:.5g}, for minval and maxval of log"
                f" are exponents of {node.base:g}; if {node.minval:g} to {node.maxval:g} is meant, write log_uniform"
            )


def written(value: object) -> str:
    """A value in YAML's flow style, shortened to about 40 characters."""
    if isinstance(value, list | tuple):
        items: list[str] = []
        for item in value:
            if sum(map(len, items)) + 2 * len(items) > _LONGEST:
                items.append("…")
                break
            items.append(shown(item)[:_LONGEST] if isinstance(item, list | tuple) else written(item))
        return f"[{', '.join(items)}]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w{0,30}", value):
        return value
    if isinstance(value, bool | str | None):
        return json.dumps(value, ensure_ascii=not is_text(value))[:_LONGEST]
    return shown(value)[:_LONGEST]


def _range(kind: str, words: Mapping[str, object]) -> str:
    low, high = (_number(_first(words, side)) for side in (_LOW, _HIGH))
    step, base, count = _number(_first(words, _STEP)), _number(words.get("base")), words.get("count")
    scaled = any("log" in _word(words.get(key)) for key in _SCALE)
    log = "log" in kind or scaled or words.get("log") is True or words.get("logscale") is True
    whole = not any(word in kind for word in ("double", "float", "real", "uniform")) or "int" in kind
    integers = all(number is None or isinstance(number, int) for number in (low, high, step))
    keys: dict[str, object] = {"minval": low, "maxval": high}
    if base is not None or kind == "log" or (log and low is not None and low <= 0):
        keys = {"type": "log", "base": base or (10 if kind == "log" else math.e)} | keys
    elif log:
        keys, step = {"type": "log_uniform"} | keys, None
    else:
        keys = {"type": "int" if whole and integers and (low, high) != (None, None) else "double"} | keys
    keys |= {"step": step} if step is not None else {}
    keys |= {"count": count} if count is not None else {}
    return f"{{{', '.join(f'{key}: {_ellipsis(value)}' for key, value in keys.items())}}}"


def _ellipsis(value: object) -> str:
    return "…" if value is None else written(value)


def _meant(values: Mapping[str, object]) -> str:
    return f"; probably meant: {in_our_words(values)}"


def _otherwise(values: Mapping[str, object]) -> str:
    key, value = next((key, value) for key, value in values.items() if key != "when")
    return f". A group of constants is meant? Write {_name(key)[:40]}: {{type: const, val: {written(value)}}}"


def _name(key: object) -> str:
    return spelled(key) if isinstance(key, str) and is_text(key) else shown(key)


def _first(words: Mapping[str, object], which: frozenset[str]) -> object:
    return next((value for word, value in words.items() if word in which), None)


def _word(text: object) -> str:
    """A key in lower case and letters only: min_value, MinValue and min-value are the same."""
    return re.sub(r"[^a-z]", "", text.lower()) if isinstance(text, str) and len(text) < 100 else ""


def _number(value: object) -> float | None:
    """A number, also one that is written as a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    number = finite(value)
    return value if isinstance(value, int) and number is not None else number


def _names_kind(key: str) -> bool:
    return _word(key) in _KIND | {"type", "parametertype"} or _almost_type(key)


def _almost_type(key: str) -> bool:
    """Whether a key is "type" except for its case, its marks, one letter, or letters in another order."""
    word = _word(key)
    if key == "type" or not 3 <= len(word) <= 5:
        return False
    without_one = {word[:i] + word[i + 1 :] for i in range(len(word))}
    if len(word) == 5:
        return "type" in without_one
    if len(word) == 3:
        return word in {"type"[:i] + "type"[i + 1 :] for i in range(4)}
    return sorted(word) == sorted("type") or sum(a != b for a, b in zip(word, "type", strict=True)) <= 1


def _plain_bounds(node: Log) -> bool:
    """Whether exponents look like the bounds themselves: fractions from 0 up, or what makes an absurd range."""
    if node.minval < 0 or (node.minval == 0 and node.maxval > 1):
        return False
    span = abs(math.log10(node.base)) * (node.maxval - node.minval)
    return node.minval < 1 or span >= 9
