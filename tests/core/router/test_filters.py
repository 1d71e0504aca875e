"""Who may answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topics import same, untimed

from knnrouter import ModelPool, ModelSpec, Router
from knnrouter.errors import EmptyPoolError, QueryError, UnknownModelError
from knnrouter.estimators import KNN

FILTERED = "may answer this query; ask for less, or change the pool:"


LONG = [("user", "Explain this integral"), ("assistant", "Let me look."), ("tool", "soup " * 500)]


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
