"""The Lua files: each includes exactly what it uses and names what it defines for others."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest

from rungway_server.domain.engine import Reason
from rungway_server.store.redis import scripts
from rungway_server.store.redis.layout.in_lua import with_values
from rungway_server.store.redis.scripts import LEDGER_NAMES, NAMES, Sources, load_scripts, names_in

LUA = Path(scripts.__file__).with_name("lua")
COMMANDS = {path.stem: path.read_text() for path in sorted((LUA / "commands").glob("*.lua"))}
INCLUDES = {path.stem: path.read_text() for path in sorted((LUA / "include").glob("*.lua"))}
SOURCES = Sources()
DEFINED = {name: {each for part in SOURCES.include(name)[1] for each in part.names} for name in (*INCLUDES, "layout")}
"""The names that each include defines; `layout` is generated from tables in Python."""
HOME = {name: include for include, names in DEFINED.items() for name in names}

INCLUDE = re.compile(r'^--- @include "(\w+)"\n', re.MULTILINE)
MADE_WHEN_CALLED = re.compile(
    r"^local function [^\n]*\n(?:--- @apart\n)?--- @include .*?^end\n", re.MULTILINE | re.DOTALL
)
COMMENT_OR_TEXT = re.compile(r"--.*|'(?:\\.|[^'\\])*'")
DECLARED = re.compile(r"local (?!function)([\w, ]+)|for ([\w, ]+) (?:in|=)|function ?(\w*)\(([^)]*)\)|[{,]\s*(\w+) =")
WORD = re.compile(r"\w+")
LUA_WORDS = WORD.findall(
    "and break do else elseif end false for function if in local nil not or repeat return then true until while"
)
GIVEN = WORD.findall(
    "ARGV KEYS cjson cmsgpack ipairs math pairs pcall redis string struct table tonumber tostring type unpack"
)
"""The names that Redis defines for every script."""


def names_of(text: str) -> frozenset[str]:
    """The names that a text uses, without its functions that have includes of their own."""
    return names_in(COMMENT_OR_TEXT.sub("", with_values(MADE_WHEN_CALLED.sub("", text))))


@dataclass(frozen=True)
class Scope:
    """A text with its own includes: a file, or a function in it that defines them when it is called."""

    file: str
    text: str
    around: tuple[str, ...] = ()
    """The includes of the text around a function."""

    @property
    def included(self) -> list[str]:
        """Its includes."""
        return INCLUDE.findall(MADE_WHEN_CALLED.sub("", self.text))

    @property
    def used(self) -> set[str]:
        """Other includes that define a name it uses."""
        return {HOME[name] for name in names_of(self.text) & HOME.keys()} - {self.file.partition("include/")[2]}


def scopes() -> Iterator[Scope]:
    """Every file, and every function with includes of its own."""
    files = {f"include/{name}": text for name, text in INCLUDES.items()} | COMMANDS
    for file, text in files.items():
        yield (whole := Scope(file, text))
        for inside in MADE_WHEN_CALLED.findall(text):
            yield Scope(file, inside.partition("\n")[2], tuple(whole.included))


@pytest.mark.parametrize("scope", list(scopes()), ids=lambda scope: scope.file)
def test_a_text_includes_what_it_uses_and_nothing_else(scope: Scope) -> None:
    assert len(scope.included) == len(set(scope.included))
    assert set(scope.included) <= scope.used, "an include without a use"
    assert scope.used - {*scope.around} <= set(scope.included), "a use without its include"


def test_includes_need_each_other_in_one_direction() -> None:
    for name in INCLUDES:
        needed = {other for each in SOURCES.include(name)[0] for other in SOURCES.in_order([each])}
        assert name not in needed


def test_a_name_is_defined_once() -> None:
    assert sum(map(len, DEFINED.values())) == len(HOME)
    for text in COMMANDS.values():
        assert not set(re.findall(r"^local function (\w+)", text, re.MULTILINE)) & HOME.keys()


@pytest.mark.parametrize("name", INCLUDES)
def test_an_include_says_what_it_gives(name: str) -> None:
    """Its header names exactly what other files use of it."""
    head = "\n".join(takewhile(lambda line: line.startswith("-- "), INCLUDES[name].splitlines()))
    purpose, _, gives = head.partition("-- Gives  ")
    used = {each for scope in scopes() if scope.file != f"include/{name}" for each in names_of(scope.text)}
    assert purpose
    assert set(WORD.findall(gives.partition(".")[0])) == DEFINED[name] & used


def head_of(name: str) -> dict[str, str]:
    """The parts of the comment at the head of a command, by the word that each begins with."""
    head = "\n".join(takewhile(lambda line: line.startswith("-- "), COMMANDS[name].splitlines()[1:]))
    return dict(re.findall(r"^-- ([A-Z]\w+) +(.*?)(?=^-- [A-Z]|\Z)", head, re.MULTILINE | re.DOTALL))


def answers_of(name: str) -> set[str]:
    """The first words of what a command returns."""
    code = re.sub(r"--.*", "", COMMANDS[name])
    words = set(re.findall(r"(?:return|return with_notes\(search,|answer[\w, ]* =) \{ '(\w+)'", code))
    return words | ({"missing", "stale"} if "open_experiment" in code else set())


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_what_it_takes_and_answers(name: str) -> None:
    head = head_of(name)
    assert head.keys() >= {"KEYS", "ARGV", "Returns"}
    arguments = [int(number) for number in re.findall(r"(?<![\w.])(\d+)…? ", head["ARGV"])]
    assert max(map(int, re.findall(r"ARGV\[(\d+)\]", COMMANDS[name]))) <= max(arguments)
    assert set(re.findall(r"\{'(\w+)'", head["Returns"])) == answers_of(name)


AS_EXPECTED = WORD.findall(
    "added beat best changed changes checked created events mark moved observed queued read records replaced "
    "reserved state told trials"
)
"""Answers that Python need not tell from others."""


def test_python_handles_every_other_answer() -> None:
    trees = [ast.parse(path.read_text()) for path in LUA.parent.rglob("*.py")]
    handled = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    answers = set().union(*map(answers_of, NAMES)) - {*AS_EXPECTED}
    assert {answer.encode() for answer in answers} <= handled


def test_scripts_give_every_reason() -> None:
    code = re.sub(r"--.*", "", "\n".join((*COMMANDS.values(), *INCLUDES.values())))
    assert set(re.findall(r"\bReason\.(\w+)", code)) == set(Reason)


def test_every_command_has_a_file() -> None:
    assert set(NAMES) == set(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_uses_no_name_that_it_does_not_define(name: str) -> None:
    code = COMMENT_OR_TEXT.sub("", load_scripts()[name].source.partition("\n")[2])
    declared = {each.strip() for found in DECLARED.findall(code) for names in found for each in names.split(",")}
    assert names_in(code) - declared - {*LUA_WORDS, *GIVEN} == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_script_defines_before_it_uses(name: str) -> None:
    code = COMMENT_OR_TEXT.sub("", load_scripts()[name].source)
    used = names_in(code) & HOME.keys()
    defined = {each: re.search(rf"local (function |[\w, ]+, )?{each}\b", code) for each in used}
    first = {each: re.search(rf"(?<![\w.:]){each}\b", code) for each in used}
    assert [each for each in used if first[each].end() != defined[each].end()] == []  # type: ignore[union-attr]  # found


def test_every_part_of_an_include_is_used_by_some_command() -> None:
    together = "\n".join(SOURCES.with_includes(SOURCES.command(name).partition("\n")[2]) for name in NAMES)
    unused = [name for name, include in HOME.items() if not re.search(rf"(?:local|function) .*\b{name}\b", together)]
    assert unused == []


def test_a_command_has_no_more_than_it_uses() -> None:
    """And what a function includes is defined inside it."""
    loaded = load_scripts()
    assert "local function grant(" not in loaded["heartbeat"].source
    assert "local function add_result" not in loaded["tell"].source.partition("local function rung_decisions()")[0]


def test_an_unknown_name_of_a_table_is_refused() -> None:
    with pytest.raises(KeyError, match="promted"):
        load_scripts(lambda _, text: text.replace("Reason.promoted", "Reason.promted"))


READERS = (
    *(
        "available",
        "progress",
        "changes",
        "trials",
        "best",
        "explain",
        "events",
        "read",
        "records",
        "observe",
        "snapshot_mark",
        "snapshot_changes",
    ),
)
DELETION = ("delete", "unlist", "replace_claim")
"""The commands of a deletion."""


def test_every_first_line_is_a_shebang_with_the_flags_of_its_kind() -> None:
    """Readers write nothing; deletion runs even when Redis is out of memory; all else is refused then."""
    flags = dict.fromkeys(READERS, " flags=no-writes") | dict.fromkeys(DELETION, " flags=allow-oom")
    for name, script in load_scripts().items():
        assert script.source.partition("\n")[0] == f"#!lua{flags.get(name, '')}"


def test_a_redis_without_shebangs_refuses_decisions_when_it_is_full() -> None:
    for name, script in load_scripts(shebang=False).items():
        checked = name not in (*READERS, *DELETION, *LEDGER_NAMES)
        assert script.source.startswith("redis.call('ZADD', KEYS[4], 'XX', 0, '')\n") is checked


def test_names_of_keys_cost_a_script_nothing() -> None:
    for script in load_scripts().values():
        assert "local META" not in script.source
        assert not re.search(r"(?<![\w.:'])(META|TRIALS|RUNGS|LEDGER)\b", script.source), script.name
    assert "redis.call('HGET', KEYS[1], 'uid')" in load_scripts()["delete"].source


def test_what_is_apart_takes_nothing_from_around_it() -> None:
    """A function that is rarely called makes all that it uses itself."""
    source = load_scripts()["ask"].source
    inside = source.partition("local function restart_expired(search, numbers)\n")[2].partition("\nend\n")[0]
    assert "@apart" not in source
    assert "local function load_trial(" in source.partition("local function restart_expired(")[0]
    assert inside.startswith("local function ")
    assert "local function load_trial(" in source.partition("local function restart_expired(")[2]
