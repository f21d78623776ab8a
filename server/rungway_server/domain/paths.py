"""Paths of parameters as texts: the one place where they are written and read.

    path   = name { "." name }
    name   = letters, digits and "_", not beginning with a digit | "`" any characters "`"

A backquote within backquotes is written twice. So `optimizer.lr` is `lr` in the group `optimizer`, and
`` `weight.decay` `` is one name with a dot in it. Readers are lenient: a name may stand without backquotes wherever no
other parameter could be meant.
"""

import re

_PLAIN = re.compile(r"[^\W\d]\w*")
NAME = r"(?:[^\W\d]\w*|`(?:[^`]|``)+`)"
"""How a name is written, as a regular expression."""


def spelled(*names: str) -> str:
    """A path as everybody writes it."""
    return ".".join(name if _PLAIN.fullmatch(name) else f"`{name.replace('`', '``')}`" for name in names)


def read_path(text: str, end: str = "") -> tuple[tuple[str, ...], str]:
    """The names of a path at the beginning of a text, and the rest, from the first character of `end` on.

    A name without backquotes may hold anything but a dot and what is in `end`. Raises ValueError for an empty name, and
    for what stands beside a name in backquotes.
    """
    bare = re.compile(rf"[^.{re.escape(end)}]+")
    names, at = [], 0
    while True:
        quoted = re.compile(r"`((?:[^`]|``)+)`(?=\.|$" + (f"|[{re.escape(end)}]" if end else "") + ")").match(text, at)
        found = quoted or bare.match(text, at)
        if found is None:
            raise ValueError(f"a name is missing at character {at + 1}")
        names.append(quoted[1].replace("``", "`") if quoted else found[0])
        at = found.end()
        if text[at : at + 1] != ".":
            return tuple(names), text[at:]
        at += 1
