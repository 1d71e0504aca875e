"""Evidence that grows and shrinks: as if the router had been fitted on what is there in the end."""

import copy
import dataclasses
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topics import NAN, pool_of, topic_records, untimed

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EmbedderMismatchError, EstimatorError, PoolWarning, RecordsError
from knnrouter.estimators import KNN, Estimates

VOTE = KNN(k=5, weights="softmax", temperature=0.1, shrinkage=8.0)
ASKED = ["aab", "bbc", "cca", "abc", "zzz", "ccccb"]


def letters(texts):
    return [[text.count(letter) for letter in "abc"] for text in texts]


EMBEDDER = FunctionEmbedder(letters, dim=3, id="abc")


def made_records(rng, start, count, *, tasks=True, models=("x", "y", "z"), text=True):
    """Rows of random texts and scores, some of them missing."""
    texts = ["".join(rng.choice(list("abc"), 6)) + str(start + n) for n in range(count)]
    scores = rng.integers(0, 11, (count, len(models))) / 10
    scores[rng.random(scores.shape) < 0.2] = NAN
    scores[0] = 0.5
    return RecordSet(
        ids=[f"r{start + n}" for n in range(count)],
        queries=texts if text else None,
        vectors=None if text else EMBEDDER.embed(texts),
        embedder=None if text else EMBEDDER.id,
        tasks=[str(rng.choice(["s", "t"])) if tasks else None for _ in range(count)],
        models=models,
        scores=scores,
        costs=scores / 100,
        weights=rng.integers(1, 4, count),
    )


def fit(records, **more):
    return Router.fit(records, embedder=EMBEDDER, estimator=VOTE, **more)


def assert_same(one, other):
    """The same estimates and decisions, bit by bit."""
    these, those = one.estimate(ASKED), other.estimate(ASKED)
    for field in dataclasses.fields(Estimates):
        np.testing.assert_array_equal(getattr(these, field.name), getattr(those, field.name))
    for mine, its in zip(one.route_many(ASKED), other.route_many(ASKED), strict=True):
        assert untimed(mine) == untimed(its)


class TestByValue:
    @settings(max_examples=30, deadline=None)
    @given(data=st.data(), seed=st.integers(0, 2**16), tasks=st.booleans())
    def test_any_changes_are_as_a_fit_on_what_is_left(self, data, seed, tasks):
        rng = np.random.default_rng(seed)
        whole = made_records(rng, 0, 12, tasks=tasks)
        router = fit(whole)
        for step in range(data.draw(st.integers(1, 4))):
            if data.draw(st.booleans()):
                names = data.draw(st.sampled_from([("x", "y", "z"), ("y",), ("new", "x")]))
                more = made_records(rng, 100 * (step + 1), 5, tasks=tasks, models=names)
                assert router.add_records(more) is router
                whole = RecordSet.concat([whole, more])
            else:
                left = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
                left[0] = True
                gone = [name for name, stays in zip(whole.ids, left, strict=True) if not stays]
                whole = whole.select(np.array(left))
                assert router.remove_records(iter(gone)) is router
        assert router.records.ids == whole.ids
        assert_same(router, fit(whole))

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**16), by_text=st.booleans(), part=st.integers(1, 20))
    def test_a_model_that_joins_is_as_if_it_had_been_there(self, seed, by_text, part):
        rng = np.random.default_rng(seed)
        records = made_records(rng, 0, 20)
        rows = np.sort(rng.permutation(20)[:part])
        outcomes = rng.random((part, 1)).astype(np.float32)
        ids = [f"other-{row}" if by_text else records.ids[row] for row in rows]
        joining = RecordSet(
            ids=ids,
            queries=[records.queries[row] for row in rows] if by_text else None,
            models=("new",),
            scores=outcomes,
            costs=2 * outcomes,
        )
        router = fit(records).add_model("new", joining)
        fields = records.as_dict() | {"models": (*records.models, "new")}
        column = np.full((20, 1), NAN)
        column[rows] = outcomes
        fields["scores"] = np.hstack([records.scores, column])
        fields["costs"] = np.hstack([records.costs, 2 * column])
        assert_same(router, fit(RecordSet(**fields)))

    def test_rows_without_text(self):
        rng = np.random.default_rng(1)
        parts = [made_records(rng, 0, 10, text=False), made_records(rng, 50, 10)]
        for first, second in (parts, parts[::-1]):
            router = fit(first).add_records(second)
            assert router.records.queries == first.queries + second.queries
            np.testing.assert_array_equal(router.records.vectors, router.evidence.vectors)
            assert_same(router, fit(router.records))

    def test_a_folder_is_not_touched_and_the_new_state_is_saved(self, tmp_path):
        rng = np.random.default_rng(2)
        first, second = made_records(rng, 0, 20), made_records(rng, 50, 10)
        fit(first).save(tmp_path / "old")
        before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
        router = Router.load(tmp_path / "old", embedder=EMBEDDER)
        router.add_records(second).remove_records(["r3"])
        assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
        router.save(tmp_path / "new")
        assert_same(Router.load(tmp_path / "new", embedder=EMBEDDER), router)
        router.save(tmp_path / "old")
        assert_same(Router.load(tmp_path / "old", embedder=EMBEDDER), router)


