"""The same evidence for other pools."""

import re

import numpy as np
import pytest
from topics import pool_of, same

from knnrouter import ModelPool, ModelSpec, Router, policies
from knnrouter.errors import (
    EmptyPoolError,
    PolicyError,
    PoolError,
    UnknownModelError,
    UnpricedError,
)
from knnrouter.estimators import KNN
from knnrouter.records import Price

CHEAPEST = "cheapest_above:min_score=0.01"


class TestPools:
    def test_new_prices_without_a_refit(self, router):
        text = "Please explain soup oven butter"
        policy = "score_minus_cost:cost_weight=1000"
        before = router.route(text, policy=policy)
        assert before.model == "cooking-model"
        specs = [
            spec.model_copy(update={"price": Price(4000, 4000)})
            if spec.name == "cooking-model"
            else spec
            for spec in router.pool.models
        ]
        dearer = router.with_pool(ModelPool(models=specs, router=router.pool.router))
        after = dearer.route(text, policy=policy)
        assert after.model != "cooking-model"
        assert after.scores == before.scores
        assert after.costs["cooking-model"] == pytest.approx((len(text) / 4 + 200) * 4000 / 1e6)
        assert dearer.evidence is router.evidence
        assert dearer.estimator is router.estimator
        assert router.route(text, policy=policy).model == "cooking-model"

    def test_no_pool_is_every_model_of_the_records_without_prices(self, router):
        free = router.with_pool(None)
        assert free.pool.names == router.records.models
        found = free.route("a soup of onions")
        assert set(found.ranking) == set(router.records.models)
        assert np.isnan(list(found.costs.values())).all()
        with pytest.raises(UnpricedError) as caught:
            free.route("a soup", policy="cheapest_above:min_score=0.5")
        assert caught.value.models == router.records.models
        # Nothing is known of capabilities, so none is missed; but what is asked for outright is.
        image = [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What soup is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}},
                ],
            }
        ]
        assert free.route(image).model in free.pool.names
        with pytest.raises(EmptyPoolError, match="lacks the capability 'vision'"):
            free.route(image, require=["vision"])

    def test_unpriced_models_are_named(self, router):
        specs = [*router.pool.models[:3], ModelSpec(name="math-model")]
        partly = router.with_pool(ModelPool(models=specs))
        with pytest.raises(UnpricedError, match="no cost is known for math-model; a model that"):
            partly.route("a soup", policy="score_minus_cost:cost_weight=1")
        allowed = partly.route(
            "a soup", policy="score_minus_cost:cost_weight=1", allow=["code-model"]
        )
        assert allowed.model == "code-model"

    def test_the_policy_of_the_pool_and_of_the_call(self, records):
        pool = pool_of(records, policy={"kind": "cheapest_above", "min_score": 0.01})
        router = Router.fit(records, pool=pool, estimator=KNN(k=30, weights="uniform", shrinkage=9))
        assert router.policy == policies.CheapestAbove(min_score=0.01)
        assert router.route("a polynomial equation").model == "code-model"
        assert router.route("a polynomial equation").policy == "cheapest_above:min_score=0.01"
        best = router.route("a polynomial equation", policy=policies.BestScore())
        assert (best.model, best.policy) == ("math-model", "best_score")
        fitted = Router.fit(records, pool=pool, policy="best_score")
        assert fitted.policy == policies.BestScore()

    def test_a_function_as_the_policy(self, router):
        def last(candidates):
            ranking = tuple(sorted(candidates.models, reverse=True))
            return policies.Choice(ranking=ranking, reason="the last one", reason_code="last")

        found = router.with_pool(None).route("a soup", policy=last)
        assert (found.model, found.policy, found.reason_code) == ("math-model", "last", "last")

    @pytest.mark.parametrize(
        ("policy", "error", "message"),
        [
            ("best_scoer", PolicyError, "unknown policy 'best_scoer' (did you mean 'best_score'?)"),
            ("score_minus_cost", PolicyError, "setting 'cost_weight' is missing"),
            ("threshold:strong=a,weak=b,threshold=2", PolicyError, "threshold is 2.0"),
            (
                "threshold:strong=gpt,weak=code-model,threshold=0.5",
                UnknownModelError,
                "the pool has no model 'gpt'; its models are code-model",
            ),
            (7, PolicyError, "policy is 7; give a policy such as"),
        ],
    )
    def test_a_policy_that_cannot_be(self, router, records, policy, error, message):
        for ask in (
            lambda: router.route("a soup", policy=policy),
            lambda: router.route_many(["a soup"], policy=policy),
            lambda: router.explain("a soup", policy=policy),
            lambda: Router.fit(records, pool=router.pool, policy=policy),
        ):
            with pytest.raises(error, match=re.escape(message)):
                ask()


