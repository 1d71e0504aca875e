"""Routers made of records, of parts of one's own, and of folders."""

import dataclasses

import numpy as np
import pytest
from topics import NAN, untimed

from knnrouter import Estimates, ModelPool, ModelSpec, RecordSet, Router, policies
from knnrouter.embedders import FunctionEmbedder, StaticEmbedder
from knnrouter.errors import (
    DamagedStoreError,
    EmbedderError,
    EmbedderMismatchError,
    EstimatorError,
    PolicyError,
    PoolError,
    PoolWarning,
    RecordsError,
)
from knnrouter.estimators import KNN


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
    Router.fit(RecordSet.from_rows(rows), estimator="knn").save(tmp_path)
    [path] = tmp_path.glob("estimator-task_of-*.npy")
    task_of = np.load(path)
    np.save(path, np.full_like(task_of, wrong))
    with pytest.raises(DamagedStoreError, match="numbers outside") as caught:
        Router.load(tmp_path, verify="fast")
    assert str(caught.value).startswith(f"{tmp_path} is damaged: the array `task_of`")
    assert str(caught.value).endswith(f"again: knnrouter build FILE --out {tmp_path}")
    assert isinstance(caught.value.__cause__, EstimatorError)


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
