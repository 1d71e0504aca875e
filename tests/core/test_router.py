import concurrent.futures
import dataclasses
import itertools
import json
import pickle  # what worker processes do to decisions
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter import Estimates, ModelPool, ModelSpec, RecordSet, Router, policies
from knnrouter.decision import Decision
from knnrouter.embedders import FunctionEmbedder, StaticEmbedder
from knnrouter.errors import (
    DamagedStoreError,
    EmbedderError,
    EmbedderMismatchError,
    EmptyPoolError,
    EstimatorError,
    NoTextError,
    PolicyError,
    PoolError,
    PoolWarning,
    QueryError,
    RecordsError,
    UnknownModelError,
    UnpricedError,
)
from knnrouter.estimators import KNN
from knnrouter.pool import RouterSettings
from knnrouter.records import Price

NAN = float("nan")
TOPICS = {
    "code": "function python rust compiler loop array pointer thread recursion bug syntax",
    "cooking": "soup oven butter onion recipe flour boil roast sauce garlic dinner",
    "history": "empire war king treaty revolution century battle colony emperor trade",
    "math": "integral prime matrix derivative equation proof theorem angle polynomial sum",
}
FILTERED = "may answer this query; ask for less, or change the pool:"


def sentences(rng, count):
    """Texts on four topics, and which topic each is on."""
    names = rng.choice(list(TOPICS), count)
    texts = [
        f"Please explain {' '.join(rng.choice(TOPICS[name].split(), 6))} ({place})"
        for place, name in enumerate(names)
    ]
    return texts, names


def topic_records(rng, *, n=400, missing=0.4, **more):
    """Each of four models is good at one topic; of the cells, 40 % are missing."""
    texts, names = sentences(rng, n)
    models = tuple(f"{topic}-model" for topic in TOPICS)
    chance = np.where(names[:, None] == np.array(list(TOPICS)), 0.9, 0.3)
    scores = (rng.random((n, 4)) < chance).astype(float)
    scores[rng.random((n, 4)) < missing] = NAN
    given = {"ids": [f"q{row}" for row in range(n)], "queries": texts, "tasks": names.tolist()}
    return RecordSet(**given | {"models": models, "scores": scores} | more)


def pool_of(records, **router):
    specs = [
        ModelSpec(name=name, price=Price(0.5 * place, 2.0 * place), expected_output_tokens=200)
        for place, name in enumerate(records.models, start=1)
    ]
    return ModelPool(models=specs, router=RouterSettings(**router))


@pytest.fixture(scope="module")
def records():
    return topic_records(np.random.default_rng(0))


@pytest.fixture(scope="module")
def router(records):
    pool = pool_of(records, default="code-model", min_similarity=0.1)
    return Router.fit(records, pool=pool)


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(7)
    texts, _ = sentences(rng, 240)
    strange = [
        "",
        " ",
        "?",
        "\N{PARTY POPPER}\N{PARTY POPPER}",
        "如何用黄油煮洋葱汤？",
        "Почему пала империя?",
        "qqqqzzzz xxyyzz",
        "bug " * 5_000,
        "\x00\x01 null bytes",
        "<b>html</b> & \"quotes\" 'single'",
        "line\nbreaks\r\nand\ttabs",
        "é" * 300,
        "a",
    ]
    letters = list("abcdefghijklmnopqrstuvwxyz  .,!")
    noise = ["".join(rng.choice(letters, rng.integers(1, 60))) for _ in range(100)]
    chats = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": texts[0]}]]
    return [*texts, *strange, *noise, *chats, texts[0], texts[0]]


def untimed(decision):
    """All that a decision says, but its id and its time."""
    told = decision.to_dict()
    return {name: told[name] for name in told if name not in ("id", "elapsed_ms")}


def same(one, other, within=1e-6):
    one, other = untimed(one), untimed(other)
    for name in ("scores", "costs", "stderr", "support"):
        assert list(one[name]) == list(other[name])
        figures = [np.array(list(each.pop(name).values()), float) for each in (one, other)]
        np.testing.assert_allclose(*figures, rtol=0, atol=within, err_msg=name)
    np.testing.assert_allclose(one.pop("similarity"), other.pop("similarity"), atol=within)
    for near, far in zip(one.pop("neighbors"), other.pop("neighbors"), strict=True):
        assert abs(near.pop("similarity") - far.pop("similarity")) <= within
        assert near == far
    assert one == other
    return True


