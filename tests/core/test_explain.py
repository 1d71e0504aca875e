import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.decision import Decision
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import PolicyError
from knnrouter.estimators import KNN
from knnrouter.explain import Explanation, Flip, explain
from knnrouter.policies import (
    BestScore,
    Candidates,
    CheapestAbove,
    Guarded,
    MaxLatency,
    ScoreMinusCost,
    Threshold,
)
from knnrouter.records import Price

NAN = float("nan")
BEYOND = 2e-6  # score points


def decided(policy, candidates):
    choice = policy(candidates)
    columns = {
        name: dict(zip(candidates.models, getattr(candidates, name), strict=True))
        for name in ("scores", "costs")
    }
    return Decision(
        id="d",
        model=choice.ranking[0],
        ranking=choice.ranking,
        stderr={},
        support={},
        similarity=candidates.similarity,
        reason=choice.reason,
        reason_code=choice.reason_code,
        policy="",
        fallback=choice.fallback,
        **columns,
    )


def explained(policy, candidates, **prices):
    return explain(decided(policy, candidates), policy, candidates, prices=prices)


def inner_of(policy):
    while isinstance(policy, Guarded | MaxLatency):
        policy = policy.policy
    return policy


def with_inner(policy, inner):
    if isinstance(policy, Guarded | MaxLatency):
        return replace(policy, policy=with_inner(policy.policy, inner))
    return inner


def taken_beyond(flip, policy, candidates, prices):
    """The model that the policy takes when what the flip names goes a little beyond it."""
    inner, side = inner_of(policy), -1 if flip.below else 1
    if flip.what == "cost_weight":
        costs = dict(zip(candidates.models, candidates.costs, strict=True))
        gap = abs(costs[flip.model] - costs[decided(policy, candidates).model])
        weight = flip.at + side * BEYOND / gap
        changed = with_inner(policy, ScoreMinusCost(cost_weight=weight))
        return changed(candidates).ranking[0]
    if flip.what in ("min_score", "threshold"):
        value = min(max(flip.at + side * BEYOND, 0.0), 1.0)
        changed = with_inner(policy, replace(inner, **{flip.what: value}))
        return changed(candidates).ranking[0]
    kind, model = flip.what.split(" of ")
    place = candidates.models.index(model)
    costs = list(candidates.costs)
    now = costs[place]
    at = flip.at if kind == "cost" else now * flip.at / prices[model].output
    weight = getattr(inner, "cost_weight", None)
    costs[place] = at + side * (BEYOND / weight if weight else BEYOND * at)
    return policy(replace(candidates, costs=costs)).ranking[0]


@st.composite
def cases(draw, least=2, most=5):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    models = tuple("abcde"[: draw(st.integers(least, most))])
    m = len(models)
    candidates = Candidates(
        models=models,
        scores=tuple(rng.random(m).tolist()),
        costs=tuple((rng.random(m) / draw(st.sampled_from([1, 100, 1e5]))).tolist()),
        means=tuple(rng.random(m).tolist()),
        latency_ms=draw(st.sampled_from([(), tuple((1000 * rng.random(m)).tolist())])),
        similarity=0.5,
    )
    unit = st.floats(0, 1)
    inner = st.one_of(
        st.just(BestScore()),
        st.builds(ScoreMinusCost, cost_weight=st.sampled_from([0, 0.1, 3, 500, 1e5])),
        st.builds(CheapestAbove, min_score=unit),
        st.builds(Threshold, strong=st.just("a"), weak=st.just("b"), threshold=unit),
    )
    limited = st.builds(MaxLatency, ms=st.floats(1, 1000), policy=inner)
    guarded = st.builds(
        Guarded, policy=inner | limited, min_similarity=st.just(0.1), fallback=st.just("a")
    )
    policy = draw(inner | limited | guarded)
    prices = {name: Price(1, float(rng.random())) for name in models if rng.random() < 0.5}
    try:
        policy(candidates)
    except PolicyError:  # neither of a threshold's two is within the time limit
        assume(False)
    return policy, candidates, prices


