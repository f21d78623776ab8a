"""docs/promises.md: every promise names tests that exist and are not skipped, and verbs that exist."""

import re

import pytest

from tests.support.named_tests import ROOT, assert_not_skipped, named_in

PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = {
    number: (promise, proof, limits)
    for number, promise, proof, limits in re.findall(r"^\| (T\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
}


def test_there_are_27_promises_with_limits() -> None:
    assert list(ROWS) == [f"T{number}" for number in range(1, 28)]
    assert PAGE.count("\n| T") == len(ROWS)
    for promise, _, limits in ROWS.values():
        assert len(promise) > 40
        assert len(limits) > 20


@pytest.mark.parametrize("number", ROWS)
def test_the_tests_named_exist_and_are_not_skipped(number: str) -> None:
    named = named_in(ROWS[number][1])
    assert named
    for path, name in named:
        assert_not_skipped(path, name)


def test_the_verbs_and_scenarios_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert verbs >= {"test", "chaos", "load"}
    assert all(f"\n{verb}:" in makefile for verb in verbs)
    scenarios = (ROOT / "tests" / "chaos" / "scenarios.py").read_text(encoding="utf-8")
    for names in re.findall(r"scenarios? ((?:`[\w-]+`(?:, )?)+)", PAGE):
        for name in re.findall(r"`([\w-]+)`", names):
            assert f'"{name}"' in scenarios, name
    load_tests = {path.stem for path in (ROOT / "loadtests").glob("*.py")}
    assert set(re.findall(r"LOAD_ARGS=(\w+)", PAGE)) <= load_tests
