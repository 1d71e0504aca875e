"""Queries in, decisions and estimates out."""

import concurrent.futures
import itertools
import json
import pickle  # what worker processes do to decisions
import sys

import numpy as np
import pytest
from topics import NAN, same, sentences, untimed

from knnrouter import Estimates, ModelPool, ModelSpec, Router
from knnrouter.decision import Decision
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EmbedderError, NoTextError, PoolWarning, QueryError
from knnrouter.estimators import KNN
from knnrouter.records import Price


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
