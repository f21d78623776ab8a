"""Terms: parsed expressions that are evaluated on a configuration.

The value of a term is ABSENT if it depends on an absent parameter. `and`, `or`, `not` and `if` follow Kleene's
three-valued logic, so `a and b` is always the same as `b and a`.
"""

import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.documents.paths import Path
from rungway_server.domain.space.configuration import ABSENT
from rungway_server.domain.space.space import Categorical, Const, Ordinal, Parameter

Values: TypeAlias = Mapping[Path, object]
Run: TypeAlias = Callable[[Values], Any]


class Kind(StrEnum):
    """The kinds of values, as far as operators care."""

    NUMBER = "a number"
    TEXT = "a text"
    TRUTH = "true or false"
    OTHER = "null, a list or a mapping"


class Mismatch(Exception):
    """Two values of a configuration cannot be used together: a text less than a number, say."""


class Term(NamedTuple):
    """A part of an expression: a function of the configuration, and the kinds of values that it may return.

    `vals` are those values, where they are listed. With `ranked` they rank by their places in that list: an ordinal's,
    unless all of them are numbers.
    """

    run: Run
    kinds: frozenset[Kind]
    vals: tuple[object, ...] = ()
    ranked: bool = False


_TRUTH = frozenset({Kind.TRUTH})
_NUMBER = frozenset({Kind.NUMBER})
_ORDERED = frozenset({Kind.NUMBER, Kind.TEXT})
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def kind_of(value: object) -> Kind:
    """The kind of a value."""
    if isinstance(value, bool):
        return Kind.TRUTH
    if isinstance(value, int | float):
        return Kind.NUMBER
    return Kind.TEXT if isinstance(value, str) else Kind.OTHER


def constant(value: object) -> Term:
    """A value written in the expression."""
    return Term(lambda _: value, frozenset({kind_of(value)}), (value,))


def parameter(path: Path, node: Parameter) -> Term:
    """A parameter of the space."""
    match node:
        case Const(val):
            vals: tuple[object, ...] = (val,)
        case Categorical(vals) | Ordinal(vals):
            pass
        case _:
            return Term(operator.itemgetter(path), _NUMBER)
    kinds = frozenset(map(kind_of, vals))
    return Term(operator.itemgetter(path), kinds, vals, isinstance(node, Ordinal) and kinds != _NUMBER)


def reckon(sign: str) -> Callable[[Term, Term], Term]:
    """The arithmetic of a sign: a function that makes a term of two. It raises ValueError for terms that are never
    numbers."""
    work = _OPERATORS[sign]

    def make(left: Term, right: Term) -> Term:
        _demand(left, _NUMBER, f"on the left of {sign!r}")
        _demand(right, _NUMBER, f"on the right of {sign!r}")
        return Term(_known(left.run, right.run, lambda a, b: work(_number(a), _number(b))), _NUMBER)

    return make


def negate(term: Term) -> Term:
    """Minus a number. Raises ValueError for a term that is never a number."""
    return reckon("-")(constant(0), term)


def chain(signs: Sequence[str], terms: Sequence[Term]) -> Term:
    """A chain of comparisons, a < b <= c: all must hold. Raises ValueError for kinds that can never be compared."""
    links = [_compare(sign, *terms[i : i + 2]) for i, sign in enumerate(signs)]
    whole = links[0]
    for link in links[1:]:
        whole = both(whole, link)
    return whole


def statement(term: Term) -> Term:
    """A whole constraint. Raises ValueError for a term that is never true or false."""
    return deny(deny(_demand(term, _TRUTH, "as a whole")))


def both(left: Term, right: Term) -> Term:
    """`and`. Raises ValueError for a term that is never true or false."""
    return _logic(left, right, "and", decisive=False)


def either(left: Term, right: Term) -> Term:
    """`or`. Raises ValueError for a term that is never true or false."""
    return _logic(left, right, "or", decisive=True)


def implies(when: Term, then: Term) -> Term:
    """`if … then …`. Raises ValueError for a term that is never true or false."""
    return either(deny(when), then)


def deny(term: Term) -> Term:
    """`not`. Raises ValueError for a term that is never true or false."""
    _demand(term, _TRUTH, "after 'not' or 'if'")
    run = term.run

    def denied(values: Values) -> Any:
        value = run(values)
        return value if value is ABSENT else not _truth(value)

    return Term(denied, _TRUTH)


def _compare(sign: str, left: Term, right: Term) -> Term:
    if sign in ("==", "!="):
        if not left.kinds & right.kinds:
            raise ValueError(f"{_kinds(left)} is never equal to {_kinds(right)}")
        equal = sign == "=="
        work = lambda a, b: (kind_of(a) is kind_of(b) and a == b) is equal  # noqa: E731
    elif left.ranked or right.ranked:
        order, places = _OPERATORS[sign], _places(left, right)
        work = lambda a, b: order(places[identity(a)], places[identity(b)])  # noqa: E731
    else:
        if not left.kinds & right.kinds & _ORDERED:
            raise ValueError(f"{_kinds(left)} and {_kinds(right)} cannot be compared by {sign!r}")
        order = _OPERATORS[sign]
        work = lambda a, b: order(*_orderable(a, b))  # noqa: E731
    return Term(_known(left.run, right.run, work), _TRUTH)


def _places(left: Term, right: Term) -> Mapping[Hashable, int]:
    """The places of the values of an ordinal. Raises ValueError for what it is compared with if that is not one."""
    vals = left.vals if left.ranked else right.vals
    places = {identity(value): place for place, value in enumerate(vals)}
    for term in (left, right):
        other = next((value for value in term.vals if identity(value) not in places), None)
        if not term.vals or other is not None or (term.ranked and term.vals != vals):
            what = shown(other) if term.vals else _kinds(term)
            raise ValueError(f"{what} is compared with an ordinal by its order, wanted one of its values")
    return places


def _logic(left: Term, right: Term, word: str, *, decisive: bool) -> Term:
    _demand(left, _TRUTH, f"on the left of {word!r}")
    _demand(right, _TRUTH, f"on the right of {word!r}")
    first, second = left.run, right.run

    def run(values: Values) -> Any:
        one = first(values)
        if one is not ABSENT and _truth(one) is decisive:
            return decisive
        other = second(values)
        if other is not ABSENT and _truth(other) is decisive:
            return decisive
        return ABSENT if one is ABSENT or other is ABSENT else not decisive

    return Term(run, _TRUTH)


def _known(left: Run, right: Run, work: Callable[[Any, Any], object]) -> Run:
    def run(values: Values) -> object:
        one, other = left(values), right(values)
        return ABSENT if one is ABSENT or other is ABSENT else work(one, other)

    return run


def _demand(term: Term, wanted: frozenset[Kind], place: str) -> Term:
    if not term.kinds & wanted:
        raise ValueError(f"{_kinds(term)} {place}, wanted {' or '.join(wanted)}")
    return term


def _kinds(term: Term) -> str:
    return " or ".join(sorted(term.kinds))


def _number(value: Any) -> Any:
    if kind_of(value) is not Kind.NUMBER:
        raise Mismatch
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise Mismatch
    return value


def _orderable(one: Any, other: Any) -> tuple[Any, Any]:
    if kind_of(one) is not kind_of(other) or kind_of(one) not in _ORDERED:
        raise Mismatch
    return one, other
