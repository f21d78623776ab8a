"""docs/security.md: every bound names tests that exist and are not skipped (test_named_tests.py: and are collected)."""

from tests.support.named_tests import ROOT, assert_not_skipped, named_in

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Who can reach a port can …")[2].partition("\n## ")[0]
LINES = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in LINES]


def test_every_caller_has_a_row_and_every_row_a_bound_and_a_test() -> None:
    callers = {row[0] for row in ROWS if row[0]}
    assert {"without a token, `--tokens` on", "`read`", "`work`", "`admin`"} <= callers
    for row in ROWS:
        assert len(row) == 4, row
        assert all(row[1:]), row
        assert named_in(row[3]), row


def test_the_tests_named_exist_and_are_not_skipped() -> None:
    for path, name in named_in(TABLE):
        assert_not_skipped(path, name)