@pytest.fixture(scope="module")
def fitted(records):
    """A router with a policy of its own, which is not the pool's."""
    pool = pool_of(records, default="math-model", policy="best_score")
    return Router.fit(records, pool=pool, policy=CHEAPEST)


class TestAbilities:
    def abler(self, router, **more):
        given = {"math-model": {"capabilities": ["tools"], "tags": ["eu"], "context_window": 250}}
        names = router.records.models
        return ModelPool(
            models=[ModelSpec(name=name, **given.get(name, {}) | more) for name in names]
        )

    def test_capabilities_windows_and_tags_are_the_new_ones(self, fitted):
        able = fitted.with_abilities(self.abler(fitted))
        assert able.route("a soup", require=["tools"]).ranking == ("math-model",)
        assert able.route("a soup", tags=["eu"]).ranking == ("math-model",)
        assert "math-model" in able.route("x" * 100).ranking
        assert "math-model" not in able.route("x" * 101).ranking
        with pytest.raises(EmptyPoolError, match="lacks the capability 'vision'"):
            able.route("a soup", require=["vision"])

    def test_all_else_stays(self, fitted):
        new = self.abler(fitted, price=Price(900, 900), expected_output_tokens=7, enabled=False)
        able = fitted.with_abilities(new)
        assert able.policy is fitted.policy
        assert policies.spec(able.policy) == CHEAPEST
        for name in ("evidence", "embedder", "estimator"):
            assert getattr(able, name) is getattr(fitted, name)
        for query in ("boil the soup", "an integral"):
            assert same(able.route(query), fitted.route(query))
            assert able.explain(query).flips == fitted.explain(query).flips
        assert able.route("  ").model == "math-model"
        assert [spec.price for spec in able.pool.models] == [
            spec.price for spec in fitted.pool.models
        ]
        assert fitted.route("a soup", allow=["math-model"]).model == "math-model"
        with pytest.raises(EmptyPoolError):
            fitted.route("a soup", require=["tools"])

    def test_the_pools_policy_stays_too(self, records):
        pool = pool_of(records, policy=CHEAPEST, default="math-model", min_similarity=0.2)
        router = Router.fit(records, pool=pool)
        able = router.with_abilities(self.abler(router))
        assert able.policy is router.policy
        assert able.pool.router == pool.router
        for policy in (None, "best_score"):  # the guard holds for a call's policy, too
            decision = able.route("zzqx vvkj oven", policy=policy)
            assert same(decision, router.route("zzqx vvkj oven", policy=policy))

    def test_without_a_pool_of_the_users_what_is_not_listed_is_not_had(self, fitted):
        free = fitted.with_pool(None)
        called = [("user", "a soup"), {"role": "tool", "content": "hot"}]
        assert len(free.route(called).ranking) == 4
        able = free.with_abilities(self.abler(fitted))
        assert able.route(called).ranking == ("math-model",)
        assert np.isnan(list(able.route("a soup").costs.values())).all()

    def test_the_counter_stays_unless_another_is_given(self, fitted):
        counting = fitted.with_pool(fitted.pool, count_tokens=lambda query: 51)
        assert "math-model" not in counting.with_abilities(self.abler(fitted)).route("x").ranking
        less = counting.with_abilities(self.abler(fitted), count_tokens=lambda query: 50)
        assert "math-model" in less.route("x").ranking

    def test_its_file_stays(self, fitted, tmp_path):
        there = fitted.with_pool(fitted.pool.at(tmp_path / "pool.yaml"))
        assert there.with_abilities(self.abler(fitted)).pool.path == tmp_path / "pool.yaml"

    @pytest.mark.parametrize("names", [["code-model"], ["math-model", "code-model"], ["other"]])
    def test_other_models_are_refused(self, fitted, names):
        pool = ModelPool(models=[ModelSpec(name=name) for name in names])
        known = ", ".join(fitted.pool.names)
        wanted = (
            f"the pool's models are {', '.join(names)}, and the router's are {known}; give the "
            "same in this order, or use with_pool"
        )
        with pytest.raises(PoolError, match=f"^{re.escape(wanted)}$"):
            fitted.with_abilities(pool)
        with pytest.raises(TypeError, match=r"pool is 'pool\.yaml', of type str; give a ModelPool"):
            fitted.with_abilities("pool.yaml")
