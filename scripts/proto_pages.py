"""Writes the reference of the wire as Markdown, from the descriptors of the protos and their comments."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6  # field numbers of FileDescriptorProto, with which the paths of comments begin
_FIELD, _NESTED, _NESTED_ENUM, _METHOD, _VALUE = 2, 3, 4, 2, 2  # those inside a message, a service, an enum
_SCALARS = {value: name.removeprefix("TYPE_").lower() for name, value in pb.FieldDescriptorProto.Type.items()}


def page(root: Path) -> str:
    """All services, messages and enums of `root`/proto, each with its comment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image.binpb")
        buf = Path(sys.executable).with_name("buf")
        subprocess.run([buf, "build", "--as-file-descriptor-set", "-o", file], cwd=root, check=True)
        files = pb.FileDescriptorSet.FromString(file.read_bytes()).file
    own = [each for each in files if each.package.startswith("rungway.")]
    return "\n".join(["# The wire", "", *(line for each in own for line in _file(each))])


def _file(file: pb.FileDescriptorProto) -> Iterator[str]:
    comments = {
        tuple(location.path): (location.leading_comments or location.trailing_comments).strip()
        for location in file.source_code_info.location
    }
    yield from (f"## {file.name}", "")
    for number, service in enumerate(file.service):
        path: tuple[int, ...] = (_SERVICE, number)
        yield from (f"### {service.name}", "", comments.get(path, ""), "", "| rpc | what it does |", "|---|---|")
        for index, method in enumerate(service.method):
            answer = ("stream of " if method.server_streaming else "") + _short(method.output_type)
            call = f"`{method.name}({_short(method.input_type)})` gives {answer}"
            yield f"| {call} | {_cell(comments.get((*path, _METHOD, index), ''))} |"
        yield ""
    for number, message in enumerate(file.message_type):
        yield from _message(message, (_MESSAGE, number), comments)
    for number, enum in enumerate(file.enum_type):
        yield from _enum(enum, (_ENUM, number), comments)


def _message(
    message: pb.DescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str], outer: str = ""
) -> Iterator[str]:
    if message.options.map_entry:
        return
    yield from (f"### {outer}{message.name}", "", comments.get(path, ""), "")
    if message.field:
        yield from ("| field | type | |", "|---|---|---|")
        for index, field in enumerate(message.field):
            yield f"| `{field.name}` | {_type(field)} | {_cell(comments.get((*path, _FIELD, index), ''))} |"
        yield ""
    for index, nested in enumerate(message.nested_type):
        yield from _message(nested, (*path, _NESTED, index), comments, f"{outer}{message.name}.")
    for index, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*path, _NESTED_ENUM, index), comments, f"{outer}{message.name}.")


def _enum(
    enum: pb.EnumDescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str], outer: str = ""
) -> Iterator[str]:
    yield from (f"### {outer}{enum.name}", "", comments.get(path, ""), "", "| value | number | |", "|---|---|---|")
    for index, value in enumerate(enum.value):
        yield f"| `{value.name}` | {value.number} | {_cell(comments.get((*path, _VALUE, index), ''))} |"
    yield ""


def _type(field: pb.FieldDescriptorProto) -> str:
    name = _short(field.type_name) if field.type_name else _SCALARS[field.type]
    return f"repeated {name}" if field.label == pb.FieldDescriptorProto.LABEL_REPEATED else name


def _short(name: str) -> str:
    return f"`{name.rpartition('.')[2]}`"


def _cell(comment: str) -> str:
    return " ".join(comment.split()).replace("|", "\\|")