class TestOneAndMany:
    @pytest.mark.parametrize("policy", [None, "score_minus_cost:cost_weight=300"])
    def test_one_by_one_and_in_a_batch(self, router, queries, policy):
        many = router.route_many(queries, policy=policy)
        assert len(many) == len(queries)
        for query, decision in zip(queries, many, strict=True):
            assert same(router.route(query, policy=policy), decision)
        assert len({decision.model for decision in many}) == 4

    def test_the_batch_may_be_in_any_order_and_of_any_size(self, router, queries):
        many = router.route_many(queries)
        order = np.random.default_rng(1).permutation(len(queries))
        shuffled = router.route_many([queries[place] for place in order])
        for place, decision in zip(order, shuffled, strict=True):
            assert same(decision, many[place])
        for start in (0, 17, 200):
            part = slice(start, start + 3)
            for one, other in zip(router.route_many(queries[part]), many[part], strict=True):
                assert same(one, other)

    def test_one_input_one_decision(self, router, queries, records):
        again = Router.fit(records, pool=router.pool)
        for query in queries[::40]:
            first = router.route(query)
            assert untimed(router.route(query)) == untimed(first)
            assert untimed(again.route(query)) == untimed(first)

    def test_every_decision_has_an_id_of_its_own(self, router):
        decisions = router.route_many(["the same"] * 50)
        assert len({decision.id for decision in decisions}) == 50

    def test_queries_may_be_any_iterable(self, router):
        assert len(router.route_many(text for text in ("a loop", "a soup"))) == 2
        assert router.route_many([]) == []
        assert router.estimate(()).scores.shape == (0, 4)

    def test_one_text_where_several_are_wanted(self, router):
        with pytest.raises(TypeError, match="route_many takes several queries; for one text use"):
            router.route_many("a text")
        with pytest.raises(TypeError, match="estimate takes several queries; give a list"):
            router.estimate("a text")

    def test_time_is_told(self, router):
        assert 0 < router.route("a loop").elapsed_ms < 10_000
        assert all(0 < each.elapsed_ms < 1_000 for each in router.route_many(["a loop"] * 20))

    def test_many_threads_get_what_one_gets(self, router, queries):
        asked = list(itertools.islice(itertools.cycle(queries[::11]), 100))
        expected = [untimed(router.route(query)) for query in asked]

        def route_all(_):
            return [untimed(router.route(query)) for query in asked]

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with concurrent.futures.ThreadPoolExecutor(32) as threads:
                for found in threads.map(route_all, range(32)):
                    assert found == expected
        finally:
            sys.setswitchinterval(interval)


def test_it_routes_to_who_is_good_at_it(router):
    rng = np.random.default_rng(99)
    texts, names = sentences(rng, 100)
    chosen = [decision.model for decision in router.route_many(texts)]
    right = [model == f"{name}-model" for model, name in zip(chosen, names, strict=True)]
    assert np.mean(right) > 0.95


class TestEstimate:
    def test_shapes_and_order(self, router, queries):
        texts = [query for query in queries if isinstance(query, str)][:7]
        found = router.estimate(texts)
        assert isinstance(found, Estimates)
        assert found.models == router.records.models
        for name in ("scores", "costs", "stderr", "support"):
            assert getattr(found, name).shape == (7, 4)
        assert found.similarity.shape == (7,)
        decisions = router.route_many(texts)
        for place, decision in enumerate(decisions):
            for name in ("scores", "costs", "stderr", "support"):
                told = list(getattr(decision, name).values())
                np.testing.assert_array_equal(getattr(found, name)[place], told)
            assert found.similarity[place] == decision.similarity

    def test_models_of_the_pool_come_after_those_of_the_records(self, router):
        specs = [
            ModelSpec(name="new", price=Price(1, 1), expected_output_tokens=3),
            ModelSpec(name="mathematician", aliases=["math-model"]),
            ModelSpec(name="code-model"),
        ]
        with pytest.warns(PoolWarning, match="new: no records"):
            wider = router.with_pool(ModelPool(models=specs))
        found = wider.estimate(["an integral"])
        assert found.models == (
            "code-model",
            "cooking-model",
            "history-model",
            "mathematician",
            "new",
        )
        assert np.isfinite(found.scores[0, :4]).all()
        assert np.isnan(found.scores[0, 4])
        assert np.isnan(found.stderr[0, 4])
        assert found.support[0, 4] == 0
        np.testing.assert_allclose(found.costs, [[NAN, NAN, NAN, NAN, (11 / 4 + 3) / 1e6]])

    def test_a_query_without_text(self, router):
        with pytest.raises(NoTextError, match="no text"):
            router.estimate(["fine", ""])


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
def filtered(records):
    specs = [
        ModelSpec(name="code-model", capabilities=["tools"], tags=["eu"], context_window=1000),
        ModelSpec(name="cooking-model", capabilities=["tools", "vision"], context_window=8000),
        ModelSpec(
            name="history-model",
            tags=["eu", "cheap"],
            context_window=2000,
            expected_output_tokens=1500,
        ),
        ModelSpec(name="math-model", capabilities=["tools", "vision"], tags=["eu"], enabled=False),
    ]
    knn = KNN(k=20, weights="uniform", shrinkage=4.0)
    return Router.fit(records, pool=ModelPool(models=specs), estimator=knn)


