"""Configuration files: what is read, and what is refused with a place and a reason."""

import math
from pathlib import Path

import pytest

from rungway_server.cli.files import read_document
from rungway_server.domain.documents.text import MAX_BYTES, BadDocument

ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)
)


def written(folder: Path, content: str | bytes, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_words_and_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    text = "rate: 1e-3\nvals: [off, yes, null, ~, true, 010, 2024-01-01, -.inf, .5, 7]\n"
    assert read_document(written(tmp_path, text)) == {
        "rate": 0.001,
        "vals": ["off", "yes", None, None, True, 10, "2024-01-01", -math.inf, 0.5, 7],
    }


def test_anchors_and_merge_keys_are_followed(tmp_path: Path) -> None:
    text = "base: &b {type: double, minval: 0}\nlr: {<<: *b, maxval: 1}\n"
    assert read_document(written(tmp_path, text))["lr"] == {"type": "double", "minval": 0, "maxval": 1}


def test_json_is_read_as_json(tmp_path: Path) -> None:
    assert read_document(written(tmp_path, '{"a": [1, 2.5, "x"]}', "config.json")) == {"a": [1, 2.5, "x"]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4, column 3: the key 'c' is given twice"),
        ('a: 1\n"a": 2\n', "line 2, column 1: the key 'a' is given twice"),
        ("- 1\n", "the top level is a list"),
        ("hello", "the top level is a text"),
        ("", "it is empty"),
        ("a: [1,\nb: 2\n", "line 3, column 1"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: {1: 2}\n", "a: the key 1 is a number, not text: quote it"),
        ("a: &a [*a]\n", "nested deeper than"),
        ("[" * 50_000, "nested deeper than"),
        (ALIASES, "more than 100,000 values"),
        ("a: [" + "1," * 100_000 + "}", "more than 100,000 values"),  # and nothing after these is read
        (b"\xff\xfe", "not UTF-8 text: byte 0 is 0xff"),
        ("a: \0", "special characters are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: !!set {x}", "a: a value of the type set is not supported"),
        ("a: *b", "undefined alias"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("# " + "x" * MAX_BYTES, "larger than 1,048,576 bytes"),
    ],
)
def test_what_is_no_single_mapping_is_refused(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BadDocument) as refusal:
        read_document(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ('{"a" 1}', "line 1, column 6"),
        ("[" * 100_000, "nested deeper than"),
        ('{"a": ' + "9" * 5000 + "}", "4300 digits"),
    ],
)
def test_bad_json_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(BadDocument, match=complaint.replace(",", ".")):
        read_document(written(tmp_path, content, "config.json"))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match="No such file"):
        read_document(tmp_path / "absent.yaml")
    with pytest.raises(BadDocument, match="Is a directory"):
        read_document(tmp_path)
    with pytest.raises(BadDocument, match="larger than"):
        read_document(Path("/dev/zero"))


MULTIPLIED = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (MULTIPLIED, "more than 100,000 values"),
        ("a: &a\n  <<: *a\n", "nested deeper"),
        ("a: !!bool maybe\n", "does not fit the tag"),
        ("a: !!timestamp soon\n", "does not fit the tag"),
        ("a: !!int x\n", "invalid literal"),
    ],
)
def test_yaml_that_is_well_formed_and_hostile(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(BadDocument, match=problem):
        read_document(written(tmp_path, content))
