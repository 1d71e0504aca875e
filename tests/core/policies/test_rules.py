import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from knnrouter.errors import PolicyError, PoolError, UnpricedError
from knnrouter.policies import (
    BestScore,
    Candidates,
    CheapestAbove,
    Choice,
    Guarded,
    MaxLatency,
    ScoreMinusCost,
    Threshold,
    ranked,
)

NAN = float("nan")


def three(**more):
    given = {"models": ("a", "b", "c"), "scores": (0.6, 0.9, 0.8), "costs": (0.001, 0.03, 0.01)}
    return Candidates(**given | more)


def candidates(n=5, *, nan_scores=True, nan_costs=False, grid=10):
    """Candidates whose scores, means and costs often tie."""
    step = st.integers(0, grid).map(lambda x: x / grid)
    score = step | st.just(NAN) if nan_scores else step
    cost = step.map(lambda x: x / 100)
    cost = cost | st.just(NAN) if nan_costs else cost
    return st.integers(1, n).flatmap(
        lambda m: st.builds(
            Candidates,
            models=st.just(tuple("abcdefgh"[:m])),
            scores=st.tuples(*[score] * m),
            costs=st.tuples(*[cost] * m),
            means=st.tuples(*[score] * m),
            latency_ms=st.just(()) | st.tuples(*[score] * m),
            similarity=step,
        )
    )


def by_rule(given, utility):
    """The rule of ties, said once more: utility, mean, cheaper, pool order; NaN last."""

    def before(one, other):
        falling = [(utility, True), (given.means, True), (given.costs, False)]
        for values, high_first in falling:
            a, b = values[one], values[other]
            if math.isnan(a) != math.isnan(b):
                return not math.isnan(a)
            if not math.isnan(a) and round(a, 9) != round(b, 9):
                return (a > b) == high_first
        return one < other

    places = range(len(given.models))
    wins = [sum(before(one, other) for other in places if other != one) for one in places]
    return tuple(given.models[place] for place in sorted(places, key=lambda p: -wins[p]))


class TestTies:
    @settings(deadline=None, max_examples=300)
    @given(candidates(nan_costs=True, grid=3))
    def test_score_then_mean_then_cheaper_then_pool_order(self, given):
        assert ranked(given, given.scores) == by_rule(given, given.scores)

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_each_level_in_every_order_of_the_pool(self, order):
        def shuffled(**columns):
            picked = {name: [values[place] for place in order] for name, values in columns.items()}
            return Candidates(**picked | {"models": tuple(picked["models"])})

        names = ("x", "y", "z")
        equal, rising = (0.5, 0.5, 0.5), (1.0, 2.0, 3.0)
        by_mean = shuffled(models=names, scores=equal, means=(0.1, 0.3, 0.2), costs=rising)
        assert BestScore()(by_mean).ranking == ("y", "z", "x")
        by_cost = shuffled(models=names, scores=equal, means=equal, costs=(2.0, 3.0, 1.0))
        assert BestScore()(by_cost).ranking == ("z", "x", "y")
        by_order = shuffled(models=names, scores=equal, means=equal, costs=(1.0,) * 3)
        assert BestScore()(by_order).ranking == by_order.models
        unpriced = shuffled(models=names, scores=equal, means=equal, costs=(NAN, 3.0, 1.0))
        assert BestScore()(unpriced).ranking == ("z", "y", "x")
        unknown = shuffled(
            models=names, scores=(NAN, 0.1, NAN), means=(0.5, NAN, NAN), costs=rising
        )
        assert BestScore()(unknown).ranking == ("y", "x", "z")

    def test_alike_in_nine_decimals(self):
        given = three(scores=(0.5, 0.5 + 4e-10, 0.2), means=(0.9, 0.1, 0.5))
        assert BestScore()(given).ranking == ("a", "b", "c")
        given = three(scores=(0.5, 0.5 + 2e-9, 0.2), means=(0.9, 0.1, 0.5))
        assert BestScore()(given).ranking == ("b", "a", "c")

    @given(candidates())
    def test_without_means_the_utility_stands_in(self, given):
        bare = Candidates(models=given.models, scores=given.scores, costs=given.costs)
        same = Candidates(
            models=given.models, scores=given.scores, costs=given.costs, means=given.scores
        )
        assert ranked(bare, given.scores) == ranked(same, given.scores)


