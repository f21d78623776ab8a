"""The Lua scripts: commands of this package, each with what it uses of the includes, named by their SHA-1.

A script makes all its functions anew in every call, so it gets no more than it uses. A command that includes a file in
one of its functions makes what it takes from there only when that function is called.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from rungway_server.store.redis.layout.in_lua import layout_include, with_values

LEDGER_NAMES = ("reserve", "replace_claim")
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
    "progress",
    "trials",
    "best",
    "explain",
    "read",
    "records",
    "snapshot_mark",
    "snapshot_changes",
    "delete",
    "unlist",
    *LEDGER_NAMES,
    "events",
)

_FULL_CHECK = "redis.call('ZADD', KEYS[4], 'XX', 0, '')\n"
"""Before all else in a script that a full Redis before 7 is to refuse: a command that may need memory, and changes
nothing, for there is no member of that name. Such a Redis looks at its memory at the first write of a script alone, and
only where that command may need some. The ledger's scripts need none: their first write may need memory."""

_INCLUDE = re.compile(r'^--- @include "(\w+)"\n', re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n|^\n", re.MULTILINE)
_MADE_WHEN_CALLED = re.compile(
    r'^(local function \w+\([^)]*\)\n)((?:--- @include "\w+"\n)+)(.*?)^end\n', re.MULTILINE | re.DOTALL
)
"""A function of a command with includes of its own."""
_PART = re.compile(r"^(?=local |\w+ = )", re.MULTILINE)
_DEFINED = re.compile(r"(?:local )?(?:function )?([\w, ]+)")
_USED = re.compile(r"(?<![\w.:'])[A-Za-z_]\w*")

Transform = Callable[[str, str], str]
"""Given a file's name ("ask", "include/rungs") and its text, returns the text to load: the door for seeded mutants."""


@dataclass(frozen=True, slots=True)
class Script:
    """One decision. `source` is what Redis is given; `sha` names it there."""

    name: str
    source: str
    sha: str


@dataclass(frozen=True)
class Part:
    """A statement of an include that defines one name or several."""

    text: str

    @cached_property
    def names(self) -> frozenset[str]:
        """What it defines."""
        found = _DEFINED.match(self.text)
        return frozenset(name.strip() for name in found[1].split(",")) if found else frozenset()

    @cached_property
    def uses(self) -> frozenset[str]:
        """All names in it. Those of fields and of its own locals may be among them."""
        return names_in(self.text)


def names_in(text: str) -> frozenset[str]:
    """The names in a text without comments that may stand for something that an include defines."""
    return frozenset(_USED.findall(text))


class Sources:
    """The files, and what each defines and includes."""

    def __init__(self, transform: Transform | None = None) -> None:
        self._transform = transform or (lambda _, text: text)
        self._includes: dict[str, tuple[tuple[str, ...], tuple[Part, ...]]] = {}

    def command(self, name: str) -> str:
        """The text of a command."""
        return with_values(self._transform(name, _read(f"commands/{name}")))

    def include(self, name: str) -> tuple[tuple[str, ...], tuple[Part, ...]]:
        """The files that an include needs, and its parts."""
        if name not in self._includes:
            text = layout_include() if name == "layout" else _read(f"include/{name}")
            text = with_values(self._transform(f"include/{name}", text))
            parts = tuple(Part(part) for part in _PART.split(_COMMENT.sub("", text)) if part)
            self._includes[name] = tuple(_INCLUDE.findall(text)), parts
        return self._includes[name]

    def in_order(self, names: Iterable[str]) -> list[str]:
        """These includes and all that they need, each after what it needs itself."""
        ordered: dict[str, None] = {}

        def add(name: str) -> None:
            for needed in self.include(name)[0]:
                if needed not in ordered:
                    add(needed)
            ordered[name] = None

        for name in names:
            add(name)
        return list(ordered)

    def used(self, includes: Iterable[str], text: str, had: frozenset[str] = frozenset()) -> tuple[str, frozenset[str]]:
        """The parts of the includes that a text uses, but for those that define what it has already; and what it has
        with them."""
        parts = [part for name in self.in_order(includes) for part in self.include(name)[1]]
        found, todo = set(had), set(names_in(text))
        while todo:
            name = todo.pop()
            if name not in found:
                defining = [part for part in parts if name in part.names]
                found.update(*(part.names for part in defining))
                todo.update(*(part.uses for part in defining))
        wanted = found - had
        return "".join(part.text for part in parts if part.names & wanted), frozenset(found)


def _read(path: str) -> str:
    return resources.files(__package__).joinpath("lua", f"{path}.lua").read_text(encoding="utf-8")


def load_scripts(transform: Transform | None = None, *, shebang: bool = True) -> dict[str, Script]:
    """Every script by name. Redis before 7 does not know the first line `#!lua`: without it, they do themselves what
    it says of a Redis that is full."""
    sources = Sources(transform)
    return {name: _load(sources, name, shebang) for name in NAMES}


def _load(sources: Sources, name: str, shebang: bool) -> Script:
    first_line, _, body = sources.command(name).partition("\n")
    outside = _MADE_WHEN_CALLED.sub("", body)
    text, had = sources.used(_INCLUDE.findall(outside), _COMMENT.sub("", outside))

    def made_when_called(function: re.Match[str]) -> str:
        inside, _ = sources.used(_INCLUDE.findall(function[2]), _COMMENT.sub("", function[3]), had)
        return f"{function[1]}{inside}{function[3]}end\n"

    source = text + _COMMENT.sub("", _MADE_WHEN_CALLED.sub(made_when_called, body))
    if shebang:
        source = f"{first_line}\n{source}"
    elif first_line == "#!lua" and name not in LEDGER_NAMES:
        source = _FULL_CHECK + source
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
