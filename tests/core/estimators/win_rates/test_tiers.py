from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators.win_rates.tiers import tiers


def spread(values, tier_of):
    values, tier_of = np.asarray(values), np.asarray(tier_of)
    groups = [values[tier_of == tier] for tier in set(tier_of.tolist())]
    return sum(float(((group - group.mean()) ** 2).sum()) for group in groups)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-9, 9).map(lambda value: round(value, 1)), min_size=1, max_size=6),
    st.integers(1, 7),
)
def test_no_other_split_has_a_smaller_spread(values, count):
    found = tiers(np.array(values), count).tolist()
    wanted = min(count, len(values))
    assert sorted(set(found)) == list(range(wanted))
    splits = product(range(wanted), repeat=len(values))
    least = min(spread(values, split) for split in splits if len(set(split)) == wanted)
    assert spread(values, found) <= least + 1e-9
    for one, its in zip(values, found, strict=True):
        for other, theirs in zip(values, found, strict=True):
            assert one >= other or its >= theirs  # the stronger, the lower the tier


def test_tiers_are_where_the_gaps_are():
    ratings = np.array([1000, 1310, 1290, 990, 1150, 1300, 1160])
    assert tiers(ratings, 3).tolist() == [2, 0, 0, 2, 1, 0, 1]


def test_with_as_many_tiers_as_models_each_is_one_of_its_own():
    assert tiers(np.array([0.0, 3.0, 1.0]), 9).tolist() == [2, 0, 1]