class TestFilters:
    """They come before the vote: who is out is not ranked at all."""

    @pytest.mark.parametrize(
        ("asked", "left"),
        [
            ({}, {"code-model", "cooking-model", "history-model"}),
            ({"allow": ["cooking-model"]}, {"cooking-model"}),
            ({"allow": "cooking-model"}, {"cooking-model"}),
            ({"allow": {"cooking-model", "math-model"}}, {"cooking-model"}),
            ({"require": ["tools"]}, {"code-model", "cooking-model"}),
            ({"require": ["tools", "vision"]}, {"cooking-model"}),
            ({"tags": ["eu"]}, {"code-model", "history-model"}),
            ({"tags": ["eu", "cheap"]}, {"history-model"}),
            ({"tags": ["eu"], "require": ["tools"]}, {"code-model"}),
        ],
    )
    def test_who_may_answer(self, filtered, asked, left):
        for decision in (
            filtered.route("Prove the theorem on prime sums", **asked),
            *filtered.route_many(["Prove the theorem on prime sums"] * 2, **asked),
        ):
            assert set(decision.ranking) == set(decision.scores) == set(decision.costs) == left

    def test_context_windows(self, filtered):
        # Two bytes a token, to be careful: 1,000 bytes fit where 500 tokens are left.
        assert "history-model" in filtered.route("sum " * 250).ranking
        assert set(filtered.route("sum " * 251).ranking) == {"code-model", "cooking-model"}
        assert set(filtered.route("sum " * 500).ranking) == {"code-model", "cooking-model"}
        assert set(filtered.route("sum " * 501).ranking) == {"cooking-model"}
        decisions = filtered.route_many(["sum " * 251, "a sum"])
        assert [len(decision.ranking) for decision in decisions] == [2, 3]

    def test_a_token_counter_of_ones_own(self, filtered):
        counting = filtered.with_pool(filtered.pool, count_tokens=lambda query: 900)
        assert set(counting.route("sum").ranking) == {"code-model", "cooking-model"}

    def test_what_a_conversation_needs(self, filtered):
        image = {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}}
        text = {"type": "text", "text": "Which battle is shown in this painting here?"}
        found = filtered.route([{"role": "user", "content": [text, image]}])
        assert found.ranking == ("cooking-model",)

    def test_what_emptied_the_pool_is_named(self, filtered):
        with pytest.raises(EmptyPoolError, match=FILTERED) as caught:
            filtered.route("a sum", require=["vision"], tags=["eu"], allow=["code-model"])
        assert caught.value.problems == (
            "code-model: lacks the capability 'vision'",
            "cooking-model: not allowed, lacks the tag 'eu'",
            "history-model: not allowed, lacks the capability 'vision'",
            "math-model: not enabled, not allowed",
        )
        with pytest.raises(EmptyPoolError, match="context window 8,000 is under 10,000 prompt"):
            filtered.route("sum " * 5000)

    def test_one_query_that_nobody_may_answer_stops_the_batch(self, filtered):
        with pytest.raises(EmptyPoolError):
            filtered.route_many(["fine", "sum " * 5000])

    def test_names_that_are_not_in_the_pool(self, filtered):
        with pytest.raises(UnknownModelError, match="the pool has no model 'maths-model'"):
            filtered.route("a sum", allow=["maths-model"])


