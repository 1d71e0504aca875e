from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.records import RecordSet

NAN = float("nan")


def records_of(scores, weights=None):
    scores = np.asarray(scores, np.float32)
    return RecordSet(
        ids=tuple(map(str, range(len(scores)))),
        models=tuple(f"m{place}" for place in range(scores.shape[1])),
        scores=scores,
        weights=weights,
    )


def told(battles):
    """Each battle as a tuple."""
    columns = (
        battles.rows,
        battles.first,
        battles.second,
        battles.outcomes,
        battles.weights,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def slowly(scores, weights, margin):
    for first, second in combinations(range(len(scores[0])), 2):
        for row, its in enumerate(scores):
            gap = its[first] - its[second]
            if gap == gap:
                outcome = 0.5 if abs(gap) <= margin else float(gap > 0)
                yield row, first, second, outcome, weights[row]


def test_gold_labels_judged_scores_and_preferences_come_in_one_form():
    gold = records_of([[1, 0, NAN], [0, 0, 1]], weights=[1.0, 3.0])
    assert told(Battles.of(gold)) == [
        (0, 0, 1, 1.0, 1.0),
        (1, 0, 1, 0.5, 3.0),
        (1, 0, 2, 0.0, 3.0),
        (1, 1, 2, 0.0, 3.0),
    ]
    judged = records_of([[0.8, 0.9]])
    assert told(Battles.of(judged)) == [(0, 0, 1, 0.0, 1.0)]
    preferred = records_of([[NAN, 1, 0], [0.5, NAN, 0.5]])
    assert told(Battles.of(preferred)) == [(1, 0, 2, 0.5, 1.0), (0, 1, 2, 1.0, 1.0)]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 0.5]))
def test_every_two_measured_models_of_a_row_fight(seed, margin):
    rng = np.random.default_rng(seed)
    scores = rng.choice([0, 0.25, 0.5, 1, NAN], (int(rng.integers(1, 8)), int(rng.integers(1, 5))))
    scores[0, 0] = 0.5
    weights = rng.choice([1.0, 2.5], len(scores))
    found = Battles.of(records_of(scores, weights), tie_margin=margin)
    assert told(found) == list(slowly(scores.tolist(), weights.tolist(), margin))
    assert len(found) == len(told(found))


@pytest.mark.parametrize(("margin", "outcome"), [(0.1, 0.5), (0.0999, 1.0), (0.0, 1.0)])
def test_the_margin_means_the_decimals_that_were_given(margin, outcome):
    # As float32, 0.3 is 0.1 and a little more above 0.2.
    (battle,) = told(Battles.of(records_of([[0.3, 0.2]]), tie_margin=margin))
    assert battle[3] == outcome


def test_players_fight_and_nobody_fights_itself():
    battles = Battles.of(records_of([[1, 0, 0], [0, 1, NAN]]))
    found = battles.between(np.array([1, 0, 0]))  # the second and the third are one player
    assert told(found) == [(0, 1, 0, 1.0, 1.0), (1, 1, 0, 0.0, 1.0), (0, 1, 0, 1.0, 1.0)]


def test_where_nobody_meets_there_is_no_battle():
    assert told(Battles.of(records_of([[1, NAN], [NAN, 0]]))) == []
