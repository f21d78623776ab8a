"""Models that propose rows of a table, so that a search uses each row once: as in a recorded comparison of searches.

The models, their sources and shares, and what they have seen are those of the service. Only the candidates are others:
the forest judges rows that are free, and what local moves and densities come to is the nearest free row. A draw of the
sampler is the next row of the table's order for the seed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.proposals import chain, densities, moves
from rungway_server.proposals.columns import columns_of
from rungway_server.proposals.draws import Draws, Floats, Use
from rungway_server.proposals.observed import Observed, Source
from rungway_server.proposals.propose import CANDIDATES, chosen_trees
from rungway_server.simulation.rows import Column, Dealt, Rows
from rungway_server.simulation.table import Table
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.observing import observed_of, proposed

_NEAR = 1_000
"""Free rows among which the nearest one is looked for."""


def space_of(columns: Sequence[Column]) -> dict[str, object]:
    """The `hyperparameters` section of a table."""
    return {each.name: _parameter(each) for each in columns}


def _parameter(each: Column) -> dict[str, object]:
    if not each.choices and each.lower == each.upper:
        return {"type": "const", "val": each.lower}
    if each.choices:
        return {"type": "ordinal" if each.ordered else "categorical", "vals": list(each.choices)}
    return {"type": "log_uniform" if each.log else "double", "minval": each.lower, "maxval": each.upper}


class Pool:
    """The rows of a table for one search: which are used, and by which trials."""

    def __init__(self, table: Table, config: ExperimentConfig, order: Rows | None = None) -> None:
        """`order`: what the sampler draws, if rows may come again (a stream)."""
        self._space, self._seed = config.space, config.seed
        self._columns, self._pack = columns_of(config.space), Configurations(config.space).pack
        self._hparams = [_hparams(table.columns, row) for row in table.configs.tolist()]
        self._row_of_config = {identity(each): row for row, each in enumerate(self._hparams)}
        self._x = self._columns.encoded(self._hparams)
        self._order, self._again, self._next = order or Dealt(len(self._x), config.seed), order is not None, 0
        self._left = {} if self._again else self._deal()
        self._rows, self._taken = dict[int, int](), set[int]()
        self._offered: dict[tuple[Source, int], list[int]] = {}
        self._used = np.zeros(len(self._x), np.bool_)

    def __getitem__(self, trial: int) -> int:
        """The row of a trial."""
        return self._rows[trial]

    def configured(self, trial: int, hparams: Mapping[str, object]) -> None:
        """Give a new trial the row that was proposed, or the next one."""
        row = self._row_of_config.get(identity(hparams))
        if row is None or row in self._taken:
            row = self._next_row()
        self._rows[trial] = row
        self._taken.add(row)
        self._left.pop(row, None)
        self._used[row] = True

    def give(self, trial: int, hparams: Mapping[str, object]) -> Mapping[str, object] | None:
        """Give a new trial the free row that is nearest to a configuration; returns that of the row, None if there is
        no free row."""
        if self._used.all():
            return None
        row = self._nearest(self._columns.encoded([hparams])[0], Draws(self._seed, Use.LOCAL, trial))
        self._rows[trial] = row
        self._used[row] = True
        return self._hparams[row]

    async def compute(self, _: str, work: Callable[..., Any], *args: Any) -> Any:
        """What the store lets its models do; in place of proposals of the space, rows."""
        if work is not proposed:
            return work(*args)
        config, seen, source, numbers, entry = args
        return [
            self._pack(self._hparams[row]) for row in self._proposed(observed_of(config, seen), source, numbers, entry)
        ]

    def _deal(self) -> dict[int, None]:
        """All rows, in the order in which the sampler draws them."""
        return dict.fromkeys(self._order[place] for place in range(len(self._x)))

    def _next_row(self) -> int:
        """The next row of the order that is free; when there is none, one that is offered only. A search with more
        trials than there are rows begins again."""
        if self._again:
            self._next += 1
            return self._order[self._next - 1]
        self._left = self._left or self._deal()
        free = (row for row in self._left if not self._used[row])
        return next(free, next(iter(self._left)))

    def _proposed(self, observed: Observed, source: Source, numbers: range, entry: int) -> list[int]:
        """Rows that are free; those that were offered before and not taken are free again."""
        offered = self._offered.setdefault((source, entry), [])
        self._used[[row for row in offered if row not in self._taken]] = False
        offered.clear()
        known = {trial: self._hparams[row] for trial, row in self._rows.items() if trial in observed.configs}
        for row in self._choices(replace(observed, configs=known), source, numbers, entry):
            offered.append(row)
            self._used[row] = True
        return offered

    def _choices(self, observed: Observed, source: Source, numbers: range, entry: int) -> Iterable[int]:
        columns, fit = self._columns, Draws(self._seed, Use.FIT, observed.revision)
        match source:
            case Source.FOREST:
                fitted = chain.fitted(columns, observed, fit)
                for draws in self._draws(Use.FOREST, numbers) if fitted else ():
                    assert fitted is not None
                    free = self._some_free(draws, CANDIDATES)
                    trees = chosen_trees(draws, entry, len(observed.rungs))
                    yield int(free[np.argmin(fitted.score(self._x[free], trees))])
            case Source.LOCAL:
                good = [trial for trial in moves.looked_at(observed.rungs) if trial in self._rows]
                for draws in self._draws(Use.LOCAL, numbers) if good else ():
                    row = self._x[self._rows[good[int(draws.below(len(good), 1)[0])]]]
                    yield self._nearest(moves.moved(columns, row, draws), draws)
            case _:
                model = densities.fitted(columns, observed, fit)
                for draws in self._draws(Use.KDE, numbers) if model else ():
                    assert model is not None
                    pure = draws.uniform(1)[0] < densities.RANDOM_SHARE
                    yield self._next_row() if pure else self._nearest(model.samples(draws)[0], draws)

    def _draws(self, use: Use, numbers: range) -> Iterable[Draws]:
        """The random numbers of each, as long as a row is free."""
        return (Draws(self._seed, use, number) for number in numbers if not self._used.all())

    def _some_free(self, draws: Draws, most: int) -> "np.typing.NDArray[np.intp]":
        free = np.flatnonzero(~self._used)
        return free if len(free) <= most else free[np.argsort(draws.uniform(len(free)))[:most]]

    def _nearest(self, row: Floats, draws: Draws) -> int:
        free = self._some_free(draws, _NEAR)
        away = self._x[free] - row
        away = np.where(self._columns.categories, away != 0, away)
        return int(free[(away * away).sum(1).argmin()])


def _hparams(columns: Sequence[Column], row: Sequence[float]) -> dict[str, object]:
    """The configuration of a row, with values that the space has."""
    found: dict[str, object] = {}
    for each, value in sorted(zip(columns, row, strict=True), key=lambda pair: pair[0].name):
        if each.named:
            found[each.name] = each.choices[int(value)]
        elif each.choices:
            found[each.name] = min(each.choices, key=lambda choice: abs(float(choice) - value))  # type: ignore[arg-type]
        else:
            found[each.name] = min(max(each.lower if math.isnan(value) else value, each.lower), each.upper)
    return found