LONG = [("user", "Explain this integral"), ("assistant", "Let me look."), ("tool", "soup " * 500)]


class TestPrompts:
    """Who may answer depends on the prompt, the choice among them on the query alone."""

    def test_they_limit_who_may_answer(self, filtered):
        query = "Explain this integral"
        assert len(filtered.route(query).ranking) == 3
        assert filtered.route(query, prompt=LONG).ranking == ("cooking-model",)
        for prompt in LONG[:2], query, {"messages": LONG[:1]}:
            assert same(filtered.route(query, prompt=prompt), filtered.route(query))
        image = {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}}
        shown = [{"role": "user", "content": [image]}]
        assert filtered.route(query, prompt=shown).ranking == ("cooking-model",)
        with pytest.raises(EmptyPoolError, match="context window 8,000 is under 10,000 prompt"):
            filtered.route(query, prompt="sum " * 5000)

    @given(
        query=st.sampled_from(["an integral", "boil the soup", "the empire", "a loop in rust"]),
        more=st.lists(
            st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=60)),
            max_size=4,
        ),
        policy=st.sampled_from([None, "score_minus_cost:cost_weight=300"]),
    )
    def test_the_choice_is_the_querys(self, router, query, more, policy):
        prompt = [("user", query), *more]
        decision = router.route(query, prompt=prompt, policy=policy)
        assert untimed(decision) == untimed(router.route(query, policy=policy))

    @given(padding=st.integers(0, 8_000))
    def test_among_those_left_it_is_as_if_they_alone_were_allowed(self, filtered, padding):
        query = "Explain this integral"
        decision = filtered.route(query, prompt=query + "x" * padding)
        alone = filtered.route(query, allow=sorted(decision.ranking))
        assert untimed(decision) == untimed(alone)

    def test_many_are_as_each(self, filtered):
        queries = ["an integral", "boil the soup", "a battle"]
        prompts = [LONG, "boil the soup", [("system", "x" * 700), ("user", "a battle")]]
        many = filtered.route_many(queries, prompts=(prompt for prompt in prompts))
        for query, prompt, decision in zip(queries, prompts, many, strict=True):
            assert same(filtered.route(query, prompt=prompt), decision)
        assert [len(decision.ranking) for decision in many] == [1, 3, 3]

    def test_as_many_as_queries(self, router):
        wanted = "2 prompts for 1 queries; give one for each, or none at all"
        with pytest.raises(ValueError, match=wanted):
            router.route_many(["a"], prompts=["a", "b"])
        with pytest.raises(TypeError, match="for one text use route"):
            router.route_many(["a", "b"], prompts="ab")
        assert router.route_many([], prompts=[]) == []

    def test_a_shape_that_is_not_understood(self, router):
        with pytest.raises(QueryError, match="a query of type `int` is not understood"):
            router.route("a soup", prompt=7)

    def test_a_counter_counts_the_prompt_for_windows_and_the_query_for_prices(self, router):
        seen = []
        counting = router.with_pool(router.pool, count_tokens=lambda given: seen.append(given) or 9)
        counting.route("a soup", prompt=LONG[:2])
        assert seen == [LONG[:2], "a soup"]


CHEAPEST = "cheapest_above:min_score=0.01"


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


class TestQueries:
    def test_a_very_long_one_is_cut_and_says_so(self, router):
        text = "integral " * 22_223  # 200,007 characters
        found = router.route(text)
        assert found.model == "math-model"
        (note,) = [note for note in found.notes if "were read" in note]
        assert note.startswith("of 200,006 characters, head and tail were read, 4,000 in all;")
        (many,) = router.route_many([text])
        assert same(found, many)
        assert router.route("an integral").notes == ()

    def test_a_shape_that_is_not_understood(self, router):
        for query in (None, 5, object()):
            with pytest.raises(QueryError):
                router.route(query)

    def test_an_embedder_that_gives_no_numbers_for_a_query(self, records):
        def rows(texts):
            return [[np.nan, 1.0] if text == "bad" else [1.0, 0.0] for text in texts]

        router = Router.fit(
            records, embedder=FunctionEmbedder(rows, dim=2, id="r"), estimator=KNN(k=3)
        )
        assert router.route("good").model in records.models
        with pytest.raises(EmbedderError, match="NaN or infinity"):
            router.route("bad")


