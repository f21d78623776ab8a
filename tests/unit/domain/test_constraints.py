"""The language of constraints: what it means, and that nothing else is in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.documents.paths import read_path
from rungway_server.domain.errors import Violation
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.sampling import feasible_share, propose
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.space.configuration import ABSENT
from rungway_server.domain.space.constraints.expressions import MAX_DEPTH, MAX_TEXT, ExpressionError
from rungway_server.domain.space.constraints.expressions import parse as parse_expression
from rungway_server.domain.space.constraints.terms import Kind, Mismatch, Term, parameter
from rungway_server.domain.space.space import Categorical, Double, Int, Parameter
from tests.unit.domain.documents import violations_of

NODES: dict[str, Parameter] = {
    "a": Int(0, 100),
    "b": Int(0, 100),
    "x": Double(0.0, 1.0),
    "model.lr": Double(0.0, 1.0),
    "t": Categorical(("sgd", "adam")),
    "flag": Categorical((True, False)),
    "mixed": Categorical((1, "auto", None, True)),
    "none": Categorical((None, [1])),
    "learning-rate": Double(0.0, 1.0),
    "if": Int(0, 1),
}
UNIT = {"type": "double", "minval": 0, "maxval": 1}


def named(text: str) -> Term | None:
    name = ".".join(read_path(text)[0])
    return parameter((name,), NODES[name]) if name in NODES else None


def value(text: str, **values: object) -> object:
    everything: dict[tuple[str, ...], object] = {(name,): ABSENT for name in NODES}
    everything.update({(name,): given for name, given in values.items()})
    return parse_expression(text, named).run(everything)


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("2 - 3 - 4 == -5", True),
        ("8 / 4 / 2 == 1", True),
        ("--3 == 3 and -2 * -3 == 6 and 2 - -1 == 3", True),
        ("1e-3 < .5 and 2. > 1.5E0", True),
        ("0.1 + 0.2 == 0.3", False),
        ("7 / 2 == 3.5", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("1 < 2 == 2 < 3", True),
        ("'abc' < \"abd\"", True),
        ("'it is \"so\"' != ''", True),
        ("not 1 < 2", False),
        ("not not 1 < 2", True),
        ("1 > 2 and 1 > 2 or 1 < 2", True),
        ("1 > 2 and (1 > 2 or 1 < 2)", False),
        ("if 1 < 2 then 3 < 2", False),
        ("if 1 > 2 then 3 < 2", True),
        ("if 1 < 2 then if 2 < 3 then 4 < 3", False),
        ("1 < 2 and (if 1 < 2 then false)", False),
        ("true and True and not false and not False", True),
        ("null == None", True),
    ],
)
def test_meaning(text: str, expect: bool) -> None:
    assert value(text) is expect


@pytest.mark.parametrize(
    ("text", "values", "expect"),
    [
        ("a <= b", {"a": 3, "b": 3}, True),
        ("a * x < b", {"a": 3, "b": 1, "x": 0.5}, False),
        ("model.lr < x", {"model.lr": 0.1, "x": 0.2}, True),
        ("`learning-rate` < x", {"learning-rate": 0.1, "x": 0.2}, True),
        ("`if` == 1", {"if": 1}, True),
        ("t == 'sgd'", {"t": "sgd"}, True),
        ("flag", {"flag": False}, False),
        ("not flag", {"flag": False}, True),
        ("mixed == 1", {"mixed": True}, False),
        ("mixed != 1", {"mixed": "auto"}, True),
        ("mixed == null", {"mixed": None}, True),
        ("mixed == 'auto' or mixed < 3", {"mixed": "auto"}, True),
        ("none == null", {"none": [1]}, False),
    ],
)
def test_names(text: str, values: dict[str, object], expect: bool) -> None:
    assert value(text, **values) is expect


@pytest.mark.parametrize("text", ["mixed < 3", "mixed + 1 == 2", "not mixed", "mixed or a < 1", "-mixed < 0"])
def test_values_that_do_not_fit_together(text: str) -> None:
    with pytest.raises(Mismatch):
        value(text, mixed=None, a=3)


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("a < b", ABSENT),
        ("a + 1 == 2", ABSENT),
        ("not a < 1", ABSENT),
        ("a < 1 or 1 < 2", True),
        ("1 < 2 or a < 1", True),
        ("a < 1 or 2 < 1", ABSENT),
        ("a < 1 and 2 < 1", False),
        ("2 < 1 and a < 1", False),
        ("1 < 2 and a < 1", ABSENT),
        ("if a < 1 then 2 < 1", ABSENT),
        ("if a < 1 then 1 < 2", True),
        ("if 2 < 1 then a < 1", True),
    ],
)
def test_absent_parameters_leave_open_what_depends_on_them(text: str, expect: object) -> None:
    assert value(text) is expect


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at character 1: found 'the end', wanted a name"),
        ("a <", "at character 4: found 'the end', wanted a name"),
        ("a < b b", "at character 7: found 'b', wanted an operator or the end"),
        ("a < (b", "at character 7: found 'the end', wanted ')'"),
        ("a < b)", "at character 6: found ')', wanted an operator or the end"),
        ("if a < b", "at character 9: found 'the end', wanted 'then'"),
        ("a = b", "at character 3: '=' is not understood here"),
        ("a ** b < 1", "at character 4: found '*', wanted a name"),
        ("a < 'x", 'at character 5: "\'" is not understood here'),
        ("a < b; b", "at character 6: ';' is not understood here"),
        ("zz < 1", "at character 1: 'zz' is not a parameter of the space"),
        ("a < __import__('os')", "at character 5: '__import__' is not a parameter of the space"),
        ("a.b.c < 1", "at character 1: 'a.b.c' is not a parameter of the space"),
        ("a[0] < 1", "at character 2: '[' is not understood here"),
        ("lambda: 1", "at character 7: ':' is not understood here"),
        ("a", "at character 1: a number as a whole, wanted true or false"),
        ("a and flag", "at character 1: a number on the left of 'and', wanted true or false"),
        ("flag or 'x'", "at character 1: a text on the right of 'or', wanted true or false"),
        ("not a", "at character 1: a number after 'not' or 'if', wanted true or false"),
        ("a < 't'", "at character 1: a number and a text cannot be compared by '<'"),
        ("flag < flag", "at character 1: true or false and true or false cannot be compared by '<'"),
        ("b == 1 and t == 3", "at character 12: a text is never equal to a number"),
        ("t + 1 == 2", "at character 1: a text on the left of '+', wanted a number"),
        ("1 - none == 2", "at character 1: null, a list or a mapping on the right of '-', wanted a number"),
        ("(" * 40 + "a", f"at character {MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH}"),
        ("a < b" + " " * MAX_TEXT, f"at character {MAX_TEXT + 1}: longer than {MAX_TEXT} characters"),
        ("+".join("a" * 150) + " < 1", "at character 201: more than 200 names, values and operators"),
        ("1e999 < a", "at character 1: 1e999… is too large"),
        ("9" * 500 + " < a", "at character 1: " + "9" * 20 + "… is too large"),
    ],
)
def test_mistakes_are_said_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, named)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["+".join("a" * 99) + " < 1", "- " * 195 + "a < 1", "not " * 190 + "flag"])
def test_the_longest_constraints_can_be_worked_out(text: str) -> None:
    assert value(text, a=3, flag=True) in (True, False)


def test_kinds() -> None:
    (term,) = [named("mixed")]
    assert term is not None
    assert term.kinds == set(Kind)


@given(st.text(alphabet="abxt.'\"`()<>=!+-*/ 019eE_ifthenorad\n", max_size=30))
def test_nothing_breaks_the_parser(text: str) -> None:
    try:
        term = parse_expression(text, named)
    except ExpressionError:
        return
    everything: dict[tuple[str, ...], object] = {("a",): 1, ("b",): 2, ("x",): 0.5, ("t",): "sgd", ("flag",): True}
    try:
        outcome = term.run({**{(name,): ABSENT for name in NODES}, **everything})
    except (Mismatch, ArithmeticError):
        return
    assert outcome in (True, False) or outcome is ABSENT


def document(space: dict[str, Any], *constraints: object, **searcher: object) -> dict[str, Any]:
    section = {"name": "random", "metric": "loss", "max_trials": 50, **searcher}
    return {"hyperparameters": space, "constraints": list(constraints), "searcher": section}


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_every_configuration_meets_the_constraints(sampler: str) -> None:
    space = {
        "lr": {"type": "log_uniform", "minval": 1e-5, "maxval": 0.1},
        "low": UNIT,
        "model": {"high": UNIT},
        "optimizer": {"type": "categorical", "vals": ["adam", "sgd"]},
        "momentum": {**UNIT, "when": {"optimizer": "sgd"}},
    }
    texts = ["low + 0.2 <= model.high", "if optimizer == 'sgd' then lr <= 1e-3", "momentum >= 0.5"]
    config, _ = parse(document(space, *texts, sampler=sampler))
    assert config.space.constraints == tuple(texts)
    assert parse(to_document(config))[0] == config
    kinds = set()
    for number in range(300):
        drawn: Any = propose(config.space, 7, number)
        assert propose(config.space, 7, number) == drawn
        assert drawn["low"] + 0.2 <= drawn["model"]["high"]
        assert drawn["optimizer"] == "adam" or (drawn["lr"] <= 1e-3 and drawn["momentum"] >= 0.5)
        kinds.add(drawn["optimizer"])
    assert kinds == {"adam", "sgd"}


def test_what_constraints_do_not_touch_stays_as_it_was() -> None:
    space = {"a": UNIT, "b": UNIT, "c": UNIT}
    free, _ = parse(document(space))
    bound, _ = parse(document(space, "a < b"))
    alike = 0
    for number in range(100):
        before: Any = propose(free.space, 3, number)
        if before["a"] < before["b"]:
            alike += 1
            assert propose(bound.space, 3, number) == before
    assert 30 < alike < 70


@pytest.mark.parametrize(
    ("constraint", "share"), [("a < b", 0.5), ("a < 0.25", 0.25), ("a < b and b < 0.1", 0.005), ("a >= 0", 1.0)]
)
def test_the_feasible_share_is_estimated(constraint: str, share: float) -> None:
    config, _ = parse(document({"a": UNIT, "b": UNIT}, constraint))
    assert feasible_share(config.space) == pytest.approx(share, abs=0.03)
    assert feasible_share(parse(document({"a": UNIT}))[0].space) == 1.0


def test_the_share_of_few_points_is_exact() -> None:
    space = {name: {"type": "int", "minval": 1, "maxval": 10} for name in "ab"}
    config, _ = parse(document(space, "a < b"))
    assert feasible_share(config.space) == 0.45
    _, notes = make_plan(config.searcher, config.space)
    assert notes == (
        "constraints: about 45.000% of all configurations meet them",
        "hyperparameters: 50 trials, but only 45 different configurations",
    )


def test_a_space_that_is_nearly_empty_is_refused() -> None:
    (violation,) = violations_of(document({"a": UNIT, "b": UNIT}, "a + b < 0.01"))
    assert violation == Violation("constraints", "0.0000% of all configurations meet them, wanted at least 0.1%")
    few = {name: {"type": "int", "minval": 1, "maxval": 100} for name in "ab"}
    (violation,) = violations_of(document(few, "a * b > 10000"))
    assert violation.description == "0.0000% of all configurations meet them, wanted at least one"
    config, _ = parse(document(few, "a * b == 10000"))  # 0.01 %, but counted, not drawn
    assert propose(config.space, 1, 5) == {"a": 100, "b": 100}


def test_what_cannot_be_worked_out_is_not_met() -> None:
    space = {"a": {"type": "int", "minval": 0, "maxval": 3}, "m": {"type": "categorical", "vals": [5, "auto"]}}
    config, _ = parse(document(space, "1 / a < 2", "m < 9"))
    assert {str(propose(config.space, 0, number)) for number in range(3)} == {str({"a": a, "m": 5}) for a in (1, 2, 3)}


@pytest.mark.parametrize(
    ("constraints", "expect"),
    [
        ("a < b", ["constraints"]),
        ({"a": 1}, ["constraints"]),
        (["a < 1"] * 101, ["constraints"]),
        (["a < 1", 3, "a <", "b.a < 1"], ["constraints[1]", "constraints[2]", "constraints[3]"]),
        ([None], ["constraints[0]"]),
        (["x" * 20_000], ["constraints[0]"]),
    ],
)
def test_violations(constraints: object, expect: list[str]) -> None:
    found = violations_of({**document({"a": UNIT}), "constraints": constraints})
    assert [violation.field for violation in found] == expect
    assert all(len(violation.description) < 300 for violation in found)


def test_names_with_dots_in_them_are_refused_when_they_are_not_clear() -> None:
    (violation,) = violations_of(document({"a": {"b.c": UNIT}, "a.b": {"c": UNIT}}, "a.b.c < 1"))
    assert violation.field == "constraints[0]"
    for text in ("a.`b.c` < 1", "`a.b`.c < 1"):
        parse(document({"a": {"b.c": UNIT}, "a.b": {"c": UNIT}}, text))
