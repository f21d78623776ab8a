"""JSON texts as Python values, and how a value is refused.

Python's parser takes more than JSON, and some of it without a word: NaN, a key given twice, 1e999 as infinity. Such
things become marks here, and whoever reads the value at that place refuses it with its path.
"""

import json
import math
from dataclasses import dataclass

_LONGEST_NUMBER = 400
"""Longest number that is read (characters); the largest double has 309 digits."""
_SHOWN = 40
_LONGEST_NAME = 80


class InvalidJson(ValueError):
    """A text that is not the JSON of a message: `path` says where ("results[0].reports[2].metric", "" = the whole
    text), `problem` what was found and what is wanted."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the text'}: {problem}")
        self.path = path
        self.problem = problem


class Refused(Exception):
    """A value is refused. Each level above adds its key or index to `where`, so that good values need no paths."""

    def __init__(self, problem: str, *where: str | int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = list(where)

    def invalid(self) -> InvalidJson:
        """The same with its path."""
        path = ""
        for part in reversed(self.where):
            if isinstance(part, int):
                path += f"[{part}]"
            else:
                name = part if part.isprintable() and len(part) <= _LONGEST_NAME else shown(part)
                path = f"{path}.{name}" if path else name
        return InvalidJson(path, self.problem)


@dataclass(frozen=True, slots=True)
class NoNumber:
    """What is written as a number and is none; `got` describes it."""

    got: str


@dataclass(frozen=True, slots=True)
class GivenTwice:
    """An object that has a key twice."""

    key: str


def parse(data: bytes) -> object:
    """The value of a JSON text in UTF-8, with NoNumber and GivenTwice where they apply. Raises InvalidJson."""
    try:
        return _DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start})"
    except json.JSONDecodeError as error:
        problem = f"is not JSON ({error})" if error.doc else "is empty"
        if error.doc.startswith("\ufeff"):
            problem = "begins with a byte order mark, wanted plain UTF-8"
    except RecursionError:
        problem = "is nested too deep"
    raise InvalidJson("", problem)


def refused(value: object, wanted: str) -> Refused:
    """The refusal of a value where something else is wanted."""
    if isinstance(value, GivenTwice):
        return Refused("is given twice", value.key)
    return Refused(f"got {shown(value)}, wanted {wanted}")


def shown(value: object) -> str:
    """A value as it appears in a refusal: in short, and nothing in it that cannot be printed."""
    if isinstance(value, NoNumber):
        return value.got
    if isinstance(value, dict | list | GivenTwice):
        return "an array" if isinstance(value, list) else "an object"
    if not isinstance(value, str):
        return _cut(json.dumps(value))
    text = _cut(value)
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _object(pairs: list[tuple[str, object]]) -> object:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    seen: set[str] = set()
    return GivenTwice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]  # adds it


def _integer(text: str) -> int | NoNumber:
    return int(text) if len(text) <= _LONGEST_NUMBER else NoNumber(f"an integer of {len(text.lstrip('-'))} digits")


def _float(text: str) -> float | NoNumber:
    number = float(text)
    return number if math.isfinite(number) else NoNumber(f"{_cut(text)}, which no double can hold")


def _constant(text: str) -> NoNumber:
    return NoNumber(f"{text}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
