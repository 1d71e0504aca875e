import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import win_rate_threshold
from knnrouter.evaluation.targets.shares import share_threshold
from knnrouter.policies import Candidates, Reserved, Threshold

NAN = float("nan")


class TestWinRates:
    @pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
    def test_it_is_routellms_definition(self, share):
        """`calibrate_threshold.py`: the quantile 1 - share of the win rates of a sample."""
        rates = np.random.default_rng(0).beta(2, 5, size=1000)
        found = win_rate_threshold(rates, share)
        assert found == np.quantile(rates, 1 - share)
        assert np.mean(rates >= found) == pytest.approx(share, abs=1e-3)

    @pytest.mark.parametrize(
        ("rates", "share", "threshold"),
        [
            ([0.5] * 10, 0.3, 0.75),  # all or none: halfway to 1, so none
            ([0.2, 0.5, 0.5, 0.6], 0.5, 0.55),
            ([0.2, 0.5, 0.5, 0.6], 0.75, 0.425),  # three do, and 0.2 + 0.75 · 0.3 parts them
            ([0.1, 0.2, 0.3, 0.4, 0.5], 0.5, 0.35),  # the median itself would be three of five
            ([0.4], 0.5, 0.7),
            ([0.1, 0.2], 1.0, 0.1),
            ([0.1, 0.2], 0.0, 0.6),
        ],
    )
    def test_ties_never_exceed_the_share(self, rates, share, threshold):
        assert win_rate_threshold(rates, share) == pytest.approx(threshold)

    @settings(max_examples=300)
    @given(
        rates=st.lists(st.integers(0, 6).map(lambda x: x / 6), min_size=1, max_size=30),
        share=st.floats(0, 1),
    )
    def test_at_most_holds_and_a_lower_one_would_not(self, rates, share):
        try:
            found = win_rate_threshold(rates, share)
        except EvaluationError:
            assert np.mean(np.array(rates) == 1) > share
            return
        assert 0 <= found <= 1
        assert np.mean(np.array(rates) >= found - 1e-9) <= share + 1e-9
        lower = [rate for rate in rates if rate < found - 1e-9]
        if lower:  # the next one below would let more through than the share
            assert np.mean(np.array(rates) >= max(lower)) > share - 1 / len(rates) - 1e-9

    @pytest.mark.parametrize(
        ("rates", "share", "message"),
        [
            ([1.0, 1.0, 0.5], 0.5, "0.6667 of the queries have a win rate of 1"),
            ([0.5, 1.2], 0.5, "win rates go from 0.5 to 1.2"),
            ([0.5, NAN], 0.5, "1 of 2 values of win_rates are not finite"),
            ([], 0.5, "give vectors"),
            ([0.5], 1.5, "share is 1.5; give a number of at least 0 and at most 1"),
        ],
    )
    def test_what_cannot_be(self, rates, share, message):
        with pytest.raises(EvaluationError, match=message):
            win_rate_threshold(rates, share)


def part_of(asked, policy, model):
    """The share of the queries on which the policy itself chooses the model."""
    chosen = 0
    for row, scores in enumerate(asked.scores):
        if asked.fixed[row] >= 0:
            chosen += asked.models[asked.fixed[row]] == model
            continue
        places = np.flatnonzero(asked.options[row]).tolist()
        given = Candidates(
            models=asked.models, scores=scores.tolist(), costs=asked.costs[row].tolist()
        )
        chosen += policy(given.only(places)).ranking[0] == model
    return chosen / len(asked)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), models=st.integers(2, 4), share=st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_the_share_holds_for_the_policy_itself(data, models, share, asked_of):
    """With ties, models without evidence, models that may not answer, and fixed rows."""
    score = st.integers(0, 4).map(lambda x: x / 4) | st.just(NAN)
    count = data.draw(st.integers(1, 12))
    rows = [data.draw(st.lists(score, min_size=models, max_size=models)) for _ in range(count)]
    fixed = [data.draw(st.sampled_from([-1, -1, -1, 0, 1])) for _ in range(count)]
    allowed = [data.draw(st.lists(st.booleans(), min_size=models, max_size=models)) for _ in rows]
    options = [
        [True, True, *row[2:]] if data.draw(st.booleans()) else [False, True, *row[2:]]
        for row in allowed
    ]
    for row, known in zip(options, rows, strict=True):  # what may be chosen has some evidence
        known[1] = 0.5 if np.isnan(known[1]) and not row[0] else known[1]
        if all(np.isnan(one) for one, may in zip(known, row, strict=True) if may):
            known[0] = 0.5
    asked = asked_of(rows, [1.0] * models, fixed=fixed, options=options)
    try:
        threshold = share_threshold(asked, "a", share)
    except EvaluationError as error:
        assert "whatever the policy" in str(error) or "win rate of 1" in str(error)
        return
    assert threshold >= 0.5
    policy = Reserved(model="a", margin=2 * threshold - 1)
    assert part_of(asked, policy, "a") <= share + 1e-9


def test_a_share_is_no_target(asked_of):
    """The model leads on one of four queries; half of them would be allowed."""
    asked = asked_of([[0.9, 0.5], [0.2, 0.5], [0.3, 0.5], [0.4, 0.5]], [1.0, 1.0])
    assert share_threshold(asked, "a", 0.5) == 0.5
    assert part_of(asked, Threshold(strong="a", weak="b", threshold=0.5), "a") == 0.25


def test_of_two_models_it_is_the_quantile_of_the_win_rates(asked_of):
    draws = np.random.default_rng(3)
    scores = np.stack([0.5 + draws.random(100) / 2, draws.random(100) / 2], axis=1)
    asked = asked_of(scores, [1.0, 1.0])
    rates = (1 + scores[:, 0] - scores[:, 1]) / 2
    assert share_threshold(asked, "a", 0.3) == pytest.approx(np.quantile(rates, 0.7), abs=1e-12)


def test_calls_that_no_policy_can_keep_out_count(asked_of):
    """Two of ten go to `a` whatever the policy; of the other eight one more may."""
    scores = [[0.5 + row / 20, 0.5] for row in range(10)]
    asked = asked_of(scores, [1.0, 1.0], fixed=[0, 0, *[-1] * 8])
    policy = Reserved(model="a", margin=2 * share_threshold(asked, "a", 0.3) - 1)
    assert part_of(asked, policy, "a") == pytest.approx(0.3)
    with pytest.raises(EvaluationError, match=r"a answers 0\.2 of the queries whatever the policy"):
        share_threshold(asked, "a", 0.1)


def test_where_it_answers_alone_it_answers(asked_of):
    asked = asked_of([[0.5, NAN], [0.9, 0.5]], [1.0, 1.0])
    with pytest.raises(EvaluationError, match=r"a answers 0\.5 of the queries"):
        share_threshold(asked, "a", 0.4)
    assert (
        part_of(asked, Reserved(model="a", margin=2 * share_threshold(asked, "a", 0.5) - 1), "a")
        == 0.5
    )
    only = asked_of([[0.5]], [1.0])
    assert share_threshold(only, "a", 1.0) == 0.5
