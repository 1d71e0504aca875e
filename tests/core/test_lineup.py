import warnings

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, RecordSet, policies
from knnrouter.errors import PolicyError, PoolError, PoolWarning, UnknownModelError
from knnrouter.estimators import Estimates
from knnrouter.lineup import Lineup
from knnrouter.pool import RouterSettings
from knnrouter.records import Price

NAN = float("nan")


def records(**more):
    given = {
        "ids": ("1", "2", "3"),
        "models": ("small-v1", "large", "unused"),
        "scores": [[1, 0, 1], [0, 1, NAN], [0, NAN, NAN]],
        "costs": [[0.1, NAN, 5], [0.3, NAN, NAN], [0.5, NAN, NAN]],
        "weights": [1, 1, 2],
    }
    return RecordSet(**given | more)


def pool(**router):
    return ModelPool(
        models=[
            ModelSpec(name="new", price=Price(1, 10), expected_output_tokens=100),
            ModelSpec(name="large", price=Price(2, 20)),
            ModelSpec(name="small", aliases=["small-v1"], price=Price(4, 40)),
        ],
        router=RouterSettings(**router),
    )


@pytest.fixture
def lineup():
    with pytest.warns(PoolWarning):
        return Lineup.of(records(), pool())


def estimates(**more):
    columns = (1, 3)
    given = {name: np.full(columns, NAN) for name in ("scores", "costs", "stderr", "support")}
    given |= {"models": ("small-v1", "large", "unused"), "similarity": np.array([0.5])}
    return Estimates(**given | {name: np.array([value], float) for name, value in more.items()})


def test_columns_come_first_under_their_names_in_the_pool(lineup):
    assert lineup.names == ("small", "large", "unused", "new")
    assert lineup.place == {"small": 0, "large": 1, "unused": 2, "new": 3}


def test_means_are_weighted_and_of_what_was_measured(lineup):
    assert lineup.means == pytest.approx((0.25, 0.5, 1.0, NAN), nan_ok=True)
    np.testing.assert_allclose(lineup.mean_costs, [0.35, NAN, 5, NAN])


class TestCosts:
    """Each source of a cost, in its order. A prompt of 1,000 tokens."""

    def test_what_the_neighbors_cost_comes_first(self, lineup):
        found = estimates(costs=[0.2, NAN, NAN], input_tokens=[10, 10, 10], output_tokens=[5, 5, 5])
        costs = lineup.costs(found, [1000.0])
        # small: its neighbors; large: 10 x 2 + 5 x 20; unused: its mean; new: 1,000 x 1 + 100 x 10.
        np.testing.assert_allclose(costs, [[0.2, 120e-6, 5, 2000e-6]])

    def test_tokens_of_the_neighbors_at_the_price_of_the_pool(self, lineup):
        found = estimates(input_tokens=[10, 10, NAN], output_tokens=[5, NAN, 5])
        costs = lineup.costs(found, [1000.0])
        # large: half of its tokens are not enough, and it states no expected output.
        np.testing.assert_allclose(costs, [[(40 + 200) / 1e6, NAN, 5, 2000e-6]])

    def test_never_the_input_alone(self, lineup):
        np.testing.assert_allclose(lineup.costs(estimates(), [1000.0]), [[0.35, NAN, 5, 2000e-6]])

    def test_what_was_measured_elsewhere_comes_last(self):
        dear = ModelPool(
            models=[
                ModelSpec(name="small-v1", price=Price(4, 40), expected_output_tokens=10),
                ModelSpec(name="large"),
            ]
        )
        costs = Lineup.of(records(), dear).costs(estimates(), [1000.0])
        np.testing.assert_allclose(costs, [[(4000 + 400) / 1e6, NAN, 5]])

    def test_a_price_of_nothing_is_free(self):
        free = ModelPool(
            models=[
                ModelSpec(name="large", price=Price(0, 0)),
                ModelSpec(name="small-v1", price=Price(0, 1)),
            ]
        )
        costs = Lineup.of(records(costs=None), free).costs(estimates(), [1000.0])
        np.testing.assert_allclose(costs, [[NAN, 0, NAN]])

    def test_a_very_small_price(self):
        tiny = ModelPool(
            models=[
                ModelSpec(name="large", price=Price(1e-6, 1e-6), expected_output_tokens=1),
                ModelSpec(name="small-v1"),
            ]
        )
        costs = Lineup.of(records(costs=None), tiny).costs(estimates(), [1.0])
        np.testing.assert_allclose(costs, [[NAN, 2e-12, NAN]])

    def test_each_query_has_its_own_prompt(self, lineup):
        two = {name: np.full((2, 3), NAN) for name in ("scores", "costs", "stderr", "support")} | {
            "models": ("small-v1", "large", "unused"),
            "similarity": np.zeros(2),
        }
        costs = lineup.costs(Estimates(**two), [0.0, 500.0])
        np.testing.assert_allclose(costs[:, 3], [1000e-6, 1500e-6])

    def test_without_a_pool_nothing_is_priced(self):
        lineup = Lineup.of(records(costs=None), None)
        found = estimates(input_tokens=[9, 9, 9], output_tokens=[9, 9, 9])
        assert np.isnan(lineup.costs(found, [9.0])).all()

    def test_which_costs_follow_from_a_price(self, lineup):
        found = estimates(costs=[0.2, NAN, NAN], input_tokens=[9, 9, 9], output_tokens=[9, 9, 9])
        assert lineup.follows_price(found, [9.0]).tolist() == [[False, True, False, True]]
        assert lineup.follows_price(estimates(), [9.0]).tolist() == [[False, False, False, True]]