@settings(deadline=None, max_examples=300)
@given(cases())
def test_every_flip_is_true(case):
    policy, candidates, prices = case
    found = explained(policy, candidates, **prices)
    assert found.decision.model not in [flip.model for flip in found.flips]
    for flip in found.flips:
        assert taken_beyond(flip, policy, candidates, prices) == flip.model, flip
        slack = 1e-9 * max(1, abs(flip.now))
        assert flip.at <= flip.now + slack if flip.below else flip.at >= flip.now - slack
    if found.decision.fallback:
        assert found.flips == ()


@settings(deadline=None, max_examples=200)
@given(cases(most=2))
def test_of_two_models_no_flip_is_missed(case):
    """With nothing between them, the tie is a flip wherever the setting can go beyond it."""
    policy, candidates, prices = case
    found = explained(policy, candidates, **prices)
    if inner_of(policy) is not policy or found.decision.fallback:
        return
    chosen = candidates.models.index(found.decision.model)
    other = 1 - chosen
    gap = candidates.scores[chosen] - candidates.scores[other]
    dearer = candidates.costs[chosen] - candidates.costs[other]
    whats = {flip.what.split(" of ")[0] for flip in found.flips}
    if isinstance(policy, BestScore | ScoreMinusCost):
        assert ("cost_weight" in whats) == (gap / dearer > 0)
        weight = getattr(policy, "cost_weight", 0)
        assert bool(whats - {"cost_weight"}) == (weight > 0)
        if weight > 0:
            assert len([flip for flip in found.flips if " of " in flip.what]) >= 1
    elif isinstance(policy, Threshold):
        assert whats == {"threshold"}
    elif gap < 0:  # a better one is dearer
        assert "min_score" in whats


def two(**more):
    given = {"models": ("small", "large"), "scores": (0.7, 0.8), "costs": (0.001, 0.021)}
    return Candidates(**given | more)


