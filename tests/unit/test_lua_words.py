"""The Lua files as texts: headers that say what goes in and out, and words that Python knows."""

import ast
import itertools
import re
from pathlib import Path

import pytest

from rungway_server.domain import engine as decisions
from rungway_server.store.redis import scripts
from rungway_server.store.redis.layout.records import CODES
from rungway_server.store.redis.scripts import NAMES

LUA = Path(scripts.__file__).with_name("lua")
SOURCES = {
    path.relative_to(LUA).with_suffix("").as_posix().removeprefix("commands/"): path.read_text()
    for path in LUA.rglob("*.lua")
}

WORD = re.compile(r"'([a-z_]+)'")
RETURN_WORD = re.compile(r"(?:return|answer\s*=|answer, \w+ =) \{ '([a-z_]+)'")


def header(name: str) -> str:
    """The comment at the head of a script."""
    return "\n".join(itertools.takewhile(lambda line: line.startswith("-- "), SOURCES[name].splitlines()[1:]))


@pytest.mark.parametrize("name", NAMES)
def test_every_script_says_what_it_takes_and_gives(name: str) -> None:
    for part in ("-- KEYS ", "-- ARGV ", "-- Returns "):
        assert part in header(name), f"{name}.lua has no {part}"


@pytest.mark.parametrize("name", NAMES)
def test_the_header_names_every_word_that_may_come_back(name: str) -> None:
    returned = set(RETURN_WORD.findall(SOURCES[name]))
    if "open_experiment" in SOURCES[name]:
        returned |= {"missing", "stale"}
    assert returned == set(WORD.findall(header(name).split("-- Returns ")[1].split("-- Replay")[0]))


def test_every_argument_is_documented() -> None:
    for name in NAMES:
        documented = [int(n) for n in re.findall(r"(?<![\w.])(\d+)…? ", header(name).split("-- ARGV ")[1])]
        used = [int(n) for n in re.findall(r"ARGV\[(\d+)\]", SOURCES[name])]
        assert used, name
        assert max(used) <= max(documented), name


def python_words() -> set[str]:
    """Every word that an enumeration of decisions.py has."""
    enums = (kind for kind in vars(decisions).values() if isinstance(kind, type) and hasattr(kind, "__members__"))
    return {str(word) for kind in enums for word in kind}  # type: ignore[attr-defined]  # members of an enumeration


def spoken() -> dict[str, set[str]]:
    """Words by what Lua uses them for, wherever they stand."""
    everything = "\n".join(SOURCES.values())
    patterns = {
        "decision": (
            r"verdict\('(\w+)'",
            r"finish\([^()]*'\w+', '(\w+)'",
            r"lives and '(\w+)' or '(\w+)'",
            r"\{ '(continue|stop|pause|superseded)', ",
        ),
        "reason": (
            r"no_rung\('(\w+)'",
            r"with_reason\('(\w+)'",
            r"why_not = '(\w+)'",
            r"table\.insert\(why, 1, '(\w+)'\)",
            r"reason = '(\w+)'",
            r"x\.wanted, reason = x\.wanted - 1, '(\w+)'",
            r"'done' and '(\w+)' or '(\w+)'",
            r"\{ '(\w+)', (?:b|trial\.bracket),",
            r"'(?:done|wait)', tally\.revision, '(\w+)'",
        ),
        "state": (
            r"set_state\([^()]*'(\w+)'\)",
            r"end_lease\([^()]*'(\w+)'\)",
            r"finish\([^()]*'(\w+)', '\w+'",
            r"state [=~]?= '(\w+)'",
        ),
        "outcome": (r"outcome [=~]?= '(\w+)'", r"outcome, \w+\.message = '(\w+)'"),
    }
    return {
        use: {word for pattern in each for found in re.findall(pattern, everything) for word in as_tuple(found)}
        for use, each in patterns.items()
    }


