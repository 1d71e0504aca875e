"""What happens where a policy cannot choose as it is meant to, from the outside."""

import math
import warnings

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EmptyPoolError, NoEvidenceError, NoTextError, PoolWarning
from knnrouter.estimators import KNN
from knnrouter.pool import RouterSettings
from knnrouter.records import Price

NAN = float("nan")
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
LETTERS = FunctionEmbedder(
    lambda texts: [[text.count(letter) for letter in "ab"] for text in texts], dim=2, id="letters"
)


def records(**more):
    """Two queries of a's, two of b's; `left` is good at a's, `right` at b's, `both` is fair."""
    given = {
        "ids": ("a1", "a2", "b1", "b2"),
        "queries": ("aaaa", "aaab", "bbbb", "abbb"),
        "tasks": ("A", "A", "B", None),
        "models": ("left", "right", "both"),
        "scores": [[1, 0, 0.5], [1, 0, 0.5], [0, 1, 0.5], [0, 1, 0.75]],
    }
    return RecordSet(**given | more)


def fit(*models, shrinkage=1.0, given=None, **router):
    names = models or ("left", "right", "both")
    specs = [name if isinstance(name, ModelSpec) else ModelSpec(name=name) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoolWarning)
        return Router.fit(
            records() if given is None else given,
            pool=ModelPool(models=specs, router=RouterSettings(**router)),
            embedder=LETTERS,
            estimator=KNN(k=2, weights="uniform", shrinkage=shrinkage),
        )


def test_the_vote_by_hand():
    found = fit(shrinkage=0.0).route("aa")
    assert found.model == "left"
    assert found.ranking == ("left", "both", "right")
    assert found.scores == {"left": 1.0, "right": 0.0, "both": 0.5}
    assert found.support == {"left": 2.0, "right": 2.0, "both": 2.0}
    assert found.similarity == 1.0
    assert (found.reason_code, found.fallback, found.policy) == ("best_score", False, "best_score")
    assert [(near.id, near.task) for near in found.neighbors] == [("a1", "A"), ("a2", "A")]
    assert found.neighbors[0].scores == {"left": 1.0, "right": 0.0, "both": 0.5}
    assert found.neighbors[1].similarity == pytest.approx(3 / math.sqrt(10), abs=1e-6)
    assert all(math.isnan(cost) for cost in found.costs.values())


class TestWithoutText:
    @pytest.mark.parametrize(
        ("query", "kind", "what"),
        [
            ("", "empty", "no text"),
            ("  \n\t", "empty", "no text"),
            (IMAGE, "image_only", "only an image"),
        ],
    )
    def test_the_default_answers_and_says_why(self, query, kind, what):
        router = fit(ModelSpec(name="left", capabilities=["vision"]), "both", default="left")
        found = router.route(query)
        assert (found.model, found.ranking[0]) == ("left", "left")
        assert (found.reason_code, found.fallback) == (kind, True)
        assert found.reason == f"the query holds {what}; the pool's default answers"
        assert found.neighbors == ()
        assert set(found.support.values()) == {0.0}

    @pytest.mark.parametrize(("query", "kind"), [("", "empty"), (IMAGE, "image_only")])
    def test_without_a_default_it_is_an_error(self, query, kind):
        router = fit(ModelSpec(name="left", capabilities=["vision"]), "both")
        with pytest.raises(
            NoTextError, match="so there is nothing to route on; add a sentence, or"
        ):
            router.route(query)
        with pytest.raises(NoTextError) as caught:
            router.route_many(["fine: aa", query])
        assert caught.value.kind == kind

    def test_the_others_stand_by_their_means(self):
        found = fit(default="right").route("")
        assert found.ranking == ("right", "both", "left")  # 0.5625 over 0.5

    def test_a_default_that_may_not_answer(self):
        found = fit(default="right").route("", allow=["left", "both"])
        assert found.ranking == ("both", "left")
        assert found.fallback
        assert found.reason.endswith("the default, right, may not answer; the best on average does")


