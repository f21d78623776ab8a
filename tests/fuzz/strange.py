"""Values that nobody should send, names that nobody should give, and messages of any kind with such things in them."""

from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from rungway.v1 import value_pb2

NAMES = (
    *("", " ", "{x}", "a:b", "../", "..\\", "a/b", "%s%n", "$(id)", "'; --", "null", "__proto__", "*", "a.b", "`", '"'),
    *("\x00", "a\nb", "a\r\n", "\x1b[2J\x1b[31m", "\x9b31m", "\u202egnp.exe", "\u200b", "🎲" * 8, "é\u0301", "\ufeff"),
    *("x" * 63, "x" * 64, "x" * 257, "x" * 10_000, "ä" * 5_000, "{" * 100, "\U0010ffff", "e-1}", "default/e"),
)
"""Texts where names go."""
INTEGERS = (-(2**63), -(2**53) - 1, -(2**31), -1, 0, 1, 2, 10**7 + 1, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1)
FLOATS = (*(0.0, -0.0, 5e-324, 1e-300, 1e308, -1e308, 1 + 2**-52, 0.1), float("inf"), float("-inf"), float("nan"))

TEXTS = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.sampled_from(INTEGERS) | st.sampled_from(FLOATS) | st.integers(-3, 9) | TEXTS
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)
"""What a document may hold: anything."""

_FD = FieldDescriptor
_FIELDS: dict[int, st.SearchStrategy[Any]] = {
    _FD.CPPTYPE_INT32: st.integers(-1, 5) | st.sampled_from([n for n in INTEGERS if -(2**31) <= n < 2**31]),
    _FD.CPPTYPE_INT64: st.integers(-1, 5) | st.sampled_from(INTEGERS),
    _FD.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    _FD.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    _FD.CPPTYPE_DOUBLE: st.sampled_from(FLOATS) | st.floats(),
    _FD.CPPTYPE_BOOL: st.booleans(),
    _FD.CPPTYPE_ENUM: st.integers(-1, 9) | st.just(2**31 - 1),
    _FD.CPPTYPE_STRING: TEXTS,
}
_DEEPEST = 5
_VALUE = value_pb2.Value.DESCRIPTOR.full_name


def deep(levels: int) -> object:
    """A value nested so many levels."""
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"g": value}
    return value


@st.composite
def messages(draw: st.DrawFn, kind: type[Message], depth: int = 0) -> Message:
    """A message of a kind with any of its fields set to anything."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw(st.integers(0, 3)):
            fill(draw, message, cast("FieldDescriptor", field), depth)
    return message


@st.composite
def disturbed(draw: st.DrawFn, good: Message) -> Message:
    """A good message of which one or two fields, at any depth, are something else."""
    message = type(good)()
    message.CopyFrom(good)
    for _ in range(draw(st.integers(1, 2))):
        _disturb(draw, message, 0)
    return message


def _disturb(draw: st.DrawFn, message: Any, depth: int) -> None:
    field = cast("FieldDescriptor", draw(st.sampled_from(list(message.DESCRIPTOR.fields))))
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry is False and draw(st.integers(0, 3)):
        if not field.is_repeated and message.HasField(field.name):
            return _disturb(draw, getattr(message, field.name), depth + 1)
        if field.is_repeated and (items := getattr(message, field.name)):
            if draw(st.booleans()):  # the same once more, or very often
                items.extend([items[0]] * draw(st.sampled_from([1, 3, 300])))
                return None
            return _disturb(draw, draw(st.sampled_from(list(items))), depth + 1)
    message.ClearField(field.name)
    if draw(st.integers(0, 5)):
        fill(draw, message, field, depth)
    return None


def fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    """Give a field a value; beyond a few levels nested messages stay empty."""
    kind = field.message_type
    if kind is None:
        scalar = _scalars(field)
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(scalar, max_size=3)))
        else:
            setattr(message, field.name, draw(scalar))
    elif depth == _DEEPEST:
        return
    elif kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        entries = messages(class_of(of.message_type), depth + 1) if of.message_type else _scalars(of)
        for key, entry in draw(st.dictionaries(TEXTS, entries, max_size=3)).items():
            if of.message_type:
                getattr(message, field.name)[key].CopyFrom(entry)
            else:
                getattr(message, field.name)[key] = entry
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(messages(class_of(kind), depth + 1), max_size=3)))
    else:
        getattr(message, field.name).CopyFrom(draw(messages(class_of(kind), depth + 1)))


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    return st.binary(max_size=9) if field.type == _FD.TYPE_BYTES else _FIELDS[field.cpp_type]


def class_of(descriptor: Any) -> type[Message]:
    """The class of a message; the types of descriptors are wide, hence Any."""
    return GetMessageClass(descriptor)
