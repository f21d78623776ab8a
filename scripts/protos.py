"""The protos of this project as descriptors, with the comments of each service, rpc, message, field and enum."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6  # field numbers of FileDescriptorProto, with which the paths of comments begin
_FIELD, _NESTED, _NESTED_ENUM, _METHOD, _VALUE = 2, 3, 4, 2, 2  # those inside a message, a service, an enum


def built(root: Path) -> list[pb.FileDescriptorProto]:
    """The files of `root`/proto and those that they import, each after its imports. Needs `buf`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image.binpb")
        buf = Path(sys.executable).with_name("buf")
        subprocess.run([buf, "build", "--as-file-descriptor-set", "-o", file], cwd=root, check=True)
        return list(pb.FileDescriptorSet.FromString(file.read_bytes()).file)


def own(files: Sequence[pb.FileDescriptorProto]) -> list[pb.FileDescriptorProto]:
    """Those of this project."""
    return [each for each in files if each.package.startswith("rungway.")]


def comments(files: Sequence[pb.FileDescriptorProto]) -> Mapping[str, str]:
    """The comment of everything that has one, on one line, by its full name ("rungway.v1.Lease.trial"). A value of an
    enum has that of the enum before its own ("rungway.v1.Outcome.OUTCOME_ERROR")."""
    return {name: " ".join(text.split()) for file in own(files) for name, text in _comments(file)}


def _comments(file: pb.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    said = {
        tuple(location.path): location.leading_comments or location.trailing_comments
        for location in file.source_code_info.location
    }
    for name, path in _names(file):
        if text := said.get(path):
            yield f"{file.package}.{name}", text


def _names(file: pb.FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number, service in enumerate(file.service):
        yield service.name, (_SERVICE, number)
        for index, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (_SERVICE, number, _METHOD, index)
    for number, message in enumerate(file.message_type):
        yield from _names_of_message(message, message.name, (_MESSAGE, number))
    for number, enum in enumerate(file.enum_type):
        yield from _names_of_enum(enum, enum.name, (_ENUM, number))


def _names_of_message(
    message: pb.DescriptorProto, name: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, _FIELD, index)
    for index, nested in enumerate(message.nested_type):
        yield from _names_of_message(nested, f"{name}.{nested.name}", (*path, _NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield from _names_of_enum(enum, f"{name}.{enum.name}", (*path, _NESTED_ENUM, index))


def _names_of_enum(
    enum: pb.EnumDescriptorProto, name: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name, path
    for index, value in enumerate(enum.value):
        yield f"{name}.{value.name}", (*path, _VALUE, index)
