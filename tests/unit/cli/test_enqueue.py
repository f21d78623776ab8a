"""`rungway enqueue`: how a configuration is read from a file and from --set."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rungway_server.cli.app import app
from rungway_server.cli.enqueue import _assign
from rungway_server.domain.documents.text import BadDocument


def assigned(*texts: str, into: dict[str, Any] | None = None) -> dict[str, Any]:
    hparams: dict[str, Any] = {} if into is None else into
    _assign(hparams, texts)
    return hparams


def test_values_have_the_types_of_yaml() -> None:
    texts = ("a=1", "b=1e-3", "c=true", "d=adam", "e='1'", "f=", "g=[1, x]", "h=off", "i=k=v", "j=1.0")
    assert assigned(*texts) == {
        "a": 1,
        "b": 0.001,
        "c": True,
        "d": "adam",
        "e": "1",
        "f": None,
        "g": [1, "x"],
        "h": "off",
        "i": "k=v",
        "j": 1.0,
    }
    assert isinstance(assigned("j=1.0")["j"], float)


def test_groups_are_dotted_and_replace_what_the_file_says() -> None:
    file = {"optimizer": {"name": "sgd", "momentum": 0.5}, "lr": 1.0}
    found = assigned("optimizer.momentum=0.9", "deep.er.x=1", into=file)
    assert found == {"optimizer": {"name": "sgd", "momentum": 0.9}, "lr": 1.0, "deep": {"er": {"x": 1}}}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("learning-rate=1", ("learning-rate",)),
        ("`learning-rate`=1", ("learning-rate",)),
        ("`weight.decay`=1", ("weight.decay",)),
        ("opt.`weight.decay`=1", ("opt", "weight.decay")),
        ("`a=b`=1", ("a=b",)),
        ("a/b.c d=1", ("a/b", "c d")),
        ("`a``b`.`=.`=1", ("a`b", "=.")),
        ("`a`b=1", ("`a`b",)),
    ],
)
def test_odd_names(text: str, path: tuple[str, ...]) -> None:
    wanted: Any = 1
    for name in reversed(path):
        wanted = {name: wanted}
    assert assigned(text) == wanted


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (("lr",), "--set lr: wanted NAME=VALUE"),
        (("=1",), "wanted NAME=VALUE"),
        (("a..b=1",), "wanted NAME=VALUE"),
        (("a=1", "a=2"), "--set a=2: a is given twice"),
        (("a.b=1", "`a`.`b`=2"), "--set `a`.`b`=2: a.b is given twice"),
        (("`a.b`=1", "`a.b`.c=2"), "`a.b` has a value of its own"),
        (("`a.b`",), "wanted NAME=VALUE"),
        (("a.=1",), "wanted NAME=VALUE"),
        (("a=1", "a.b=2"), "--set a.b=2: a has a value of its own"),
        (("a=[1",), "--set a=[1: line 1"),
        (("a={x: 1, x: 2}",), "the key 'x' is given twice"),
        (("a=" + "[" * 50_000,), "nested deeper than"),
    ],
)
def test_what_cannot_be_read_is_refused(texts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(BadDocument) as refusal:
        assigned(*texts)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("enqueue", "x"), "no configuration"),
        (("enqueue", "x", "absent.yaml"), "absent.yaml: cannot be read"),
        (("enqueue", "x", "--set", "lr"), "wanted NAME=VALUE"),
        (("update", "x"), "nothing to change"),
        (("explain", "x", "-1"), "-1"),
        (("explain", "x"), "TRIAL"),
        (("create", "x.yaml", "--warm-start-from", "y", "--warm-start-count", "0"), "--warm-start-count"),
        (("create", "x.yaml", "--warm-start-count", "3"), "needs --warm-start-from"),
    ],
)
def test_wrong_usage_is_said_without_a_service(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--target", "127.0.0.1:1"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr


def test_the_refusal_of_a_file_says_what_was_wanted(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    result = CliRunner().invoke(app, ["enqueue", "x", str(path), "--target", "127.0.0.1:1"])
    assert result.exit_code == 2
    assert "the top level is a list: a mapping of hyperparameters to values was wanted" in result.stderr