class TestFit:
    def test_what_cannot_be(self, records):
        with pytest.raises(ValueError, match='index is \'hnsw\'; give "auto" or "flat"'):
            Router.fit(records, index="hnsw")
        with pytest.raises(EmbedderError, match="embedder is 'openai'; the only name is 'static'"):
            Router.fit(records, embedder="openai")
        textless = RecordSet(ids=("1",), models=("a", "b"), scores=[[1, 0]])
        with pytest.raises(RecordsError, match="1 of 1 rows keep no text"):
            Router.fit(textless)
        small = records.select(range(50)).condense(StaticEmbedder(), rows=20)
        other = FunctionEmbedder(lambda texts: [[1, 0]] * len(texts), dim=2, id="other")
        with pytest.raises(EmbedderMismatchError, match="not from 'other'"):
            Router.fit(small, embedder=other)
        with pytest.raises(PoolError, match="matches 2 columns"):
            both = ModelSpec(name="code-model", aliases=["math-model"])
            Router.fit(records, pool=ModelPool(models=[both]))

    def test_condensed_records_need_no_text(self, records):
        small = records.condense(StaticEmbedder(), rows=60)
        router = Router.fit(small)
        assert router.route("How do I roast garlic in an oven?").model == "cooking-model"
        assert router.route("a soup").neighbors[0].id.startswith("cooking#")

    def test_progress_is_told(self, records):
        told = []
        Router.fit(
            records,
            estimator=KNN(k=3, weights="uniform", shrinkage=1),
            progress=lambda *step: told.append(step),
        )
        stages = [stage for stage, _, _ in told]
        assert list(dict.fromkeys(stages)) == ["embed", "index", "fit"]
        assert ("embed", 400, 400) in told
        assert told[-1] == ("fit", 1, 1)
        assert all(done <= total for _, done, total in told)

    def test_one_model(self, records):
        alone = RecordSet(
            ids=("1", "2"), queries=("a soup", "a sum"), models=("m",), scores=[[1], [0]]
        )
        with pytest.warns(PoolWarning, match="m is the only model that may answer") as caught:
            router = Router.fit(alone)
        assert caught[0].filename == __file__
        found = router.route("a soup of onions")
        assert (found.model, found.ranking) == ("m", ("m",))
        assert router.explain("a soup").runner_up is None

    def test_one_row(self):
        one = RecordSet(ids=("1",), queries=("a soup",), models=("a", "b"), scores=[[0, 1]])
        found = Router.fit(one).route("a sum of primes")
        assert found.model == "b"
        assert len(found.neighbors) == 1

    def test_no_row(self, records):
        with pytest.raises(ValueError, match="the records have no row"):
            Router.fit(records.select([]))

    def test_a_router_never_changes(self, router):
        with pytest.raises(dataclasses.FrozenInstanceError):
            router.embedder = None
        assert not router.records.scores.flags.writeable


