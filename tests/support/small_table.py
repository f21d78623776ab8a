"""A small table of learning curves, for tests that play many searches on it."""

from dataclasses import replace

from rungway_server.simulation.study import TABLE
from rungway_server.simulation.table import Table, read_table


def small_table() -> Table:
    """Sixty networks of nine epochs."""
    table = read_table(TABLE)
    return replace(
        table,
        values=table.values[:60, :9],
        elapsed=table.elapsed[:60, :10],
        ends=table.ends[:60].clip(1, 9),
        configs=table.configs[:60],
    )