class TestThreads:
    def test_they_see_the_old_evidence_or_the_new(self):
        rng = np.random.default_rng(3)
        first, second = made_records(rng, 0, 30), made_records(rng, 100, 30, models=("x", "w"))
        router, grown = fit(first), fit(RecordSet.concat([first, second]))
        # Rows are removed, and columns stay: so the old evidence has the new model too.
        router.add_records(second).remove_records(second.ids)
        old = [untimed(each) for each in router.route_many(ASKED)]
        new = [untimed(each) for each in grown.route_many(ASKED)]
        assert all(one != other for one, other in zip(old, new, strict=True))
        done, seen = threading.Event(), []

        def route():
            mine = set()
            while not done.is_set():
                found = [untimed(each) for each in router.route_many(ASKED)]
                assert found in (old, new)
                estimates = router.estimate(ASKED)
                assert estimates.scores.shape == (len(ASKED), 4)
                mine.add(found == new)
            seen.append(mine)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(8) as threads:
                running = [threads.submit(route) for _ in range(8)]
                for _ in range(100):  # 200 changes
                    router.add_records(second)
                    router.remove_records(second.ids)
                done.set()
                for each in running:
                    each.result()
        finally:
            done.set()
            sys.setswitchinterval(interval)
        assert len(seen) == 8
        assert {True, False} in seen

    def test_no_change_is_lost_to_another(self):
        rng = np.random.default_rng(4)
        router = fit(made_records(rng, 0, 10))
        parts = [made_records(rng, 100 * (n + 1), 3) for n in range(16)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(router.add_records, parts))
        wanted = {name for part in parts for name in part.ids}
        assert set(router.records.ids) - {f"r{n}" for n in range(10)} == wanted
        assert len(router.records) == 10 + 48

    def test_a_call_that_runs_keeps_what_it_took(self, monkeypatch):
        rng = np.random.default_rng(5)
        router, more = fit(made_records(rng, 0, 10)), made_records(rng, 50, 5, models=("x", "new"))
        before = untimed(router.route("abc"))
        embed = EMBEDDER.embed

        class Meddling:
            """Embeds, and meanwhile the evidence changes."""

            id, dim = EMBEDDER.id, EMBEDDER.dim

            def embed(self, texts):
                if list(texts) == ["abc"]:
                    meddled.add_records(more)
                return embed(texts)

        meddled = dataclasses.replace(router, embedder=Meddling())
        assert untimed(meddled.route("abc")) == before
        assert meddled.records.models == ("x", "y", "z", "new")
        assert untimed(meddled.route("abcabc")) != before


def fit_topics(records, **more):
    return Router.fit(records, estimator=VOTE, **more)


class TestRoutersApart:
    def test_with_pool_and_abilities_keep_the_evidence_of_their_moment(self):
        rng = np.random.default_rng(6)
        records = made_records(rng, 0, 10)
        router = fit(records, pool=pool_of(records))
        others = [router.with_pool(router.pool), router.with_abilities(router.pool)]
        others.append(copy.copy(router))
        router.add_records(made_records(rng, 50, 5))
        for other in others:
            assert len(other.records) == 10
            other.remove_records(["r0"])
            assert len(other.records) == 9
        assert len(router.records) == 15

    def test_its_attributes_cannot_be_set(self):
        router = fit(made_records(np.random.default_rng(7), 0, 10))
        for name in ("state", "evidence", "embedder"):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(router, name, None)

    def test_the_policy_the_pool_and_the_counter_stay(self):
        records = topic_records(np.random.default_rng(8), n=40)
        pool = pool_of(records, policy="best_score", default="code-model")
        router = fit_topics(records, pool=pool, policy="cheapest_above:min_score=0.1")
        counted = fit_topics(records, pool=pool).with_pool(pool, count_tokens=lambda query: 7)
        for each in (router, counted):
            lineup = each.lineup
            each.remove_records(records.ids[:3])
            assert (each.policy, each.pool) == (lineup.policy, lineup.pool)
            assert each.lineup.count_tokens is lineup.count_tokens
            assert each.lineup.means != lineup.means

    def test_a_model_of_the_pool_that_had_no_records(self):
        records = topic_records(np.random.default_rng(9), n=60)
        specs = [*(ModelSpec(name=name) for name in records.models), ModelSpec(name="newcomer")]
        with pytest.warns(PoolWarning, match="newcomer: no records"):
            router = fit_topics(records, pool=ModelPool(models=specs))
        assert np.isnan(router.route("a soup").scores["newcomer"])
        joining = RecordSet(ids=records.ids, models=("newcomer",), scores=np.ones((60, 1)))
        router.add_model("newcomer", joining)
        assert router.route("a soup").model == "newcomer"
        assert router.lineup.names == (*records.models, "newcomer")

    def test_what_a_pool_lacks_is_said_once(self):
        records = topic_records(np.random.default_rng(9), n=60)
        specs = [*(ModelSpec(name=name) for name in records.models), ModelSpec(name="absent")]
        with pytest.warns(PoolWarning, match="absent: no records"):
            router = fit_topics(records, pool=ModelPool(models=specs))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            router.remove_records(records.ids[:1])
        assert np.isnan(router.route("a soup").scores["absent"])

    def test_a_model_that_the_pool_does_not_name_is_never_chosen(self):
        records = topic_records(np.random.default_rng(10), n=60)
        router = fit_topics(records, pool=pool_of(records))
        joining = RecordSet(ids=records.ids, models=("newcomer",), scores=np.ones((60, 1)))
        router.add_model("newcomer", joining)
        assert "newcomer" not in router.route("a soup").ranking
        assert router.with_pool(None).route("a soup").model == "newcomer"

    def test_tasks_are_routed_on_the_new_evidence(self):
        records = topic_records(np.random.default_rng(11), n=200, missing=0.0)
        first, rest = records.select(np.arange(150)), records.select(np.arange(150, 200))
        router = fit_topics(first)
        asked = ["Please explain soup oven butter", "Please explain flour boil roast"]
        router.route_task(asked)
        router.add_records(rest)
        again = fit_topics(RecordSet.concat([first, rest])).route_task(asked)
        found = router.route_task(asked)
        assert (found.model, found.ranking) == (again.model, again.ranking)


