"""Configurations as vectors: there and back, for every kind of parameter."""

import math

import numpy as np
import pytest

from rungway_server.domain.sampling.philox import leading_bits, seed_keys
from rungway_server.domain.sampling.sampling import suggest_many
from rungway_server.domain.space.configuration import flat
from rungway_server.domain.space.membership import check_configuration
from rungway_server.proposals.column import ABSENT
from rungway_server.proposals.columns import columns_of
from rungway_server.proposals.draws import Draws, Use
from tests.support.observed import MIXED, space_of

SPACE = space_of(MIXED)
COLUMNS = columns_of(SPACE)
CONFIGS = suggest_many(SPACE, 3, range(600))


def test_a_configuration_comes_back_from_its_row() -> None:
    rows = COLUMNS.encoded(CONFIGS)
    for row, hparams in zip(rows, CONFIGS, strict=True):
        back = COLUMNS.configuration(row)
        assert back is not None
        values, again = flat(SPACE, hparams), flat(SPACE, back)
        assert values.keys() == again.keys()
        for path, value in values.items():
            assert again[path] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)


def test_a_coordinate_is_the_share_of_the_draws_below_it() -> None:
    rows = COLUMNS.encoded(CONFIGS)
    for index, column in enumerate(COLUMNS.columns):
        there = rows[rows[:, index] >= 0, index]
        if column.category or len(there) < 100:
            continue
        size = column.axis.size if column.axis is not None else math.inf
        spread = math.sqrt((1 - 1 / min(size, 1e6) ** 2) / 12)
        assert abs(there.mean() - 0.5) < 5 * spread / math.sqrt(len(there)), column.path
        assert there.std() == pytest.approx(spread, rel=0.12), column.path


def test_what_does_not_exist_has_no_coordinate() -> None:
    index = [column.path for column in COLUMNS.columns].index(("momentum",))
    rows = COLUMNS.encoded(CONFIGS)
    assert [at == ABSENT for at in rows[:, index]] == ["momentum" not in hparams for hparams in CONFIGS]
    assert (COLUMNS.without_absent(np.where(rows == ABSENT, 0.5, rows)) == rows).all()


def test_random_rows_are_configurations_of_the_space() -> None:
    rows = COLUMNS.drawn(Draws(1, Use.FOREST, 1).uniform(300, len(COLUMNS)))
    found = [COLUMNS.configuration(row) for row in rows]
    assert all(hparams is not None and not check_configuration(SPACE, hparams) for hparams in found)
    again = COLUMNS.encoded([hparams for hparams in found if hparams is not None])
    exact = np.array([column.axis is None or column.listed for column in COLUMNS.columns])
    assert np.allclose(again[:, exact], rows[:, exact], atol=1e-9)
    assert np.allclose(again, rows, atol=0.1)  # the first step of a long list is wide on a logarithmic scale


def test_ends_of_the_ranges_belong_to_the_space() -> None:
    for end in (0.0, 1.0):
        row = np.where(COLUMNS.categories, 0.0, np.full(len(COLUMNS), end))
        hparams = COLUMNS.configuration(row)
        assert hparams is not None
        assert check_configuration(SPACE, hparams) == []
        assert COLUMNS.encoded([hparams])[0] == pytest.approx(COLUMNS.without_absent(row[None])[0], abs=0.5)


def test_a_users_own_spelling_of_a_value_is_the_same_coordinate() -> None:
    space = space_of(
        {"n": {"type": "int", "minval": 1, "maxval": 3}, "c": {"type": "categorical", "vals": [1, "1", [2]]}}
    )
    one, other, third = columns_of(space).encoded([{"n": 2, "c": 1}, {"n": 2.0, "c": 1.0}, {"n": 2, "c": [2.0]}])
    assert list(one) == list(other)
    assert list(third) != list(one)


def test_a_constraint_excludes_a_row() -> None:
    section = {name: {"type": "double", "minval": 0, "maxval": 1} for name in "ab"}
    columns = columns_of(space_of(section, "a <= b"))
    assert columns.configuration(np.array([0.75, 0.25])) is None
    assert columns.configuration(np.array([0.25, 0.75])) == {"a": 0.25, "b": 0.75}


def test_draws_are_the_bits_of_philox_and_never_those_of_the_pure_source() -> None:
    drawn = Draws(9, Use.LOCAL, 4).words(8)
    models = int.from_bytes(b"proposal", "big")
    # numpy counts its blocks from 1
    first = leading_bits((1, 4, Use.LOCAL, models), seed_keys(9))
    assert (first >> 64, first & (2**64 - 1)) == (int(drawn[0]), int(drawn[1]))
    assert Draws(9, Use.LOCAL, 5).words(1)[0] not in drawn