class TestByHand:
    def test_best_score(self):
        found = explained(BestScore(), two())
        assert (found.margin, found.runner_up) == (pytest.approx(0.1), "small")
        # 0.8 - 0.021 w = 0.7 - 0.001 w at w = 5.
        (flip,) = found.flips
        assert (flip.model, flip.what, flip.now, flip.below) == ("small", "cost_weight", 0, False)
        assert flip.at == pytest.approx(5)
        assert str(flip) == "small, with a cost_weight above 5 (now 0)"

    def test_score_minus_cost(self):
        prices = {"small": Price(1, 2), "large": Price(3, 20)}
        found = explained(ScoreMinusCost(cost_weight=20), two(), **prices)
        # 0.68 against 0.38.
        assert (found.margin, found.runner_up) == (pytest.approx(0.3), "large")
        assert [(flip.model, flip.what, flip.now, flip.below) for flip in found.flips] == [
            ("large", "cost_weight", 20, True),
            ("large", "price of small", 2, False),
            ("large", "price of large", 20, True),
        ]
        # small may cost 0.015 more, sixteen times as much; large must cost 0.015 less, 6/21.
        assert [flip.at for flip in found.flips] == pytest.approx([5, 32, 20 * 6 / 21])

    def test_costs_where_no_price_is_followed(self):
        found = explained(ScoreMinusCost(cost_weight=20), two(), small=Price(1, 2))
        assert [(flip.what, flip.now) for flip in found.flips] == [
            ("cost_weight", 20),
            ("price of small", 2),
            ("cost of large", 0.021),
        ]
        assert found.flips[2].at == pytest.approx(0.006)

    @pytest.mark.parametrize("price", [Price(0, 0), Price(1, 2)])
    def test_what_costs_nothing_is_told_as_a_cost(self, price):
        free = two(costs=(0.0, 0.021))
        found = explained(ScoreMinusCost(cost_weight=20), free, small=price)
        assert [flip.what for flip in found.flips] == [
            "cost_weight",
            "cost of small",
            "cost of large",
        ]
        assert found.flips[1].at == pytest.approx(0.016)

    def test_not_even_free_would_do(self):
        found = explained(ScoreMinusCost(cost_weight=1), two(scores=(0.1, 0.9)))
        assert found.decision.model == "large"
        assert [flip.what for flip in found.flips] == ["cost_weight", "cost of large"]

    def test_a_third_model_stands_between(self):
        three = Candidates(
            models=("poor", "fair", "good"), scores=(0.5, 0.69, 0.7), costs=(0.0, 0.001, 0.011)
        )
        found = explained(BestScore(), three)
        # good and poor tie at 18.2, where fair has been ahead since 1.
        assert [(flip.model, round(flip.at, 9)) for flip in found.flips] == [("fair", 1.0)]

    def test_an_unpriced_third_model_rules_cost_weights_out(self):
        three = Candidates(models=("a", "b", "c"), scores=(0.5, 0.6, 0.1), costs=(0.0, 1.0, NAN))
        assert explained(BestScore(), three).flips == ()

    def test_out_of_the_time_limit_is_out_of_the_question(self):
        policy = MaxLatency(ms=100, policy=BestScore())
        found = explained(policy, two(latency_ms=(50, 200)))
        assert (found.decision.model, found.runner_up) == ("small", "large")
        assert found.flips == ()
        assert math.isnan(found.margin)

    def test_cheapest_above(self):
        three = Candidates(
            models=("poor", "fair", "good"), scores=(0.5, 0.69, 0.7), costs=(0.001, 0.002, 0.01)
        )
        found = explained(CheapestAbove(min_score=0.6), three)
        assert found.decision.model == "fair"
        assert math.isnan(found.margin)
        told = {(flip.model, flip.what, flip.below): flip.at for flip in found.flips}
        assert told == {
            ("poor", "min_score", True): 0.5,
            ("good", "min_score", False): 0.69,
            ("good", "cost of fair", False): 0.01,
            ("good", "cost of good", True): 0.002,
        }

    def test_threshold(self):
        policy = Threshold(strong="large", weak="small", threshold=0.6)
        (flip,) = explained(policy, two()).flips
        assert (flip.model, flip.what, flip.now, flip.below) == ("large", "threshold", 0.6, True)
        assert flip.at == pytest.approx(0.55)
        (flip,) = explained(replace(policy, threshold=0.5), two()).flips
        assert (flip.model, flip.at, flip.below) == ("small", pytest.approx(0.55), False)

    def test_a_fallback_has_no_flips(self):
        policy = Guarded(policy=BestScore(), min_similarity=0.9, fallback="small")
        found = explained(policy, two(similarity=0.5))
        assert (found.decision.model, found.runner_up, found.flips) == ("small", "large", ())
        assert math.isnan(found.margin)

    def test_one_model(self):
        alone = Candidates(models=("a",), scores=(0.5,), costs=(1.0,))
        found = explained(ScoreMinusCost(cost_weight=1), alone)
        assert (found.runner_up, found.flips) == (None, ())
        assert math.isnan(found.margin)

    def test_a_function_of_ones_own(self):
        def backwards(candidates):
            ranking = BestScore()(candidates).ranking[::-1]
            return replace(BestScore()(candidates), ranking=ranking)

        found = explained(backwards, two())
        assert (found.decision.model, found.runner_up, found.flips) == ("small", "large", ())
        assert math.isnan(found.margin)

    def test_as_text_and_as_json(self):
        found = explained(BestScore(), two(similarity=0.5))
        assert str(found).splitlines() == [
            "large: best expected score [score 0.800, $0.021000, nearest 0.50]",
            "leads small by 0.1000",
            "would flip to small, with a cost_weight above 5 (now 0)",
        ]
        told = found.to_dict()
        assert list(told) == ["decision", "margin", "runner_up", "flips"]
        assert list(told["flips"][0]) == ["model", "what", "now", "at", "below"]
        assert told["decision"] == found.decision.to_dict()
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        bare = Explanation(decision=found.decision, margin=NAN, runner_up=None, flips=())
        assert (bare.to_dict()["margin"], bare.to_dict()["flips"]) == (None, [])

    def test_a_flip_below(self):
        flip = Flip(model="large", what="price of small", now=2.0, at=0.5, below=True)
        assert str(flip) == "large, with a price of small below 0.5 (now 2)"


