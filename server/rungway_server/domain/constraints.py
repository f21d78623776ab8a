"""What must hold between the parameters of every configuration."""

from collections.abc import Callable

from rungway_server.domain.configuration import Configuration
from rungway_server.domain.errors import Violation
from rungway_server.domain.expressions import ExpressionError, parse
from rungway_server.domain.fields import is_text, shown
from rungway_server.domain.space import Space, paths_named
from rungway_server.domain.terms import Mismatch, Term, parameter

MAX_CONSTRAINTS = 100
"""Most constraints of a space."""


def read_constraints(value: object, space: Space, violations: list[Violation]) -> tuple[str, ...]:
    """The constraints of a document; what is wrong is added to `violations`."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MAX_CONSTRAINTS:
        violations.append(
            Violation("constraints", f"got {shown(value)}, wanted a list of at most {MAX_CONSTRAINTS} texts")
        )
        return ()
    for index, text in enumerate(value):
        if problem := _problem(text, space):
            violations.append(Violation(f"constraints[{index}]", problem))
    return tuple(value)


def checker(space: Space) -> Callable[[Configuration], bool]:
    """Whether a configuration meets all constraints.

    A constraint that absent parameters leave open is met. One that cannot be worked out (a division by zero, a text
    less than a number) is not.
    """
    runs = [parse(text, lambda name: _named(space, name)).run for text in space.constraints]

    def met(values: Configuration) -> bool:
        try:
            return all(run(values) is not False for run in runs)
        except (Mismatch, ArithmeticError):
            return False

    return met


def _problem(text: object, space: Space) -> str:
    if not isinstance(text, str) or not is_text(text, 10_000):
        return f"got {shown(text)}, wanted a text such as 'a <= b'"
    try:
        parse(text, lambda name: _named(space, name))
    except ExpressionError as error:
        return f"{error} in {shown(text)}"
    return ""


def _named(space: Space, name: str) -> Term | None:
    paths = paths_named(space.leaves, name)
    return parameter(paths[0], space.leaves[paths[0]].parameter) if len(paths) == 1 else None
