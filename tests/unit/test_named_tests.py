"""Tests that documents name are collected: one run of pytest for all pages, because each takes ten seconds."""

from tests.support.named_tests import ROOT, assert_collected, named_in

PAGES = ("promises.md", "security.md")


def test_pytest_collects_every_test_that_a_page_names() -> None:
    named = [test for page in PAGES for test in named_in((ROOT / "docs" / page).read_text(encoding="utf-8"))]
    assert len(named) > 100
    assert_collected(named)