class TestPolicy:
    def test_best_score_where_the_pool_names_none(self, lineup):
        assert lineup.policy == policies.BestScore()

    @pytest.mark.parametrize(
        "named", ["cheapest_above:min_score=0.5", {"kind": "cheapest_above", "min_score": 0.5}]
    )
    @pytest.mark.filterwarnings("ignore::knnrouter.errors.PoolWarning")
    def test_the_one_of_the_pool(self, named):
        lineup = Lineup.of(records(), pool(policy=named))
        assert lineup.policy == policies.CheapestAbove(min_score=0.5)

    @pytest.mark.filterwarnings("ignore::knnrouter.errors.PoolWarning")
    def test_the_guard_of_the_pool_is_around_every_policy(self):
        lineup = Lineup.of(records(), pool(min_similarity=0.3, default="large"))
        best = policies.BestScore()
        guarded = policies.Guarded(policy=best, min_similarity=0.3, fallback="large")
        assert lineup.policy == guarded
        assert lineup.guarded("best_score") == guarded
        assert lineup.guarded(best) == guarded
        own = policies.Guarded(policy=best, min_similarity=0.1, fallback="small")
        assert lineup.guarded(own) is own

    @pytest.mark.filterwarnings("ignore::knnrouter.errors.PoolWarning")
    def test_a_guard_needs_a_default(self):
        with pytest.raises(PoolError, match=r"router.min_similarity is 0.3, but router.default is"):
            Lineup.of(records(), pool(min_similarity=0.3))

    @pytest.mark.filterwarnings("ignore::knnrouter.errors.PoolWarning")
    def test_a_policy_of_the_pool_that_cannot_be(self):
        with pytest.raises(PolicyError, match="unknown policy 'best'"):
            Lineup.of(records(), pool(policy="best"))
        with pytest.raises(UnknownModelError, match="the pool has no model 'huge'"):
            Lineup.of(records(), pool(policy="threshold:strong=huge,weak=small,threshold=0.5"))

    @pytest.mark.parametrize(
        ("given", "shown"), [(5, "5"), (policies.BestScore, "<class"), (["best_score"], r"\[")]
    )
    def test_what_is_no_policy(self, lineup, given, shown):
        with pytest.raises(PolicyError, match=f"policy is {shown}.*; give a policy such as"):
            lineup.guarded(given)

    def test_a_mapping_as_in_the_file(self, lineup):
        given = {"kind": "score_minus_cost", "cost_weight": 2}
        assert lineup.guarded(given) == policies.ScoreMinusCost(cost_weight=2)


class TestWarnings:
    def test_models_without_records_are_named(self):
        with pytest.warns(PoolWarning, match="^new: no records, so no vote will choose it; add"):
            Lineup.of(records(), pool())
        two = ModelPool(models=[ModelSpec(name=name) for name in ("large", "x", "y")])
        with pytest.warns(PoolWarning, match="^x, y: no records, so no vote will choose them"):
            Lineup.of(records(), two)

    def test_one_model_that_may_answer(self):
        one = RecordSet(ids=("1",), models=("m",), scores=[[1]])
        with pytest.warns(PoolWarning, match="^m is the only model that may answer, so there is"):
            Lineup.of(one, None)
        disabled = ModelPool(
            models=[ModelSpec(name="large"), ModelSpec(name="small-v1", enabled=False)]
        )
        with pytest.warns(PoolWarning, match="^large is the only model that may answer"):
            Lineup.of(records(), disabled)

    def test_silence_otherwise(self):
        fine = ModelPool(
            models=[
                ModelSpec(name="large"),
                ModelSpec(name="small-v1"),
                ModelSpec(name="new", enabled=False),
            ]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Lineup.of(records(), fine)
            Lineup.of(records(), None)


@pytest.mark.filterwarnings("ignore::knnrouter.errors.PoolWarning")
def test_two_columns_of_one_model():
    both = ModelPool(models=[ModelSpec(name="large", aliases=["small-v1"])])
    with pytest.raises(PoolError, match="'large' matches 2 columns"):
        Lineup.of(records(), both)