POLICIES = st.sampled_from(
    [
        BestScore(),
        ScoreMinusCost(cost_weight=0),
        ScoreMinusCost(cost_weight=20),
        CheapestAbove(min_score=0.5),
        MaxLatency(ms=0.5, policy=BestScore()),
        MaxLatency(ms=0.3, policy=CheapestAbove(min_score=0.7)),
        Guarded(policy=ScoreMinusCost(cost_weight=3), min_similarity=0.4, fallback="b"),
        Threshold(strong="a", weak="b", threshold=0.5),
        Guarded(
            policy=MaxLatency(ms=0.4, policy=Threshold(strong="b", weak="a", threshold=0.6)),
            min_similarity=0.1,
            fallback="zzz",
        ),
    ]
)


@settings(deadline=None, max_examples=200)
@given(candidates(), POLICIES)
def test_every_ranking_holds_every_candidate_once(given, policy):
    try:
        choice = policy(given)
    except PolicyError:
        assume(False)
    assert sorted(choice.ranking) == sorted(given.models)
    assert choice.reason
    assert choice.reason_code.replace("_", "").isalpha()
    assert "nan" not in choice.reason


COLUMN = st.permutations([0.0, 0.2, 0.4, 0.6, 0.8])


@settings(deadline=None, max_examples=150)
@given(COLUMN, COLUMN, COLUMN, COLUMN, st.permutations(range(5)), POLICIES, st.sampled_from([0, 1]))
def test_the_order_of_the_pool_decides_nothing_where_nothing_ties(
    scores, costs, means, latency_ms, order, policy, similarity
):
    given = Candidates(
        models=tuple("abcde"),
        scores=tuple(scores),
        costs=tuple(cost / 50 for cost in costs),
        means=tuple(means),
        latency_ms=tuple(latency_ms),
        similarity=similarity,
    )
    try:
        ranking = policy(given).ranking
    except PolicyError:
        assume(False)
    assert policy(given.only(order)).ranking == ranking


class TestScoreMinusCost:
    @pytest.mark.parametrize(
        ("weight", "ranking"),
        [
            (0, ("b", "c", "a")),
            (4.9, ("b", "c", "a")),  # 0.753, 0.751, 0.5951
            (5.1, ("c", "b", "a")),  # 0.749, 0.747, 0.5949
            (20, ("c", "a", "b")),  # 0.6, 0.58, 0.3
            (23, ("a", "c", "b")),  # 0.577, 0.57, 0.21
        ],
    )
    def test_hand_worked(self, weight, ranking):
        choice = ScoreMinusCost(cost_weight=weight)(three())
        assert choice.ranking == ranking
        assert (choice.reason_code, choice.fallback) == ("score_minus_cost", False)
        assert choice.reason == f"best score less {weight:g} per USD"

    @settings(deadline=None, max_examples=100)
    @given(candidates(), st.sampled_from([0.1, 1.0, 50.0]))
    def test_by_the_formula(self, given, weight):
        pairs = zip(given.scores, given.costs, strict=True)
        utility = [score - weight * cost for score, cost in pairs]
        assert ScoreMinusCost(cost_weight=weight)(given).ranking == by_rule(given, utility)

    def test_a_score_that_is_not_known_ranks_last_however_cheap(self):
        given = three(scores=(NAN, 0.1, 0.2), costs=(0.0, 5.0, 5.0))
        assert ScoreMinusCost(cost_weight=1)(given).ranking == ("c", "b", "a")


class TestUnpriced:
    @pytest.mark.parametrize(
        ("policy", "name"),
        [
            (ScoreMinusCost(cost_weight=20), "ScoreMinusCost"),
            (CheapestAbove(min_score=0.1), "CheapestAbove"),
            (MaxLatency(ms=9, policy=CheapestAbove(min_score=0.1)), "CheapestAbove"),
            (
                Guarded(policy=ScoreMinusCost(cost_weight=1), min_similarity=0, fallback="a"),
                "ScoreMinusCost",
            ),
        ],
    )
    def test_the_models_are_named(self, policy, name):
        given = three(costs=(NAN, 0.1, NAN), latency_ms=(1, 1, 1), similarity=0.5)
        with pytest.raises(UnpricedError) as caught:
            policy(given)
        assert caught.value.models == ("a", "c")
        assert isinstance(caught.value, PoolError)
        message = str(caught.value)
        assert message.startswith(f"policy `{name}` weighs costs, but no cost is known for a, c;")
        assert "add `price`" in message

    def test_a_model_out_of_the_limit_needs_no_price(self):
        given = three(costs=(NAN, 0.1, 0.2), latency_ms=(100, 1, 1))
        policy = MaxLatency(ms=9, policy=ScoreMinusCost(cost_weight=1))
        assert policy(given).ranking == ("b", "c", "a")

    def test_costs_that_weigh_nothing_are_not_asked_for(self):
        given = three(costs=(NAN, NAN, NAN))
        assert ScoreMinusCost(cost_weight=0)(given).ranking == ("b", "c", "a")
        assert BestScore()(given).ranking == ("b", "c", "a")
        assert Threshold(strong="b", weak="a", threshold=0.5)(given).ranking[0] == "b"


