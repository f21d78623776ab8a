"""The constraints of a space: read from a document, and compiled into one check of a configuration."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from rungway_server.domain.documents.fields import is_text, shown
from rungway_server.domain.documents.paths import Path, spelled
from rungway_server.domain.errors import Violation
from rungway_server.domain.space.configuration import Configuration
from rungway_server.domain.space.constraints.expressions import ExpressionError, parse, size
from rungway_server.domain.space.constraints.terms import Mismatch, Term, parameter
from rungway_server.domain.space.space import Space

MAX_CONSTRAINTS = 100
"""Most constraints of a space."""
MAX_EFFORT = 100
"""Most work of one check, counted in draws of a parameter: planning a search checks thousands of configurations."""
_OPERATORS_PER_DRAW, _CONDITIONS_PER_DRAW = 10, 10
"""How many names and operators, and how many conditions, cost about as much as one draw of a parameter."""


def read_constraints(value: object, space: Space, violations: list[Violation]) -> tuple[str, ...]:
    """The constraints of a document; what is wrong is added to `violations`."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MAX_CONSTRAINTS:
        violations.append(
            Violation("constraints", f"got {shown(value)}, wanted a list of at most {MAX_CONSTRAINTS} texts")
        )
        return ()
    terms = _Terms(space)
    wrong = [Violation(f"constraints[{i}]", p) for i, text in enumerate(value) if (p := _problem(text, terms))]
    violations += wrong
    if not wrong and (work := _effort(space, terms, value)) > MAX_EFFORT:
        violations.append(
            Violation(
                "constraints",
                f"checking them is as much work as drawing {work} parameters, wanted at most {MAX_EFFORT}: each"
                f" parameter they look at counts 1 (with what its conditions look at), {_OPERATORS_PER_DRAW} names,"
                f" values and operators count 1, and {_CONDITIONS_PER_DRAW} conditions",
            )
        )
    return tuple(value)


def effort(space: Space) -> int:
    """An upper bound on the work of one check, counted in draws of a parameter."""
    terms = _Terms(space)
    for text in space.constraints:
        parse(text, terms.find)
    return _effort(space, terms, space.constraints)


@lru_cache(maxsize=128)
def checker(space: Space) -> Callable[[Configuration], bool]:
    """A function that tells whether a configuration meets all constraints.

    A constraint whose value is unknown because a parameter is absent is met. One that cannot be evaluated (a division
    by zero, a text compared with a number) is not.
    """
    terms = _Terms(space)
    runs = [parse(text, terms.find).run for text in space.constraints]

    def met(values: Configuration) -> bool:
        try:
            return all(run(values) is not False for run in runs)
        except (Mismatch, ArithmeticError):
            return False

    return met


def _effort(space: Space, terms: "_Terms", constraints: Iterable[str]) -> int:
    seen = space.decided_by(terms.found)
    conditions = sum(len(space.conditions.get(path, ())) for path in seen)
    return len(seen) + conditions // _CONDITIONS_PER_DRAW + sum(map(size, constraints)) // _OPERATORS_PER_DRAW


def _problem(text: object, terms: "_Terms") -> str:
    if not isinstance(text, str) or not is_text(text, 10_000):
        return f"got {shown(text)}, wanted a text such as 'a <= b'"
    try:
        parse(text, terms.find)
    except ExpressionError as error:
        return f"{error} in {shown(text)}{terms.hint(text)}"
    return ""


class _Terms:
    """The parameters of a space as terms; `found` caches those that were looked up."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.found: dict[Path, Term] = {}

    def hint(self, text: str) -> str:
        """The spelling, in backquotes, of names that the constraint seems to use without them."""
        names = {name for path in self._space.leaves for name in path if name in text and spelled(name) != name}
        meant = sorted(spelled(name) for name in names if spelled(name) not in text)
        return f"; in backquotes, {', '.join(meant[:5])} is a name" if meant else ""

    def find(self, name: str) -> Term | None:
        """The parameter at a path; None when there is none, or when the path is ambiguous."""
        paths = self._space.paths_named(name)
        if len(paths) != 1:
            return None
        if paths[0] not in self.found:
            self.found[paths[0]] = parameter(paths[0], self._space.leaves[paths[0]].parameter)
        return self.found[paths[0]]
