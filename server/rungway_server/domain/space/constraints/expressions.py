"""The language of constraints: `a <= b`, `if optimizer == 'sgd' then model.lr * 10 <= 1`.

    rule        = "if" either "then" rule | either
    either      = both { "or" both }
    both        = denial { "and" denial }
    denial      = "not" denial | comparison
    comparison  = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }      chains as in mathematics: 0 < a < b
    sum         = product { ("+" | "-") product }
    product     = factor { ("*" | "/") factor }
    factor      = "-" factor | number | text | "true" | "false" | "null" | name | "(" rule ")"

Texts are quoted with single or double quotes. Names are paths (see `documents/paths.py`): dots separate nested names,
and names that contain anything but letters, digits and "_", or are words of the language, are written in backquotes.
There is nothing else: no calls, no indexing, no attributes, so an expression from a user is safe to evaluate.

Logic has three values (Kleene): the value of a term is unknown if it depends on an absent parameter. Each term knows
the kinds of values it may have, so comparing a text with a number is refused when the constraint is read.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from rungway_server.domain.documents.paths import NAME
from rungway_server.domain.space.constraints.terms import (
    Term,
    both,
    chain,
    constant,
    deny,
    either,
    implies,
    negate,
    reckon,
    statement,
)

MAX_TEXT = 1000
"""Longest constraint, in characters."""
MAX_TOKENS = 200
"""Most names, numbers, texts and operators of a constraint."""
MAX_NUMBER = 1e300
"""Largest number written in a constraint."""
MAX_DEPTH = 30
"""Deepest nesting of a constraint."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    rf"|(?P<name>{NAME}(?:\.{NAME})*)|(?P<sign><=|>=|==|!=|[-+*/<>()])|(?P<wrong>\S))"
)
_WORDS = frozenset({"if", "then", "and", "or", "not"})
_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


class ExpressionError(Exception):
    """What is wrong with an expression, and at which character (counted from 1)."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"at character {position}: {problem}")


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str, names: Callable[[str], Term | None]) -> Term:
    """An expression as a term; `names` maps paths to parameters, and unknown ones to None.

    Raises ExpressionError for syntax errors, unknown names, and kinds of values that do not fit together.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError(MAX_TEXT + 1, f"longer than {MAX_TEXT} characters")
    return _Parser(_tokens(text), names).whole()


def size(text: str) -> int:
    """How many names, numbers, texts and operators an expression has."""
    return len(_tokens(text)) - 1


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        token = _Token(kind, match[kind], match.start(kind) + 1)
        if kind == "wrong":
            raise ExpressionError(token.position, f"{token.text!r} is not understood here")
        tokens.append(token._replace(kind="word") if token.text in _WORDS else token)
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError(tokens[MAX_TOKENS].position, f"more than {MAX_TOKENS} names, values and operators")
    return [*tokens, _Token("end", "the end", len(text) + 1)]


def _number(token: _Token) -> float:
    number = float(token.text)
    if abs(number) > MAX_NUMBER:
        raise ExpressionError(token.position, f"{token.text[:20]}… is too large")
    return int(token.text) if token.text.isdigit() else number


class _Parser:
    """Recursive descent: one method per line of the grammar."""

    def __init__(self, tokens: list[_Token], names: Callable[[str], Term | None]) -> None:
        self._tokens = tokens
        self._names = names
        self._at = 0
        self._depth = 0

    def whole(self) -> Term:
        start = self._token.position
        term = self._rule()
        if self._token.kind != "end":
            raise self._unexpected("wanted an operator or the end")
        return self._checked(start, lambda: statement(term))

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _rule(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(self._token.position, f"nested deeper than {MAX_DEPTH}")
        start = self._token.position
        if not self._take("if"):
            term = self._either()
        else:
            when = self._either()
            self._want("then")
            then = self._rule()
            term = self._checked(start, lambda: implies(when, then))
        self._depth -= 1
        return term

    def _either(self) -> Term:
        return self._left(self._both, {"or": either})

    def _both(self) -> Term:
        return self._left(self._denial, {"and": both})

    def _denial(self) -> Term:
        start, times = self._token.position, 0
        while self._take("not"):
            times += 1
        term = self._comparison()
        for _ in range(times):
            term = self._checked(start, lambda: deny(term))  # noqa: B023  (called at once)
        return term

    def _comparison(self) -> Term:
        start, terms, signs = self._token.position, [self._sum()], []
        while sign := self._take(*_COMPARISONS):
            signs.append(sign)
            terms.append(self._sum())
        return self._checked(start, lambda: chain(signs, terms)) if signs else terms[0]

    def _sum(self) -> Term:
        return self._left(self._product, {sign: reckon(sign) for sign in "+-"})

    def _product(self) -> Term:
        return self._left(self._factor, {sign: reckon(sign) for sign in "*/"})

    def _left(self, operand: Callable[[], Term], operators: Mapping[str, Callable[[Term, Term], Term]]) -> Term:
        """Operands between operators of one rank, from left to right."""
        start, term = self._token.position, operand()
        while sign := self._take(*operators):
            before, after = term, operand()
            term = self._checked(start, lambda: operators[sign](before, after))  # noqa: B023  (called at once)
        return term

    def _factor(self) -> Term:
        start, minuses = self._token.position, 0
        while self._take("-"):
            minuses += 1
        term = self._primary()
        for _ in range(minuses):
            term = self._checked(start, lambda: negate(term))  # noqa: B023  (called at once)
        return term

    def _primary(self) -> Term:
        if self._take("("):
            term = self._rule()
            self._want(")")
            return term
        token = self._token
        self._at += token.kind in ("number", "text", "name")
        match token.kind:
            case "number":
                return constant(_number(token))
            case "text":
                return constant(token.text[1:-1])
            case "name":
                return self._named(token)
        raise self._unexpected("wanted a name, a number, a text or '('")

    def _named(self, token: _Token) -> Term:
        if token.text in _CONSTANTS:
            return constant(_CONSTANTS[token.text])
        term = self._names(token.text)
        if term is None:
            raise ExpressionError(token.position, f"{token.text!r} is not a parameter of the space")
        return term

    def _checked(self, position: int, make: Callable[[], Term]) -> Term:
        try:
            return make()
        except ValueError as problem:
            raise ExpressionError(position, str(problem)) from None

    def _take(self, *texts: str) -> str:
        token = self._token
        if token.kind in ("word", "sign") and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _want(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(f"wanted {text!r}")

    def _unexpected(self, wanted: str) -> ExpressionError:
        return ExpressionError(self._token.position, f"found {self._token.text!r}, {wanted}")
