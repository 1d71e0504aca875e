import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.estimators.win_rates import summing
from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.estimators.win_rates.summing import Listed, Tabled, win_sums


def some_battles(rng, *, rows, players, count):
    first = rng.integers(0, players, count)
    return Battles(
        rows=rng.integers(0, rows, count),
        first=first,
        second=(first + 1 + rng.integers(0, players - 1, count)) % players,
        outcomes=rng.choice([0.0, 0.5, 1.0], count),
        weights=rng.choice([1.0, 2.0, 7.5], count),
    )


def slowly(battles, weights, players):
    sums = np.zeros((len(weights), players, players))
    for place in range(len(battles)):
        one, other = battles.first[place], battles.second[place]
        for query, row in enumerate(weights):
            weight = float(row[battles.rows[place]]) * battles.weights[place]
            sums[query, one, other] += weight * battles.outcomes[place]
            sums[query, other, one] += weight * (1 - battles.outcomes[place])
    return sums


@given(st.integers(0, 2**32 - 1), st.sampled_from([Tabled, Listed]), st.integers(2, 5))
def test_the_sums_are_those_over_all_battles(seed, kind, players):
    rng = np.random.default_rng(seed)
    rows, queries = int(rng.integers(1, 9)), int(rng.integers(0, 4))
    battles = some_battles(rng, rows=rows, players=players, count=int(rng.integers(1, 30)))
    weights = rng.random((queries, rows)).astype(np.float32)
    found = kind.of(battles, rows=rows, players=players)(weights)
    np.testing.assert_allclose(found, slowly(battles, weights, players), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("most", "kind"), [(63, Listed), (64, Tabled)])
def test_a_large_table_is_kept_as_a_list(monkeypatch, most, kind):
    monkeypatch.setattr(summing, "_CELLS", most)
    battles = some_battles(np.random.default_rng(0), rows=4, players=4, count=9)
    assert type(win_sums(battles, rows=4, players=4)) is kind