class TestCheapestAbove:
    @pytest.mark.parametrize(
        ("least", "ranking"),
        [
            (0.0, ("a", "c", "b")),
            (0.6, ("a", "c", "b")),
            (0.61, ("c", "b", "a")),
            (0.8, ("c", "b", "a")),
            (0.81, ("b", "c", "a")),
            (0.9, ("b", "c", "a")),
        ],
    )
    def test_hand_worked(self, least, ranking):
        choice = CheapestAbove(min_score=least)(three())
        assert choice.ranking == ranking
        assert (choice.reason_code, choice.fallback) == ("cheapest_above", False)
        assert choice.reason == f"cheapest with an expected score of at least {least:g}"

    def test_none_will_do(self):
        choice = CheapestAbove(min_score=0.95)(three())
        assert choice.ranking == ("b", "c", "a")
        assert (choice.reason_code, choice.fallback) == ("none_above", True)
        assert choice.reason == "no model is expected to reach 0.95; best expected score"

    def test_the_smallest_difference_in_cost_counts(self):
        given = three(scores=(0.9, 0.8, 0.7), costs=(1e-5 + 1e-12, 1e-5, 1e-5 - 1e-12))
        assert CheapestAbove(min_score=0.5)(given).ranking == ("c", "b", "a")

    def test_equal_costs_go_to_the_higher_score_then_the_higher_mean(self):
        given = three(scores=(0.6, 0.8, 0.7), costs=(0.1, 0.1, 0.1), means=(0.2, 0.3, 0.4))
        assert CheapestAbove(min_score=0.5)(given).ranking == ("b", "c", "a")
        given = three(scores=(0.6, 0.6, 0.6), costs=(0.1, 0.1, 0.1), means=(0.2, 0.3, 0.4))
        assert CheapestAbove(min_score=0.5)(given).ranking == ("c", "b", "a")

    def test_sums_of_fractions_reach_their_limit(self):
        given = three(scores=(0.6 - 1e-8, NAN, 0.6 - 2e-16))
        assert CheapestAbove(min_score=0.6)(given).ranking == ("c", "a", "b")

    @settings(deadline=None, max_examples=150)
    @given(candidates())
    def test_all_that_will_do_stand_before_all_others(self, given):
        choice = CheapestAbove(min_score=0.5)(given)
        scores = dict(zip(given.models, given.scores, strict=True))
        costs = dict(zip(given.models, given.costs, strict=True))
        does = [scores[name] >= 0.5 for name in choice.ranking]
        assert does == sorted(does, reverse=True)
        if does[0]:
            will_do = choice.ranking[: sum(does)]
            assert [costs[name] for name in will_do] == sorted(costs[name] for name in will_do)
            others = given.only([p for p, score in enumerate(given.scores) if not score >= 0.5])
            if others.models:
                assert choice.ranking[sum(does) :] == by_rule(others, others.scores)
        assert choice.fallback == (not does[0])