class TestUnknownWords:
    """The embedder knows only the letters a and b."""

    def test_by_the_means_over_all_records(self):
        found = fit().route("xyz")
        assert (found.model, found.fallback, found.reason_code) == ("both", True, "unknown_words")
        assert found.reason == (
            "the embedder knows no word of the query; by the mean scores over all records: "
            "best expected score"
        )
        assert found.neighbors == ()
        assert found.similarity == 0.0
        assert set(found.support.values()) == {0.0}
        # What the tasks do to all models: of A's two rows, of B's one, of the one without a task,
        # each by how far it lies from the models' means, of which only those of `both` vary.
        effects = 2 * (-2 / 16 / 26) + -1 / 16 / 23 + 3 / 16 / 23
        # Means less these, shrunk by twenty measurements toward the mean of all models.
        left, both = 2 - effects, 2.25 - effects
        grand = (2 * left + both) / 12
        assert found.scores["both"] == pytest.approx((both + 20 * grand) / 24)
        assert found.scores["left"] == found.scores["right"]
        assert found.scores["left"] == pytest.approx((left + 20 * grand) / 24)

    def test_without_shrinkage_the_plain_means_rank(self):
        found = fit(shrinkage=0.0).route("xyz")
        assert found.ranking == ("both", "left", "right")
        assert math.isnan(found.scores["both"])

    @pytest.mark.parametrize("shrinkage", [0.0, 1.0])
    def test_by_the_policy(self, shrinkage):
        given = records(costs=[[1, 2, 3]] * 4)
        found = fit(given=given, shrinkage=shrinkage).route(
            "xyz", policy="cheapest_above:min_score=0.5"
        )
        assert found.model == "left"
        assert found.costs == {"left": 1.0, "right": 2.0, "both": 3.0}
        assert found.fallback

    def test_the_default_answers(self):
        found = fit(default="left").route("xyz")
        assert (found.model, found.fallback, found.reason_code) == ("left", True, "unknown_words")
        assert found.reason == (
            "the embedder knows no word of the query; the pool's default answers"
        )

    def test_nothing_measured_either(self):
        router = fit("left", "new", "newer")
        with pytest.raises(
            NoEvidenceError, match="no word of the query, and no model was measured"
        ):
            router.route("xyz", allow=["new", "newer"])


class TestLittleLikeIt:
    def test_the_guard_holds_for_every_policy(self):
        router = fit(min_similarity=0.95, default="both")
        near, far = router.route("aaaa"), router.route("aabb")
        assert (near.model, near.fallback) == ("left", False)
        assert far.similarity == pytest.approx(4 / math.sqrt(8 * 2.5), abs=1e-3)
        assert (far.model, far.fallback, far.reason_code) == ("both", True, "low_similarity")
        assert router.route("aabb", policy="best_score").model == "both"
        assert far.policy == "guarded:policy=best_score,min_similarity=0.95,fallback=both"

    def test_a_default_that_is_not_allowed(self):
        router = fit(min_similarity=0.95, default="both")
        found = router.route("aabb", allow=["left", "right"])
        assert found.model in ("left", "right")
        assert found.fallback
        assert "both may not answer" in found.reason


class TestWithoutEvidence:
    def test_models_that_no_vote_can_choose(self):
        router = fit("left", "new", "right")
        found = router.route("aa")
        assert found.ranking == ("left", "right", "new")
        assert math.isnan(found.scores["new"])
        assert math.isnan(found.stderr["new"])
        assert math.isnan(found.costs["new"])
        assert found.support["new"] == 0.0
        assert "new" not in found.neighbors[0].scores
        assert "both" in found.neighbors[0].scores

    def test_one_after_the_models_of_the_records(self):
        found = fit("left", "right", "both", "new").route("aa")
        assert found.ranking == ("left", "both", "right", "new")
        assert math.isnan(found.scores["new"])
        assert found.support["new"] == 0.0

    def test_only_such_are_allowed(self):
        router = fit("left", "new", "newer")
        with pytest.raises(
            NoEvidenceError,
            match="the records say nothing of the models that may answer: new, newer; set router",
        ):
            router.route("aa", allow=["newer", "new"])
        found = fit("left", "new", "newer", default="newer").route("aa", allow=["newer", "new"])
        assert found.ranking == ("newer", "new")
        assert (found.reason_code, found.fallback) == ("no_evidence", True)

    def test_a_plain_vote_without_a_measured_neighbor(self):
        """Without shrinkage: no neighbor measured it, though others did."""
        sparse = records(scores=[[NAN, 0, NAN], [NAN, 0, NAN], [0, 1, 1], [0, 1, 1]])
        router = fit("left", "both", given=sparse, shrinkage=0.0)
        assert router.route("bb").model == "both"
        with pytest.raises(NoEvidenceError, match=r"may answer: left, both; set router.d"):
            router.route("aa")
        with_default = fit("left", "both", given=sparse, shrinkage=0.0, default="left")
        assert with_default.route("aa").model == "left"
        # With shrinkage, what is known of the task speaks.
        assert fit("left", "both", given=sparse).route("aa").model == "both"

    def test_an_empty_column(self):
        empty = records(scores=[[1, NAN, 0.5], [1, NAN, 0.5], [0, NAN, 0.5], [0, NAN, 0.75]])
        found = fit(given=empty).route("bb")
        assert found.ranking == ("both", "left", "right")
        assert math.isnan(found.scores["right"])
        assert math.isnan(found.stderr["right"])
        assert "nan" not in str(found)