class LengthEmbedder:
    """An embedder of one's own: no base class, a window of eight characters."""

    id = "length"
    dim = 2

    def embed(self, texts):
        rows = [[len(text), 1.0] for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    def clip(self, text):
        return text if len(text) <= 8 else f"{text[:4]}\n{text[-3:]}"


class Coin:
    """An estimator of one's own: what a model scored on the nearest row, and nothing else."""

    neighbors = 1
    settings = {"kind": "coin"}
    arrays = {}

    def __init__(self, records=None):
        self.records = records

    def fit(self, evidence, *, seed=0):
        return Coin(evidence.records)

    def restore(self, evidence, arrays):
        return Coin(evidence.records)

    def estimate(self, vectors, neighbors):
        scores = self.records.scores[neighbors.rows[:, 0]].astype(float)
        return Estimates(
            models=self.records.models,
            scores=scores,
            costs=np.full_like(scores, NAN),
            stderr=np.full_like(scores, NAN),
            support=np.ones_like(scores),
            similarity=neighbors.similarities[:, 0],
        )


class TestPartsOfOnesOwn:
    @pytest.fixture
    def own(self):
        records = RecordSet(
            ids=("short", "long"), queries=("ab", "abcdefgh"), models=("s", "l"), scores=np.eye(2)
        )
        return Router.fit(records, embedder=LengthEmbedder(), estimator=Coin())

    def test_they_need_no_base_class(self, own):
        assert [own.route(text).model for text in ("xy", "xyzxyzxy")] == ["s", "l"]
        found = own.route("xy")
        assert found.scores == {"s": 1.0, "l": 0.0}
        assert len(found.neighbors) == 1
        assert str(found) == "s: best expected score [score 1.000, nearest 1.00]"

    def test_their_window_is_told(self, own):
        assert own.route("x" * 8).notes == ()
        (note,) = own.route("x" * 900).notes
        assert note.startswith("of 900 characters, head and tail were read, 8 in all;")

    def test_an_estimator_that_is_not_known_when_it_is_loaded(self, own, tmp_path):
        own.save(tmp_path)
        with pytest.raises(EstimatorError, match="unknown estimator 'coin'; known: knn"):
            Router.load(tmp_path, embedder=LengthEmbedder())


class TestDecisionsTravel:
    def test_they_take_their_neighbors_and_leave_the_evidence(self, router):
        found = router.route("Please explain the soup of onions")
        content = pickle.dumps(found)
        assert len(content) < 60_000
        again = pickle.loads(content)
        assert isinstance(again, Decision)
        assert untimed(again) == untimed(found)
        assert len(again.neighbors) == router.estimator.neighbors

    def test_as_json(self, router, queries):
        for decision in router.route_many(queries[::25]):
            assert json.loads(json.dumps(decision.to_dict(), allow_nan=False))["id"] == decision.id
            assert str(decision).count("\n") == 0

    def test_neighbors_show_what_was_measured(self, router, records):
        for near in router.route("Please explain matrix proof").neighbors:
            row = records.ids.index(near.id)
            assert near.task == records.tasks[row]
            assert list(near.scores) == list(records.models)
            np.testing.assert_array_equal(list(near.scores.values()), records.scores[row])


class TestSaved:
    def test_the_same_decisions_from_a_folder(self, router, queries, tmp_path):
        router.save(tmp_path / "router")
        again = Router.load(tmp_path / "router", pool=router.pool)
        for one, other in zip(router.route_many(queries), again.route_many(queries), strict=True):
            assert untimed(one) == untimed(other)

    def test_without_their_queries(self, router, queries, tmp_path):
        router.save(tmp_path / "router", keep_queries=False)
        again = Router.load(tmp_path / "router", pool=router.pool)
        assert set(again.records.queries) == {None}
        for one, other in zip(router.route_many(queries), again.route_many(queries), strict=True):
            assert untimed(one) == untimed(other)

    def test_by_a_pool_file_with_a_model_named_on(self, router, tmp_path):
        router.save(tmp_path / "evidence" / "router")
        file = tmp_path / "pool.yaml"
        file.write_text(
            """\
version: 1
router:
  index: ./evidence/router
  policy: {kind: score_minus_cost, cost_weight: 20}
  default: "on"
models:
  - name: "on"
    aliases: [code-model]
    price: {input: 1e-6, output: 1e-6}
    expected_output_tokens: 100
  - name: cook
    model: cooking-model
    price: {input: 0.1, output: 0.2}
    expected_output_tokens: 100
""",
            encoding="utf-8",
        )
        loaded = Router.from_yaml(file)
        found = loaded.route("Why does this python loop crash the compiler?")
        assert (found.model, found.ranking) == ("on", ("on", "cook"))
        assert found.policy == "score_minus_cost:cost_weight=20"
        assert found.costs["on"] == pytest.approx((45 / 4 + 100) * 1e-12)
        assert loaded.route("").model == "on"
        expected = router.route("Why does this python loop crash the compiler?").scores
        assert found.scores == {"on": expected["code-model"], "cook": expected["cooking-model"]}

    def test_a_pool_file_without_an_index(self, tmp_path):
        file = tmp_path / "pool.yaml"
        file.write_text("models: [{name: a}]", encoding="utf-8")
        with pytest.raises(PoolError, match=r"pool.yaml: router.index is not set; name the folder"):
            Router.from_yaml(file)


@pytest.mark.parametrize("wrong", [-7, 10**6])
def test_arrays_damaged_beneath_a_fast_check_are_the_folders_fault(tmp_path, wrong):
    rows = [{"query": "add two numbers", "a": 1, "b": 0}, {"query": "sing a song", "a": 0, "b": 1}]
    Router.fit(RecordSet.from_rows(rows)).save(tmp_path)
    [path] = tmp_path.glob("estimator-task_of-*.npy")
    task_of = np.load(path)
    np.save(path, np.full_like(task_of, wrong))
    with pytest.raises(DamagedStoreError, match="numbers outside") as caught:
        Router.load(tmp_path, verify="fast")
    assert str(caught.value).startswith(f"{tmp_path} is damaged: the array `task_of`")
    assert str(caught.value).endswith(f"again: knnrouter build FILE --out {tmp_path}")
    assert isinstance(caught.value.__cause__, EstimatorError)


# Vectors that are known already


def counted(router):
    """The router with an embedder that tells what it was asked for."""
    asked = []

    def embed(texts):
        asked.extend(texts)
        return router.embedder.embed(texts)

    inner = router.embedder
    embedder = FunctionEmbedder(embed, dim=inner.dim, id=inner.id)
    return dataclasses.replace(router, embedder=embedder), asked


def facts_of(decision):
    values = decision.to_dict()
    return {key: value for key, value in values.items() if key not in ("id", "elapsed_ms")}


def test_a_known_vector_gives_the_same_decision_and_nothing_is_embedded(router):
    texts, _ = sentences(np.random.default_rng(5), 20)
    counting, asked = counted(router)
    for text, row in zip(texts, router.embedder.embed(texts), strict=True):
        plain = facts_of(router.route(text))
        for vector in (row, row.tolist()):
            assert facts_of(counting.route(text, vector=vector)) == plain
    assert asked == []


def test_of_many_only_those_without_a_vector_are_embedded(router):
    texts, _ = sentences(np.random.default_rng(6), 6)
    rows = list(router.embedder.embed(texts))
    counting, asked = counted(router)
    rows[1] = rows[4] = None
    found = counting.route_many(texts, vectors=rows)
    assert asked == [texts[1], texts[4]]
    for each, text in zip(found, texts, strict=True):
        alone = router.route(text)
        assert each.ranking == alone.ranking
        assert each.scores == pytest.approx(alone.scores, abs=1e-6)
        assert each.similarity == pytest.approx(alone.similarity, abs=1e-6)


def test_the_vector_decides_and_not_the_text(router):
    code, soup = "Fix the bug in this rust loop", "A recipe for onion soup"
    (row,) = router.embedder.embed([soup])
    assert router.route(code).model != router.route(soup).model
    assert router.route(code, vector=row).model == router.route(soup).model


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        ([1.0, 0.0], r"vectors\[0\] has shape \(2,\); it must be \(\d+,\), a row of '"),
        (7.0, r"vectors\[0\] has shape \(\);"),
        ([2.0] * 256, r"vectors\[0\]: row 0 has norm 32 "),
        ("nan", r"vectors\[0\]: row 0 holds NaN or infinity"),
    ],
)
def test_vectors_that_are_no_rows(router, vector, told):
    given = np.full(router.embedder.dim, NAN) if vector == "nan" else vector
    with pytest.raises(EmbedderError, match=told):
        router.route("Why?", vector=given)