class TestThreshold:
    @settings(deadline=None, max_examples=200)
    @given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 200))
    def test_strong_if_and_only_if_its_win_rate_reaches_it(self, strong, weak, threshold):
        """RouteLLM's rule, in whole numbers, exact ties among them."""
        policy = Threshold(strong="b", weak="a", threshold=threshold / 200)
        given = Candidates(models=("a", "b"), scores=(weak / 100, strong / 100), costs=(NAN, NAN))
        assert (policy(given).ranking[0] == "b") == (100 + strong - weak >= threshold)

    def test_hand_worked(self):
        choice = Threshold(strong="b", weak="a", threshold=0.65)(three())  # (1 + 0.3) / 2
        assert choice.ranking == ("b", "a", "c")
        assert choice.reason == "win rate of b is 0.650 >= 0.65"
        assert (choice.reason_code, choice.fallback) == ("threshold", False)
        choice = Threshold(strong="b", weak="a", threshold=0.66)(three())
        assert choice.ranking == ("a", "b", "c")
        assert choice.reason == "win rate of b is 0.650 < 0.66"

    def test_zero_always_takes_the_strong_one(self):
        given = three(scores=(1.0, 0.0, 0.5))
        assert Threshold(strong="b", weak="a", threshold=0)(given).ranking == ("b", "a", "c")

    def test_only_one_can_be_judged(self):
        policy = Threshold(strong="b", weak="a", threshold=0.5)
        choice = policy(three(scores=(0.1, NAN, 0.9)))
        assert choice.ranking == ("a", "c", "b")
        assert (choice.fallback, choice.reason_code) == (True, "threshold_alone")
        assert choice.reason == "only a of b and a can be judged"
        alone = Candidates(models=("b", "c"), scores=(0.1, 0.9), costs=(1.0, 1.0))
        assert policy(alone).ranking == ("b", "c")
        assert policy(alone).fallback

    def test_a_strength_that_is_not_known_is_no_win_rate(self):
        candidates = Candidates(
            models=("a", "b"), scores=(0.2, 0.9), costs=(1.0, 1.0), strengths=(0.5, NAN)
        )
        choice = Threshold(strong="b", weak="a", threshold=0.5)(candidates)
        assert choice.ranking == ("a", "b")
        assert choice.reason == "only a of b and a can be judged"
        assert choice.fallback

    def test_neither_can_be_judged(self):
        choice = Threshold(strong="b", weak="a", threshold=0.5)(three(scores=(NAN, NAN, 0.2)))
        assert choice.ranking[0] == "c"
        assert (choice.fallback, choice.reason_code) == (True, "threshold_alone")
        assert choice.reason == "none of b and a can be judged"

    def test_neither_is_eligible(self):
        with pytest.raises(PolicyError, match="neither 'x' nor 'y' is eligible; eligible: a, b, c"):
            Threshold(strong="x", weak="y", threshold=0.5)(three())

    def test_one_model_twice(self):
        with pytest.raises(PolicyError, match="strong and weak are both 'a'; name two different"):
            Threshold(strong="a", weak="a", threshold=0.5)


class TestMaxLatency:
    def test_hand_worked(self):
        policy = MaxLatency(ms=500, policy=BestScore())
        choice = policy(three(latency_ms=(700, 500, 400)))
        assert choice.ranking == ("b", "c", "a")
        assert choice.reason == "best expected score, within 500 ms"
        assert (choice.reason_code, choice.fallback) == ("best_score", False)
        assert policy(three(latency_ms=(700, 900, 500))).ranking == ("c", "a", "b")

    def test_not_measured_is_not_within_the_limit(self):
        policy = MaxLatency(ms=500, policy=BestScore())
        assert policy(three(latency_ms=(100, NAN, 900))).ranking == ("a", "c", "b")

    def test_none_in_time(self):
        policy = MaxLatency(ms=50, policy=BestScore())
        choice = policy(three(latency_ms=(100, NAN, 90)))
        assert choice.ranking == ("c", "a", "b")
        assert (choice.reason_code, choice.fallback) == ("none_in_time", True)
        assert choice.reason == "no model is known to answer within 50 ms; fastest first"

    def test_never_measured(self):
        choice = MaxLatency(ms=50, policy=BestScore())(three())
        assert sorted(choice.ranking) == ["a", "b", "c"]
        assert choice.fallback

    def test_the_inner_fallback_shows(self):
        policy = MaxLatency(ms=500, policy=CheapestAbove(min_score=0.99))
        choice = policy(three(latency_ms=(1, 1, 900)))
        assert choice.ranking == ("b", "a", "c")
        assert (choice.reason_code, choice.fallback) == ("none_above", True)


class TestGuarded:
    def test_above_it_the_inner_policy_stands_as_it_is(self):
        policy = Guarded(policy=BestScore(), min_similarity=0.3, fallback="a")
        for similarity in (0.3, 0.9):
            assert policy(three(similarity=similarity)) == BestScore()(three())

    def test_below_it_the_fallback_answers(self):
        policy = Guarded(policy=BestScore(), min_similarity=0.3, fallback="a")
        choice = policy(three(similarity=0.299))
        assert choice.ranking == ("a", "b", "c")
        assert (choice.reason_code, choice.fallback) == ("low_similarity", True)
        assert choice.reason == "nothing in the evidence is like the query (nearest 0.30 < 0.3)"

    def test_without_neighbors_too(self):
        policy = Guarded(policy=BestScore(), min_similarity=-1, fallback="c")
        assert policy(three(similarity=NAN)).ranking[0] == "c"

    def test_a_fallback_that_may_not_answer(self):
        policy = Guarded(policy=BestScore(), min_similarity=0.3, fallback="x")
        choice = policy(three(similarity=0.1))
        assert choice.ranking == ("b", "c", "a")
        assert choice.fallback
        assert choice.reason.endswith("and x may not answer: best expected score")