def test_models_of_the_records_that_are_not_in_the_pool_are_never_chosen():
    router = fit("right", "both")
    for query in ("aa", "ab", "bb", "xyz"):
        found = router.route(query)
        assert found.model != "left"
        assert set(found.ranking) == set(found.scores) == {"right", "both"}
    assert router.estimate(["aa"]).models == ("left", "right", "both")


def test_disabled_models_are_never_chosen_whatever_else_the_pool_holds():
    """Also one that is last in the lineup, behind all columns of the records."""
    extra = ModelSpec(name="later", enabled=False)
    router = fit("left", "right", "both", extra)
    found = router.route("aa")
    assert found.ranking == ("left", "both", "right")
    assert list(found.costs) == ["left", "right", "both"]
    off = ModelSpec(name="left", enabled=False)
    assert fit(off, "right", "both").route("aa").ranking == ("both", "right")
    with pytest.raises(EmptyPoolError, match="left: not enabled"):
        fit(off, "right").route("aa", allow=["left"])


def test_aliases_find_the_column_and_the_name_is_shown():
    router = fit(ModelSpec(name="on", aliases=["left"]), ModelSpec(name="b", model="both"))
    found = router.route("aa")
    assert found.ranking == ("on", "b")
    assert set(found.neighbors[0].scores) == {"on", "right", "b"}
    assert router.route("aa", allow=["left"]).model == "on"
    assert router.estimate(["aa"]).models == ("on", "right", "b")


def test_ties_go_to_the_higher_mean_then_the_cheaper_then_pool_order():
    same = records(scores=[[1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 1, 1]])
    assert fit(given=same, shrinkage=0.0).route("aa").ranking == ("right", "both", "left")
    assert fit("both", "left", "right", given=same, shrinkage=0.0).route("aa").ranking == (
        "both",
        "right",
        "left",
    )
    cheap = ModelSpec(name="right", price=Price(1, 1), expected_output_tokens=1)
    dear = ModelSpec(name="both", price=Price(2, 2), expected_output_tokens=1)
    assert fit(dear, cheap, "left", given=same, shrinkage=0.0).route("aa").model == "right"


def test_latencies_reach_the_policy():
    given = records(latency_ms=[[900, 10, 20], [700, 10, 20], [NAN, 10, 20], [NAN, 10, 20]])
    router = fit(given=given)
    policy = "max_latency:ms={},policy=best_score"
    assert router.route("aa", policy=policy.format(800)).model == "left"
    assert router.route("aa", policy=policy.format(799)).model == "both"
    assert router.route("bb", policy=policy.format(15)).ranking == ("right", "both", "left")
    # A model that no record knows was never measured either.
    assert fit("new", "left", given=given).route("aa", policy=policy.format(800)).ranking == (
        "left",
        "new",
    )


def test_costs_of_the_decision_are_the_expected_ones():
    given = records(
        costs=[[0.1, NAN, NAN], [0.3, NAN, NAN], [9, NAN, NAN], [9, NAN, NAN]],
        input_tokens=[[1, 100, NAN]] * 4,
        output_tokens=[[1, 10, NAN]] * 4,
    )
    router = fit(
        ModelSpec(name="left", price=Price(1, 1)),
        ModelSpec(name="right", price=Price(2, 30)),
        ModelSpec(name="both", price=Price(4, 8), expected_output_tokens=50),
        given=given,
    )
    found = router.route("a" * 40)
    assert found.costs["left"] == pytest.approx(0.2)  # what the neighbors cost
    assert found.costs["right"] == pytest.approx((100 * 2 + 10 * 30) / 1e6)  # their tokens
    assert found.costs["both"] == pytest.approx((10 * 4 + 50 * 8) / 1e6)  # forty bytes, ten tokens
    counted = router.with_pool(router.pool, count_tokens=lambda query: 7)
    assert counted.route("a" * 40).costs["both"] == pytest.approx((7 * 4 + 50 * 8) / 1e6)
    assert np.isnan(router.with_pool(None).route("aa").costs["right"])
