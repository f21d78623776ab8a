"""The words of other tools for parameters, and the same in Rungway's.

W&B has `distribution`, `min`, `max` and `q`, Optuna `low`, `high`, `step` and `log`, Ray Tune `lower`, `upper` and
`grid_search`, Katib `feasibleSpace`, NNI `_type` and `_value`. What has no counterpart is named with what is nearest.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence

from rungway_server.domain.documents.fields import finite, is_text, shown


def words_in(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(re.findall(r"\w+", text))


LOW = words_in("min minval minvalue minimum low lower lowerbound lo start from")
HIGH = words_in("max maxval maxvalue maximum high upper upperbound hi stop end to")
LIST = words_in("vals values choices categories options list gridsearch")
ONE = words_in("val value")
KIND = words_in("distribution dist")
STEP = words_in("step q")
SCALE = words_in("scale scaling scaletype scalingtype")
WEIGHTS = words_in("weights probabilities probs")
MU, SIGMA = words_in("mu mean loc"), words_in("sigma sd std stddev")
_FORMS = {
    kind: form
    for form, kinds in {
        "const": "const constant",
        "int": "int integer intuniform uniformint randint qrandint",
        "log_int": "logint lograndint qlograndint intloguniform",
        "double": "double float real uniform quniform discreteuniform uniformfloat",
        "log": "log invloguniform",
        "log_uniform": "loguniform loguniformvalues qloguniform qloguniformvalues invloguniformvalues",
        "reverse_log_uniform": "reverseloguniform reverselog",
        "normal": "normal qnormal gaussian randn qrandn normalfloat normalint",
        "lognormal": "lognormal qlognormal",
        "categorical": "choice categorical discrete pchoice categoricalwprobabilities",
        "ordinal": "ordinal logordinal",
    }.items()
    for kind in words_in(kinds)
}
_WITHOUT = {
    **dict.fromkeys(("beta", "qbeta", "betafloat", "betaint"), "normal"),
    **dict.fromkeys(("samplefrom", "custom"), "double"),
    **dict.fromkeys(("layerchoice", "inputchoice", "mutablelayer"), "categorical"),
}
"""Kinds of other tools that have no form here, with the nearest of ours."""
OUR_KEYS = {
    **{"q": "step", "value": "val", "min": "minval", "low": "minval", "lower": "minval"},
    **{"max": "maxval", "high": "maxval", "upper": "maxval", "values": "vals", "choices": "vals"},
    **{"probabilities": "weights", "probs": "weights", "mean": "mu", "loc": "mu", "sd": "sigma", "std": "sigma"},
}
"""Keys of other tools, and ours for the same."""
_LONGEST = 40
"""Longest text of a value in a refusal, in characters."""


def is_kind(text: object) -> bool:
    """Whether a text names a type of parameter, here or in another tool."""
    return word(text) in _FORMS.keys() | _WITHOUT.keys()


def is_without_form(kind: object) -> bool:
    """Whether a kind of another tool has none here, so that its form is the nearest one."""
    return word(kind) in _WITHOUT


def advice(values: Mapping[str, object]) -> str:
    """What to write in place of a range in another tool's words."""
    kind = _kind(values)
    if is_without_form(kind):
        return f"{kind} has no form here, the nearest is: {in_our_words(values)}"
    return f"probably meant: {in_our_words(values)}"


def in_our_words(values: Mapping[str, object]) -> str:
    """A range that is written in another tool's words, in the words of Rungway; "…" stands for missing values."""
    form = in_our_form(values)
    return f"{{{', '.join(f'{key}: {_shortly(key, value)}' for key, value in form.items())}}}"


def in_our_form(values: Mapping[str, object]) -> dict[str, object]:
    """The same as a parameter of Rungway, with its type first; None stands for missing values, but not for that of a
    constant."""
    words = {word(key): value for key, value in values.items() if value is not None}
    kind = _kind(values)
    form = _FORMS.get(kind) or _WITHOUT.get(kind, "")
    if "list" in kind or form in ("categorical", "ordinal") or words.keys() & LIST:
        return _list(form, words)
    if words.keys() & ONE and not words.keys() & (LOW | HIGH):
        given = first(words, ONE)
        if form in ("", "const") or not isinstance(given, list | tuple) or not 2 <= len(given) <= 3:
            return {"type": "const", "val": given}
        words |= _unpacked(kind, form, given)
    return _range(kind, form, words)


def list_advice(value: Sequence[object]) -> str:
    """What to write in place of a bare list."""
    text = written(value)
    choice = f"{{type: categorical, vals: {text}}} (choice({text}) in Python) to search among its values, or "
    itself = f"{{type: const, val: {text}}} (const({text})) for the list itself"
    return f"got a bare list, wanted {choice if value else ''}{itself}"


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


def first(words: Mapping[str, object], which: frozenset[str]) -> object:
    """The value of the first of these words."""
    return next((value for name, value in words.items() if name in which), None)


