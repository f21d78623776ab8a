"""The Lua scripts: commands of this package, each with what it uses of the includes, named by their SHA-1.

A script makes all its functions anew in every call, so it gets no more than it uses. A function with includes of its
own makes what it takes from there only when it is called. What it shares with the functions outside it captures, and
that takes time whether it is called or not; one that is rarely called is `apart`, and makes what it shares as well.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

from rungway_server.store.redis.layout.in_lua import layout_include, with_values

LEDGER_NAMES = ("reserve", "replace_claim")
"""Scripts on the ledger of a namespace; all others are on one experiment."""

NAMES = (
    "create",
    "ask",
    "available",
    "tell",
    "heartbeat",
    "release",
    "fail",
    "enqueue",
    "enqueue_known",
    "propose",
    "observe",
    "change_state",
    "change_plan",
    "change_about",
    "progress",
    "changes",
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

_COMMENT = re.compile(r"^\s*--(?!- @include|- @apart).*\n|^\n", re.MULTILINE)
_INCLUDE = re.compile(r'--- @include "(\w+)"\n')
_MADE_WHEN_CALLED = re.compile(
    r"^(local function [^\n]*\n)(--- @apart\n)?(--- @include .*?)^end\n", re.MULTILINE | re.DOTALL
)
"""A function that begins with includes of its own."""
_PART = re.compile(r"^(?=local |\w+ = )", re.MULTILINE)
_DEFINED = re.compile(r"(?:local )?(?:function )?([\w, ]+)")
_KEY = re.compile(r"^local (\w+) = (KEYS\[\d+\])\n", re.MULTILINE)
_USED = re.compile(r"(?<![\w.:'])[A-Za-z_]\w*")

Transform = Callable[[str, str], str]
"""Given a file's name ("ask", "include/rungs") and its text, returns the text to load. Tests plant mistakes by it."""


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
        """See `names_in`."""
        return names_in(self.text)


def names_in(text: str) -> frozenset[str]:
    """The names in a text without comments, except those in functions with includes of their own. Names of the text's
    own locals are among them."""
    return frozenset(_USED.findall(_MADE_WHEN_CALLED.sub("", text)))


def without_includes(text: str) -> tuple[list[str], str]:
    """The includes that a text without comments begins with, and the rest."""
    included, at = [], 0
    while found := _INCLUDE.match(text, at):
        included.append(found[1])
        at = found.end()
    return included, text[at:]


class Sources:
    """The files, and what each defines and includes."""

    def __init__(self, transform: Transform | None = None) -> None:
        self._transform = transform or (lambda _, text: text)
        self._includes: dict[str, tuple[list[str], list[Part]]] = {}

    def command(self, name: str) -> str:
        """The text of a command without comments, whose includes are still to be resolved."""
        return self._text(name, _read(f"commands/{name}"))

    def include(self, name: str) -> tuple[list[str], list[Part]]:
        """The files that an include needs, and its parts."""
        if name not in self._includes:
            text = self._text(f"include/{name}", layout_include() if name == "layout" else _read(f"include/{name}"))
            included, rest = without_includes(text)
            self._includes[name] = included, [Part(part) for part in _PART.split(rest) if part]
        return self._includes[name]

    def _text(self, name: str, text: str) -> str:
        return _COMMENT.sub("", with_values(self._transform(name, text)))

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

    def with_includes(self, text: str, had: frozenset[str] = frozenset()) -> str:
        """The text, with what it uses of its includes before it; without what is there already (`had`)."""
        included, text = without_includes(text)
        parts = [part for name in self.in_order(included) for part in self.include(name)[1]]
        defining: dict[str, list[Part]] = {}
        for part in parts:
            for name in part.names:
                defining.setdefault(name, []).append(part)
        found, todo = set[str](), set(names_in(text))
        while todo:
            name = todo.pop()
            if name in defining and name not in found and name not in had:
                found.add(name)
                todo.update(*(part.uses for part in defining[name]))
        used, has = "", had
        for part in parts:
            if part.names & found:
                used, has = used + self._made_when_called(part.text, has), has | part.names
        return used + self._made_when_called(text, has)

    def _made_when_called(self, text: str, has: frozenset[str]) -> str:
        """The text with the includes of its functions, without what stands before them."""

        def made(found: re.Match[str]) -> str:
            return f"{found[1]}{self.with_includes(found[3], frozenset() if found[2] else has)}end\n"

        return _MADE_WHEN_CALLED.sub(made, text)


def _read(path: str) -> str:
    return resources.files(__package__).joinpath("lua", f"{path}.lua").read_text(encoding="utf-8")


def load_scripts(transform: Transform | None = None, *, shebang: bool = True) -> dict[str, Script]:
    """Every script by name. Redis before 7 does not know the first line `#!lua`: without it, they do themselves what
    it says of a Redis that is full."""
    return _loaded(transform, shebang) if transform else dict(_unchanged(shebang))


def _loaded(transform: Transform | None, shebang: bool) -> dict[str, Script]:
    sources = Sources(transform)
    return {name: _load(sources, name, shebang) for name in NAMES}


@cache
def _unchanged(shebang: bool) -> dict[str, Script]:
    """The texts take 50 ms to put together."""
    return _loaded(None, shebang)


def with_keys(source: str) -> str:
    """The source with `KEYS[n]` in place of the names of keys.

    For each local that a function captures, Lua searches all that are captured already, the first ones last. Nearly
    every function would capture keys, which come first.
    """
    keys = dict[str, str](_KEY.findall(source))
    return _USED.sub(lambda name: keys.get(name[0], name[0]), _KEY.sub("", source))


def _load(sources: Sources, name: str, shebang: bool) -> Script:
    first_line, _, text = sources.command(name).partition("\n")
    source = with_keys(sources.with_includes(text))
    if shebang:
        source = f"{first_line}\n{source}"
    elif first_line == "#!lua" and name not in LEDGER_NAMES:
        source = _FULL_CHECK + source
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
