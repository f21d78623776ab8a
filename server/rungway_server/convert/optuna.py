"""Reads the space of a Python file with Optuna: what its trials suggest, or a mapping of distributions
(https://optuna.readthedocs.io)."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rungway_server.convert.draft import Draft
from rungway_server.convert.python_source import Call, NotLiteral, Source
from rungway_server.domain.documents.fields import finite, shown, whole
from rungway_server.domain.documents.json_values import identity, same
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.foreign import Tool

_NUMBERS = ("low", "high", "step", "log")
_SUGGESTIONS: Mapping[str, tuple[tuple[str, ...], Mapping[str, object]]] = {
    "suggest_float": (("low", "high"), {"type": "float"}),
    "suggest_int": (("low", "high", "step", "log"), {"type": "int"}),
    "suggest_categorical": (("choices",), {"type": "categorical"}),
    "suggest_uniform": (("low", "high"), {"type": "float"}),
    "suggest_loguniform": (("low", "high"), {"type": "float", "log": True}),
    "suggest_discrete_uniform": (("low", "high", "q"), {"type": "float"}),
    "FloatDistribution": (("low", "high", "log", "step"), {"type": "float"}),
    "IntDistribution": (("low", "high", "log", "step"), {"type": "int"}),
    "CategoricalDistribution": (("choices",), {"type": "categorical"}),
    "UniformDistribution": (("low", "high"), {"type": "float"}),
    "LogUniformDistribution": (("low", "high"), {"type": "float", "log": True}),
    "DiscreteUniformDistribution": (("low", "high", "q"), {"type": "float"}),
    "IntUniformDistribution": (("low", "high", "step"), {"type": "int"}),
    "IntLogUniformDistribution": (("low", "high", "step"), {"type": "int", "log": True}),
}
"""The names of the arguments after that of the parameter, and what else is known."""
_LEARNING = ("TPESampler", "CmaEsSampler", "GPSampler", "NSGAIISampler", "NSGAIIISampler", "BoTorchSampler")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_UNREAD = "the condition cannot be read: what is suggested under it always exists here"
When = tuple[tuple[str, tuple[object, ...]], ...]
"""Names of parameters, and the values they must have."""


def read_optuna(source: Source) -> Draft:
    """The space as a draft."""
    draft = Draft(Tool.OPTUNA)
    reader = _Reader(source, draft)
    reader.block(source.tree.body, ())
    reader.distributions()
    _study(source, draft)
    return draft


@dataclass(slots=True)
class _Reader:
    """Goes through the statements and knows under which conditions they run."""

    source: Source
    draft: Draft
    variables: dict[str, str] = field(default_factory=dict)
    """The parameter that each variable has the value of."""
    choices: dict[str, list[object]] = field(default_factory=dict)

    def block(self, statements: Sequence[ast.AST], when: When) -> None:
        for statement in statements:
            if isinstance(statement, ast.If):
                self._if(statement, when)
                continue
            inner = [
                each for name in _BLOCKS for each in getattr(statement, name, None) or () if isinstance(each, ast.AST)
            ]
            inside = {id(node) for each in inner for node in ast.walk(each)}
            for each in ast.iter_child_nodes(statement):
                if id(each) not in inside:
                    self._expression(each, when)
            self._remember(statement)
            self.block(inner, when)

    def _if(self, statement: ast.If, when: When) -> None:
        self._expression(statement.test, when)
        found = self._condition(statement.test)
        if found is None:
            if any(call.name in _SUGGESTIONS for call in self.source.calls(statement)):
                self.draft.gap(statement.lineno, _UNREAD)
            self.block([*statement.body, *statement.orelse], when)
            return
        held, otherwise = self._both(found, when)
        self.block(statement.body, held)
        self.block(statement.orelse, otherwise)

    def _both(self, found: tuple[str, tuple[object, ...]], when: When) -> tuple[When, When]:
        """The conditions under which a test holds, and under which it does not."""
        name, values = found
        others = tuple(each for each in self.choices[name] if not _among(each, values))
        return _and(when, name, values), _and(when, name, others)

    def _expression(self, node: ast.AST, when: When) -> None:
        """What an expression suggests; the two sides of `a if test else b` have conditions."""
        if isinstance(node, ast.IfExp) and (found := self._condition(node.test)):
            held, otherwise = self._both(found, when)
            self._expression(node.body, held)
            self._expression(node.orelse, otherwise)
            return
        if isinstance(node, ast.IfExp) and any(call.name in _SUGGESTIONS for call in self.source.calls(node)):
            self.draft.gap(node.lineno, _UNREAD)
        if call := self.source.call(node):
            self._suggestion(call, when)
        for each in ast.iter_child_nodes(node):
            self._expression(each, when)

    def _condition(self, test: ast.expr) -> tuple[str, tuple[object, ...]] | None:
        """The parameter that a test is about, with the values for which it holds."""
        if isinstance(test, ast.Name) and test.id in self.variables:
            name, values = self.variables[test.id], [True]
            positive = True
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
            name = self.variables.get(test.left.id, "")
            positive = isinstance(test.ops[0], ast.Eq | ast.In)
            if not name or not isinstance(test.ops[0], ast.Eq | ast.In | ast.NotEq | ast.NotIn):
                return None
            try:
                value = self.source.value(test.comparators[0])
            except NotLiteral:
                return None
            values = list(value) if isinstance(test.ops[0], ast.In | ast.NotIn) and isinstance(value, list) else [value]
        else:
            return None
        held = [each for each in self.choices[name] if _among(each, values) is positive]
        return (name, tuple(held)) if held else None

    def _remember(self, statement: ast.AST) -> None:
        """Note a variable that has the value of a categorical parameter."""
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, call = statement.targets[0], self.source.call(statement.value)
            if isinstance(target, ast.Name) and call and call.name == "suggest_categorical":
                name = self._name(call)
                if name in self.choices:
                    self.variables[target.id] = name

    def _name(self, call: Call) -> str:
        node = call.keywords.get("name") or (call.args[0] if call.args else None)
        try:
            name = self.source.value(node) if node is not None else ""
        except NotLiteral:
            name = ""
        return name if isinstance(name, str) else ""

    def _suggestion(self, call: Call, when: When) -> None:
        if not call.name.startswith("suggest_") or call.name not in _SUGGESTIONS:
            return
        if name := self._name(call):
            own = {key: node for key, node in call.keywords.items() if key != "name"}
            args = call.args if "name" in call.keywords else call.args[1:]
            self._add(name, Call(call.node, call.name, call.before, args, own), when)
        else:
            self.draft.gap(call.line, f"{ast.unparse(call.node)}: its name is not a literal: left out")

    def distributions(self) -> None:
        """Mappings of names to distributions."""
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    call = self.source.call(value)
                    if call and call.name.endswith("Distribution") and call.name in _SUGGESTIONS and key is not None:
                        try:
                            self._add(str(self.source.value(key)), call, ())
                        except NotLiteral:
                            self.draft.gap(call.line, f"{ast.unparse(key)}: the name is not a literal: left out")

    def _add(self, name: str, call: Call, when: When) -> None:
        names, words = _SUGGESTIONS[call.name]
        try:
            given = self.source.arguments(call, *names)
        except NotLiteral:
            self.draft.gap(call.line, f"{name}: {ast.unparse(call.node)} has no literal arguments: left out")
            return
        form = self.draft.parameter(call.line, name, {**words, **given})
        if form is None:
            return
        if isinstance(vals := form.get("vals"), list):
            self.choices[name] = vals
        conditions = {spelled(each): list(values) for each, values in when}
        before = self.draft.hyperparameters.get(name)
        if not isinstance(before, Mapping):
            self.draft.hyperparameters[name] = {**form, "when": conditions} if conditions else form
            return
        earlier = {key: value for key, value in before.items() if key != "when"}
        if identity(earlier) != identity(form):
            self.draft.gap(call.line, f"{name}: is suggested once more with another range; the first one is written")
        if before.get("when") != (conditions or None):
            self.draft.gap(call.line, f"{name}: is suggested under several conditions: here it always exists")
            self.draft.hyperparameters[name] = earlier


def _among(value: object, values: Sequence[object]) -> bool:
    return any(same(value, each) for each in values)


def _and(when: When, name: str, values: tuple[object, ...]) -> When:
    """The conditions with one more; those of one parameter hold together."""
    before = dict(when)
    return tuple((before | {name: tuple(each for each in before.get(name, values) if _among(each, values))}).items())


def _study(source: Source, draft: Draft) -> None:
    """The searcher, from how the study is made and run."""
    searcher, larger, trials, line = draft.searcher, None, None, 1
    searcher |= {"name": "random", "max_concurrent_trials": 0}
    for call in source.calls(source.tree):
        given = source.literals(call)
        if call.name == "create_study":
            line = call.line
            larger = given.get("direction") == "maximize"
            if "directions" in call.keywords:
                draft.gap(call.line, "directions: a search has one metric; the first direction is written")
                directions = given.get("directions")
                larger = bool(isinstance(directions, list) and directions and directions[0] == "maximize")
            if isinstance(name := given.get("study_name"), str):
                draft.more["name"] = name
        elif call.name == "optimize" or "n_trials" in call.keywords:
            trials, line = given.get("n_trials"), call.line
            if given.get("timeout"):
                draft.gap(call.line, "timeout: a search has no time limit: `rungway stop` ends it")
        elif call.name.endswith("Sampler"):
            _sampler(source, draft, call, given)
        elif call.name.endswith("Pruner"):
            _pruner(draft, call, given)
    if searcher["name"] != "grid":
        draft.trials(line, trials, "n_trials")
    draft.objective(line, "objective", larger)


def _sampler(source: Source, draft: Draft, call: Call, given: Mapping[str, object]) -> None:
    if isinstance(seed := whole(given.get("seed")), int):
        draft.more["seed"] = seed
    if call.name in _LEARNING:
        draft.gap(call.line, f"{call.name}: learns from results; here configurations are drawn at random")
    elif call.name == "QMCSampler":
        draft.searcher["sampler"] = "sobol"
    elif call.name == "GridSampler":
        try:
            points = source.arguments(call, "search_space").get("search_space")
        except NotLiteral:
            points = None
        if not isinstance(points, Mapping):
            draft.gap(call.line, "GridSampler: its search_space is no literal; random is written")
            return
        draft.searcher["name"] = "grid"
        listed = {str(name): values for name, values in points.items() if isinstance(values, list)}
        draft.hyperparameters |= {name: {"type": "categorical", "vals": vals} for name, vals in listed.items()}


def _pruner(draft: Draft, call: Call, given: Mapping[str, object]) -> None:
    longest = whole(given.get("max_resource"))
    least, eta = whole(given.get("min_resource", 1)), finite(given.get("reduction_factor", 3))
    if call.name == "HyperbandPruner" and isinstance(longest, int):
        draft.searcher |= {"name": "adaptive_asha", "max_length": longest, "divisor": eta, "stop_once": True}
        draft.searcher |= {"min_length": least} if isinstance(least, int) and least > 1 else {}
        draft.gap(call.line, "HyperbandPruner: the nearest is adaptive_asha with stop_once: true")
    elif call.name != "NopPruner":
        nearest = "async_halving with stop_once: true, max_length and divisor"
        draft.gap(call.line, f"{call.name}: no longest length is known ({shown(longest)}); the nearest is {nearest}")