class TestRefused:
    """What is wrong is told, all of it, and nothing changes."""

    @pytest.fixture
    def router(self):
        return fit(made_records(np.random.default_rng(12), 0, 10))

    @pytest.fixture(autouse=True)
    def nothing_changes(self, router):
        state = router.state
        yield
        assert router.state is state

    def test_ids_that_are_there(self, router):
        more = made_records(np.random.default_rng(13), 8, 4)
        told = r"2 ids are in the evidence already: 'r8', 'r9'; give each row an id of its own"
        with pytest.raises(RecordsError, match=told):
            router.add_records(more)

    def test_ids_that_are_not_there(self, router):
        with pytest.raises(RecordsError, match=r"2 ids are not in the evidence: 'q', 'r10'; give"):
            router.remove_records(["r1", "q", "r10"])
        with pytest.raises(TypeError, match=r"takes several ids; for one give \['r1'\]"):
            router.remove_records("r1")

    def test_many_wrong_ids_are_counted(self, router):
        with pytest.raises(RecordsError, match=r"30 ids are not .* and 10 more; give"):
            router.remove_records([f"q{n}" for n in range(30)])

    def test_nothing_left(self, router):
        with pytest.raises(RecordsError, match="all 10 rows of the evidence would be removed"):
            router.remove_records(router.records.ids)

    def test_no_change_at_all(self, router):
        router.remove_records([])

    def test_what_is_no_record_set(self, router):
        for change in (router.add_records, lambda rows: router.add_model("new", rows)):
            with pytest.raises(TypeError, match="give a RecordSet"):
                change([{"query": "a", "x": 1}])

    def test_vectors_of_another_embedder(self, router):
        other = RecordSet(
            ids=("v",), models=("x",), scores=[[1]], vectors=np.eye(1, 3), embedder="other"
        )
        with pytest.raises(EmbedderMismatchError, match="their vectors come from 'other'"):
            router.add_records(other)

    def test_a_row_without_text_and_vector(self, router):
        with pytest.raises(RecordsError, match="1 of 1 rows keep no text"):
            router.add_records(RecordSet(ids=("v",), models=("x",), scores=[[1]]))


class Fixed:
    """An estimator of one's own: half for everybody."""

    neighbors, settings, arrays = 1, {"kind": "fixed"}, {}

    def __init__(self, records=None):
        self.records = records

    def fit(self, evidence, *, seed=0):
        return type(self)(evidence.records)

    def restore(self, evidence, arrays):
        return self.fit(evidence)

    def estimate(self, vectors, neighbors):
        half = np.full((len(vectors), len(self.records.models)), 0.5)
        return Estimates(
            models=self.records.models,
            scores=half,
            costs=half,
            stderr=half,
            support=half,
            similarity=neighbors.similarities[:, 0],
        )


class Updating(Fixed):
    """It says itself what it is over other evidence."""

    def updated(self, evidence):
        return type(self)(evidence.records)


class TestEstimatorsOfOnesOwn:
    def test_with_a_method_for_it(self):
        rng = np.random.default_rng(14)
        router = Router.fit(made_records(rng, 0, 5), embedder=EMBEDDER, estimator=Updating())
        router.add_records(made_records(rng, 50, 5, models=("x", "new")))
        assert router.route("abc").scores == dict.fromkeys(("x", "y", "z", "new"), 0.5)

    def test_without_one(self):
        rng = np.random.default_rng(15)
        router = Router.fit(made_records(rng, 0, 5), embedder=EMBEDDER, estimator=Fixed())
        with pytest.raises(EstimatorError, match="the estimator Fixed is none of this library"):
            router.add_records(made_records(rng, 50, 5))
        assert len(router.records) == 5