def as_tuple(found: str | tuple[str, ...]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found


def test_python_knows_every_word_of_a_decision() -> None:
    words = spoken()
    assert words["decision"] == set(decisions.Decision)
    assert words["reason"] - {"propose"} <= set(decisions.Reason)
    assert words["state"] <= set(decisions.TrialState) | set(decisions.ExperimentState)
    assert words["outcome"] <= set(decisions.Outcome)


def test_lua_gives_every_reason_that_python_knows() -> None:
    assert set(decisions.Reason) == spoken()["reason"] - {"propose"}


def test_python_handles_every_word_of_an_answer() -> None:
    """The first words of all answers stand, as texts, in the modules that read them."""
    returned = {word for name in NAMES for word in RETURN_WORD.findall(SOURCES[name])} | {"missing", "stale"}
    handled = {
        node.value
        for path in LUA.parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # the answer when nothing is special
    expected = {
        "told",
        "beat",
        "trials",
        "created",
        "done",
        "state",
        "tally",
        "queued",
        "events",
        "changed",
        "reserved",
        "settled",
        "moved",
        "snapshot",
    }
    assert returned - expected <= handled


OTHER_WORDS = {
    "fields of meta": {
        *("uid", "plan", "ladder", "tally", "counts", "schema", "created", "request", "print", "config", "plan_json"),
        *("notes", "keys"),
    },
    "further keys": {"points"},
    "fields of the tally": {"target_reached", "failing"},
    "kinds of events": {
        "assign",
        "continue",
        "release",
        "retry",
        "failed",
        "invalid",
        "pause",
        "stop",
        "done",
        "changed",
        "too_many_invalid",
        "finished",
    },
    "prints": {"ask", "tell", "fail", "release", "enqueue"},
    "rules and forms": {"async", "population", "promote", "stop"},
    "of the stream": {"e"},
    "types": {"number"},
    "letters of states": {"r"},
    "in the life of a trial": {"dropped"},
    "of the answers": {
        "missing",
        "stale",
        "reused",
        "exists",
        "length",
        "untold",
        "checkpoint_length",
        "unknown_trial",
        "propose",
        "clone",
        "full",
        "used",
        "started",
        "outdated",
        "too_large",
        "best",
        "read",
        "records",
        "mark",
        "cut",
        "behind",
        "trials",
        "plan",
        "lists",
        "proposals",
        "everything",
        "table",
        "refused",
    },
    "as expected": {
        *("told", "beat", "trials", "created", "done", "state", "tally", "assigned", "wait", "queued", "events"),
        "changed",
    },
    "of the ledger": {"experiments", "trials", "leases", "reserved", "settled", "moved"},
}
"""What Lua says beside the words of decisions.py, by where."""


def test_no_word_of_lua_is_unknown() -> None:
    """A new word in any .lua file must be one of Python's, or be named above by what it is for."""
    known = python_words() | set().union(*OTHER_WORDS.values())
    code = {name: re.sub(r"--.*", "", source) for name, source in SOURCES.items()}
    unknown = {(name, word) for name, source in code.items() for word in WORD.findall(source) if word not in known}
    assert unknown == set()


def test_every_word_that_is_stored_has_a_number() -> None:
    """Those of answers that are never remembered nor logged have none. Numbers stay when words are added."""
    unstored = {"between_rungs", "lease_lost", "concurrency_limit", "waiting_for_results"}
    kinds = OTHER_WORDS["kinds of events"] - {"done", "changed", "too_many_invalid"}
    assert set(CODES) == (set(decisions.Reason) - unstored) | kinds
    assert [CODES[word] for word in ("assign", "pause", "new_trial", "target_reached")] == [1, 8, 14, 199]


READERS = ("tally", "trials", "best", "explain", "events", "read", "records", "mark", "cut")
DELETION = ("delete", "unlist", "settle_claim")
"""What a deletion needs."""


def test_every_first_line_is_a_shebang_with_the_flags_of_its_kind() -> None:
    """Readers write nothing, what a deletion needs runs on a Redis that is full, and all else is refused there."""
    for name in NAMES:
        first = SOURCES[name].splitlines()[0]
        flags = dict.fromkeys(READERS, " flags=no-writes") | dict.fromkeys(DELETION, " flags=allow-oom")
        assert first == f"#!lua{flags.get(name, '')}"