def letters(texts):
    return [[text.count(letter) for letter in "abcd"] for text in texts]


def router_of(rng, *, costs, tokens):
    """Sixty texts of four letters; three models with prices."""
    texts = ["".join(rng.choice(list("abcd"), 12)) for _ in range(60)]
    shape = (60, 3)
    records = RecordSet(
        ids=[str(row) for row in range(60)],
        queries=texts,
        models=("x", "y", "z"),
        scores=rng.integers(0, 2, shape),
        costs=rng.random(shape) / 100 if costs else None,
        input_tokens=rng.integers(1, 900, shape) if tokens else None,
        output_tokens=rng.integers(1, 900, shape) if tokens else None,
    )
    specs = [
        ModelSpec(
            name=name,
            price=Price(*(rng.random(2) * [1, 30]).tolist()),
            expected_output_tokens=int(rng.integers(1, 900)),
        )
        for name in "xyz"
    ]
    return Router.fit(
        records,
        pool=ModelPool(models=specs),
        embedder=FunctionEmbedder(letters, dim=4, id="letters"),
        estimator=KNN(k=20, weights="uniform", shrinkage=3.0),
    )


def repriced(pool, model, factor):
    specs = [
        spec.model_copy(
            update={"price": Price(spec.price.input * factor, spec.price.output * factor)}
        )
        if spec.name == model
        else spec
        for spec in pool.models
    ]
    return ModelPool(models=specs)


@pytest.mark.parametrize(("costs", "tokens"), [(False, True), (False, False), (True, True)])
@pytest.mark.parametrize("seed", range(12))
def test_routing_again_beyond_a_flip_takes_the_other_model(seed, costs, tokens):
    rng = np.random.default_rng(seed)
    router = router_of(rng, costs=costs, tokens=tokens)
    query = "".join(rng.choice(list("abcd"), 9))
    weight = float(rng.choice([1, 20, 200]))
    policy = f"score_minus_cost:cost_weight={weight:g}"
    found = router.explain(query, policy=policy)
    assert found.decision.model == router.route(query, policy=policy).model
    assert len(found.decision.neighbors) == 20
    kinds = {flip.what.split(" of ")[0] for flip in found.flips}
    assert "price" not in kinds if costs else "cost" not in kinds  # measured costs follow no price
    for flip in found.flips:
        step = (-1 if flip.below else 1) * 1e-4
        if flip.what == "cost_weight":
            beyond = f"score_minus_cost:cost_weight={flip.at * (1 + step) + step * 1e-3}"
            assert router.route(query, policy=beyond).model == flip.model
        elif flip.what.startswith("price of "):
            name = flip.what.removeprefix("price of ")
            factor = flip.at / flip.now * (1 + step)
            again = router.with_pool(repriced(router.pool, name, factor))
            assert again.route(query, policy=policy).model == flip.model


def test_the_router_explains_by_its_own_policy_and_shows_the_evidence():
    router = router_of(np.random.default_rng(0), costs=False, tokens=True)
    found = router.explain("aabb")
    assert found.decision.policy == "best_score"
    assert found.decision.reason_code == "best_score"
    lines = str(found).splitlines()
    assert lines[0] == str(found.decision)
    first = found.decision.neighbors[0]
    assert f"  {first.similarity:.3f}  {first.id}  –" in lines
    assert len(found.to_dict()["decision"]["neighbors"]) == 20