def test_a_function_is_a_policy():
    def alphabetical(given: Candidates) -> Choice:
        return Choice(ranking=tuple(sorted(given.models)), reason="by name", reason_code="name")

    outer = Guarded(
        policy=MaxLatency(ms=500, policy=alphabetical), min_similarity=0.3, fallback="c"
    )
    given = three(latency_ms=(900, 1, 1), similarity=0.5)
    assert outer(given).ranking == ("b", "c", "a")
    assert outer(given).reason == "by name, within 500 ms"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ScoreMinusCost(cost_weight=-1),
            "ScoreMinusCost: cost_weight is -1; give a number of at least 0",
        ),
        (lambda: ScoreMinusCost(cost_weight=NAN), "cost_weight is nan"),
        (lambda: ScoreMinusCost(cost_weight=math.inf), "cost_weight is inf"),
        (lambda: ScoreMinusCost(cost_weight=True), "cost_weight is True"),
        (lambda: ScoreMinusCost(cost_weight="20"), "cost_weight is '20'"),
        (
            lambda: CheapestAbove(min_score=1.01),
            "CheapestAbove: min_score is 1.01; give a number between 0 and 1",
        ),
        (lambda: CheapestAbove(min_score=-0.1), "min_score is -0.1"),
        (
            lambda: Threshold(strong="a", weak="b", threshold=2),
            "Threshold: threshold is 2; give a number between 0 and 1",
        ),
        (lambda: MaxLatency(ms=0, policy=BestScore()), "MaxLatency: ms is 0; give a number"),
        (
            lambda: MaxLatency(ms=5, policy="best_score"),
            "MaxLatency: policy is 'best_score'; give a policy, such as BestScore()",
        ),
        (
            lambda: Guarded(policy=BestScore, min_similarity=0, fallback="a"),
            "Guarded: policy is <class",
        ),
        (
            lambda: Guarded(policy=BestScore(), min_similarity=1.5, fallback="a"),
            "Guarded: min_similarity is 1.5; give a number between -1 and 1",
        ),
    ],
)
def test_wrong_settings(build, message):
    with pytest.raises(PolicyError, match=re.escape(message)):
        build()


def test_candidates_picks_places():
    given = three(means=(0.1, 0.2, 0.3), similarity=0.4).only([2, 0])
    assert given.models == ("c", "a")
    assert (given.scores, given.costs) == ((0.8, 0.6), (0.01, 0.001))
    assert (given.means, given.latency_ms, given.similarity) == ((0.3, 0.1), (), 0.4)


def test_policies_are_values():
    assert ScoreMinusCost(cost_weight=20) == ScoreMinusCost(cost_weight=20.0)
    assert len({BestScore(), BestScore(), CheapestAbove(min_score=0.5)}) == 2
    with pytest.raises(AttributeError):
        CheapestAbove(min_score=0.5).min_score = 3
    assert np.isnan(three().similarity)


class TestStrengths:
    """The estimator's own win rate, where it learns who wins."""

    def asked(self, strong, weak, threshold=0.7):
        two = Candidates(
            models=("small", "large"), scores=(0.9, 0.1), costs=(1.0, 2.0), strengths=(weak, strong)
        )
        policy = Threshold(strong="large", weak="small", threshold=threshold)
        return policy.win_rate(two), policy(two).ranking[0]

    def test_they_come_before_the_scores(self):
        assert self.asked(math.log(3), 0.0) == (pytest.approx(0.75), "large")
        assert self.asked(0.0, math.log(3)) == (pytest.approx(0.25), "small")

    @pytest.mark.parametrize(("strong", "weak", "rate"), [(2e3, -2e3, 1.0), (-2e3, 2e3, 0.0)])
    def test_however_far_apart_they_are(self, strong, weak, rate):
        assert self.asked(strong, weak)[0] == pytest.approx(rate, abs=1e-300)

    def test_only_some_of_them(self):
        three = Candidates(
            models=("a", "b", "c"), scores=(0.1, 0.2, 0.3), costs=(1, 1, 1), strengths=(1, 2, 3)
        )
        assert three.only([2, 0]).strengths == (3, 1)
