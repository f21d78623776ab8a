"""Writes the reference of the wire as Markdown, from the descriptors of the protos and their comments."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

from scripts import protos

_SCALARS = {value: name.removeprefix("TYPE_").lower() for name, value in pb.FieldDescriptorProto.Type.items()}

Comments = Mapping[str, str]


def page(root: Path) -> str:
    """All services, messages and enums of `root`/proto, each with its comment."""
    files = protos.own(protos.built(root))
    comments = protos.comments(files)
    return "\n".join(["# The wire", "", *(line for each in files for line in _file(each, comments))])


def _file(file: pb.FileDescriptorProto, comments: Comments) -> Iterator[str]:
    yield from (f"## {file.name}", "")
    for service in file.service:
        path = f"{file.package}.{service.name}"
        yield from (f"### {service.name}", "", comments.get(path, ""), "", "| rpc | what it does |", "|---|---|")
        for method in service.method:
            answer = ("stream of " if method.server_streaming else "") + _short(method.output_type)
            call = f"`{method.name}({_short(method.input_type)})` gives {answer}"
            yield f"| {call} | {_cell(comments.get(f'{path}.{method.name}', ''))} |"
        yield ""
    for message in file.message_type:
        yield from _message(message, file.package, comments)
    for enum in file.enum_type:
        yield from _enum(enum, file.package, comments)


def _message(message: pb.DescriptorProto, outer: str, comments: Comments, title: str = "") -> Iterator[str]:
    if message.options.map_entry:
        return
    path, title = f"{outer}.{message.name}", f"{title}{message.name}"
    yield from (f"### {title}", "", comments.get(path, ""), "")
    if message.field:
        yield from ("| field | type | |", "|---|---|---|")
        maps = {f".{path}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
        for field in message.field:
            yield f"| `{field.name}` | {_type(field, maps)} | {_cell(comments.get(f'{path}.{field.name}', ''))} |"
        yield ""
    for nested in message.nested_type:
        yield from _message(nested, path, comments, f"{title}.")
    for enum in message.enum_type:
        yield from _enum(enum, path, comments, f"{title}.")


def _enum(enum: pb.EnumDescriptorProto, outer: str, comments: Comments, title: str = "") -> Iterator[str]:
    path = f"{outer}.{enum.name}"
    yield from (f"### {title}{enum.name}", "", comments.get(path, ""), "", "| value | number | |", "|---|---|---|")
    for value in enum.value:
        yield f"| `{value.name}` | {value.number} | {_cell(comments.get(f'{path}.{value.name}', ''))} |"
    yield ""


def _type(field: pb.FieldDescriptorProto, maps: Mapping[str, pb.DescriptorProto]) -> str:
    if entry := maps.get(field.type_name):
        key, value = entry.field
        return f"map of {_type(key, {})} to {_type(value, {})}"
    name = _short(field.type_name) if field.type_name else _SCALARS[field.type]
    return f"repeated {name}" if field.label == pb.FieldDescriptorProto.LABEL_REPEATED else name


def _short(name: str) -> str:
    return f"`{name.rpartition('.')[2]}`"


def _cell(comment: str) -> str:
    return comment.replace("|", "\\|")
