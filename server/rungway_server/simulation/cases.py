"""The recorded tables that searches are compared on, as they are and changed so that they mislead."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rungway_server.simulation.curves import BadCurves
from rungway_server.simulation.table import Table, read_table

FOLDER = Path("examples/curves")
_MISLED = 9
"""Units whose results tell nothing in the streams."""
GRU, _LSTM = "imdb_patch32_GRU64_avg_bs128", "imdb_patch32_LSTM128_bs128"
KC1, FASHION = "167181:kc1", "189908:Fashion-MNIST"


@dataclass(frozen=True, slots=True)
class Case:
    """A task of a table. `reversed_units`, `noise_units`: the order of the results up to so many units is reversed, or
    that of other rows. `moved`: the curves of so large a share, the best ones, and of as many drawn ones of the worse
    half have changed places: where the configurations around look bad, there is the best, and no model can know."""

    file: str
    task: str | None = None
    easy: bool = True
    stream: bool = False
    reversed_units: int = 0
    noise_units: int = 0
    moved: float = 0.0

    @property
    def name(self) -> str:
        """As it is shown."""
        told = [f"first {self.reversed_units} reversed"] if self.reversed_units else []
        told += [f"first {self.noise_units} of other rows"] if self.noise_units else []
        told += [f"best {self.moved:.1%} moved"] if self.moved else []
        world = ["stream"] if self.stream else []
        return ", ".join([self.file.removesuffix(".npz"), *([self.task] if self.task else []), *told, *world])


CASES = (
    Case("taskset_a.npz", GRU),
    Case("taskset_a.npz", _LSTM),
    Case("lcbench_sur_a.npz", FASHION),
    Case("lcbench_sur_a.npz", "126025:adult"),
    Case("digits_mlp.npz"),
    Case("algoperf_ogbg.npz", easy=False),
    Case("taskset_a.npz", GRU, False, True, reversed_units=_MISLED),
    Case("lcbench_sur_a.npz", FASHION, False, True, noise_units=_MISLED),
)
MODEL_CASES = (
    *(case for case in CASES if not case.stream),
    Case("taskset_a.npz", "imdb_patch128_LSTM128_avg_bs64"),
    Case("taskset_a.npz", "imdb_patch128_LSTM128_embed128_bs64"),
    Case("taskset_a.npz", "imdb_patch32_IRNN64_relu_last_bs128"),
    Case("taskset_a.npz", "imdb_patch32_VRNN64_relu_avg_bs128"),
    Case("lcbench_sur_a.npz", "7593:covertype"),
    Case("lcbench_sur_a.npz", KC1),
    Case("deepobs_cifar10_3c3d.npz"),
    Case("deepobs_fmnist_2c2d.npz"),
)
"""Fourteen tables, all pools: the tasks of `CASES` and further ones."""
DECEPTIVE_CASES = tuple(
    replace(case, moved=0.015) for case in MODEL_CASES if case.task in (KC1, FASHION) or "IRNN" in str(case.task)
)
"""Tables that deceive models (`--deceptive`)."""


def named(cases: Iterable[Case], parts: Sequence[str]) -> list[Case]:
    """The cases with one of `parts` in their names. Raises LookupError, which names all of them, if there is none."""
    every = [*cases]
    if found := [case for case in every if any(part in case.name for part in parts)]:
        return found
    raise LookupError(f"no table has {' or '.join(map(repr, parts))} in its name: {'; '.join(c.name for c in every)}")


def misled(table: Table, case: Case) -> Table:
    """The table as the case wants it."""
    values = table.values.copy()
    if case.noise_units:
        others = np.random.default_rng(5).permutation(len(values))
        values[:, : case.noise_units] = table.values[others][:, : case.noise_units]
    for unit in range(case.reversed_units):
        order = np.argsort(values[:, unit], kind="stable")
        values[order, unit] = table.values[order[::-1], unit]
    curve_of = np.arange(len(values))
    if case.moved:
        order = np.argsort(values[:, -1] if table.smaller_is_better else -values[:, -1], kind="stable")
        best = order[: int(case.moved * len(order))]
        others = np.random.default_rng(5).choice(order[len(order) // 2 :], len(best), replace=False)
        curve_of[best], curve_of[others] = others, best
    return replace(table, values=values[curve_of], elapsed=table.elapsed[curve_of], ends=table.ends[curve_of])


def file_of(case: Case, folders: Sequence[Path]) -> Path | None:
    """The file of a case's table; None where none of these folders has it."""
    for folder in folders:
        with suppress(BadCurves):
            read_table(folder / case.file, case.task)
            return folder / case.file
    return None
