"""The Lua scripts: read from this package, includes resolved, named by their SHA-1."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

_INCLUDE = re.compile(r'^--- @include "(\w+)"\n', re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)

LEDGER_NAMES = ("reserve", "settle_claim")
"""Scripts on the ledger of a namespace; all others are on one experiment."""

NAMES = (
    "create",
    "ask",
    "tell",
    "heartbeat",
    "release",
    "fail",
    "enqueue",
    "change_state",
    "change_plan",
    "tally",
    "trials",
    "best",
    "explain",
    "read",
    "records",
    "mark",
    "cut",
    "delete",
    "unlist",
    *LEDGER_NAMES,
    "events",
)

_FULL_CHECK = "redis.call('ZADD', KEYS[4], 'XX', 0, '')\n"
"""Before all else in a script that a full Redis before 7 is to refuse: a command that may need memory, and changes
nothing, for there is no member of that name. Such a Redis looks at its memory at the first write of a script alone, and
only where that command may need some. The ledger's scripts need none: their first write may need memory."""

Transform = Callable[[str, str], str]
"""Given a file's name ("ask", "include/rung") and its text, returns the text to load: the door for seeded mutants."""


@dataclass(frozen=True, slots=True)
class Script:
    """One decision. `source` is what Redis is given; `sha` names it there."""

    name: str
    source: str
    sha: str


def load_scripts(transform: Transform | None = None, *, shebang: bool = True) -> dict[str, Script]:
    """Every script by name. Redis before 7 does not know the first line `#!lua`: without it, they do themselves what
    it says of a Redis that is full."""
    return {name: _load(name, transform or (lambda _, text: text), shebang) for name in NAMES}


def _load(name: str, transform: Transform, shebang: bool) -> Script:
    seen: set[str] = set()

    def text_of(file: str) -> str:
        path = file if file.startswith("include/") else f"commands/{file}"
        text = resources.files(__package__).joinpath("lua", f"{path}.lua").read_text(encoding="utf-8")
        return _INCLUDE.sub(include, transform(file, text))

    def include(match: re.Match[str]) -> str:
        file = f"include/{match[1]}"
        if file in seen:
            return ""
        seen.add(file)
        return text_of(file)

    first_line, _, body = text_of(name).partition("\n")
    source = _COMMENT.sub("", body)
    if shebang:
        source = f"{first_line}\n{source}"
    elif first_line == "#!lua" and name not in LEDGER_NAMES:
        source = _FULL_CHECK + source
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