def word(text: object) -> str:
    """A key in lower case and letters only: min_value, MinValue and min-value are the same."""
    return re.sub(r"[^a-z]", "", text.lower()) if isinstance(text, str) and len(text) < 100 else ""


def number(value: object) -> float | None:
    """A number, also one that is written as a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    found = finite(value)
    return value if isinstance(value, int) and found is not None else found


def almost_type(key: str) -> bool:
    """Whether a key is "type" except for its case, its marks, one letter, or letters in another order."""
    name = word(key)
    if key == "type" or not 3 <= len(name) <= 5:
        return False
    without_one = {name[:i] + name[i + 1 :] for i in range(len(name))}
    if len(name) == 5:
        return "type" in without_one
    if len(name) == 3:
        return name in {"type"[:i] + "type"[i + 1 :] for i in range(4)}
    return sorted(name) == sorted("type") or sum(a != b for a, b in zip(name, "type", strict=True)) <= 1


def _kind(values: Mapping[str, object]) -> str:
    named = KIND | {"type", "parametertype"}
    return next((word(value) for key, value in values.items() if word(key) in named or almost_type(key)), "")


def _list(form: str, words: Mapping[str, object]) -> dict[str, object]:
    listed, weights = first(words, LIST) or first(words, ONE), first(words, WEIGHTS)
    vals = list(listed) if isinstance(listed, list | tuple) else None
    more = {"weights": list(weights)} if isinstance(weights, list | tuple) else {}
    return {"type": "ordinal" if form == "ordinal" else "categorical", "vals": vals, **more}


def _unpacked(kind: str, form: str, given: Sequence[object]) -> dict[str, object]:
    """The numbers of a list by what they mean, as NNI writes them: bounds or mu and sigma, and then q."""
    names = ("mu", "sigma", "q") if form in ("normal", "lognormal") else ("low", "high", "q")
    found: dict[str, object] = dict(zip(names, given, strict=False))
    high = number(found.get("high"))
    if kind == "randint" and isinstance(high, int):  # the upper end is not included there
        found["high"] = high - 1
    return found


def _range(kind: str, form: str, words: Mapping[str, object]) -> dict[str, object]:
    low, high = (number(first(words, side)) for side in (LOW, HIGH))
    step = number(first(words, STEP))
    keys = (
        _bell(kind, form, words, low, high)
        if form in ("normal", "lognormal")
        else _between(kind, form, words, low, high, step)
    )
    keys |= {"step": step} if step is not None else {}
    return keys | ({"count": words["count"]} if "count" in words else {})


def _bell(
    kind: str, form: str, words: Mapping[str, object], low: float | None, high: float | None
) -> dict[str, object]:
    """A normal parameter. Where there are bounds alone, they lie three sigma from the middle, as in Katib."""
    if "beta" in kind:
        low, high = 0 if low is None else low, 1 if high is None else high
    mu, sigma = number(first(words, MU)), number(first(words, SIGMA))
    if low is not None and high is not None and mu is None and sigma is None and (low > 0 or form == "normal"):
        ends = (math.log(low), math.log(high)) if form == "lognormal" and high > 0 else (low, high)
        mu, sigma = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 6
    keys: dict[str, object] = {"type": form, "mu": mu, "sigma": sigma, "minval": low, "maxval": high}
    return {key: value for key, value in keys.items() if value is not None or key in ("mu", "sigma")}


def _between(
    kind: str, form: str, words: Mapping[str, object], low: float | None, high: float | None, step: float | None
) -> dict[str, object]:
    base, keys = number(words.get("base")), dict[str, object](minval=low, maxval=high)
    scales = [word(words.get(key)) for key in SCALE]
    if form == "reverse_log_uniform" or any("reverse" in scale for scale in scales):
        return {"type": "reverse_log_uniform", **keys}
    if kind == "invloguniform":  # exponents of 1 / x
        ends = [None if end is None else -end for end in (high, low)]
        return {"type": "log", "base": math.e, "minval": ends[0], "maxval": ends[1]}
    flags = words.get("log") is True or words.get("logscale") is True
    log = "log" in kind or flags or any("log" in scale for scale in scales)
    whole = "int" in kind or not any(each in kind for each in ("double", "float", "real", "uniform", "log"))
    integers = all(end is None or isinstance(end, int) for end in (low, high, step)) and (low, high) != (None, None)
    if base is not None or kind == "log" or (log and low is not None and low <= 0):
        return {"type": "log", "base": base or (10 if kind == "log" else math.e), **keys}
    if log:
        return {"type": "log_int" if whole and integers else "log_uniform", **keys}
    return {"type": "int" if whole and integers else "double", **keys}


def _shortly(key: str, value: object) -> str:
    missing = "[…]" if key == "vals" else "…"
    return missing if value is None and key != "val" else written(value)