def test_a_vector_for_each_query_or_none_at_all(router):
    with pytest.raises(ValueError, match="1 vectors for 2 queries; give one for each"):
        router.route_many(["a", "b"], vectors=[None])


def test_what_is_no_record_set_no_pool_and_no_choice_is_named():
    rows = [{"query": "add two numbers", "a": 1, "b": 0}, {"query": "sing a song", "a": 0, "b": 1}]
    records = RecordSet.from_rows(rows)
    with pytest.raises(
        TypeError, match=r"records is \[\{'query.*, of type list; .*from_rows\(rows\)"
    ):
        Router.fit(rows)
    wanted = r"pool is 'pool\.yaml', of type str; .*: ModelPool\.from_yaml\(path\)"
    with pytest.raises(TypeError, match=wanted):
        Router.fit(records, pool="pool.yaml")
    router = Router.fit(records)
    with pytest.raises(TypeError, match=wanted):
        router.with_pool("pool.yaml")

    def best(candidates):
        return candidates.models[0]

    wanted = r"the policy best gave 'a', of type str; a policy returns a Choice: policies\.Choice\("
    for policy in (best, policies.Guarded(policy=best, min_similarity=0.0, fallback="a")):
        for act in (router.route, router.explain):
            with pytest.raises(PolicyError, match=wanted):
                act("add three numbers", policy=policy)
