"""What every estimator owes to a router, whatever it learns."""

import re
import threading
import warnings

import numpy as np
import pytest
from contract_cases import CASES

from knnrouter import Router, estimators
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EstimatorError
from knnrouter.estimators import Estimator, Evidence, ReadsText
from knnrouter.estimators.specs import KINDS
from knnrouter.index import FaissIndex
from knnrouter.records import RecordSet

NAN = float("nan")
TOPICS = {
    "river": "How long is river {}?",
    "verse": "Write verse {} on the sea.",
    "code": "Sort {}.",
}
BY_MODEL = ("scores", "costs", "stderr", "support")
ASKED = ["How long is river 99?", "Write verse 77 on the sea.", "Sort 55.", "Who are you?"]


def letters(texts):
    """A row for each text: how often it has each of a few letters."""
    return [[text.count(letter) + 0.01 for letter in "aeiorstvw?"] for text in texts]


EMBEDDER = FunctionEmbedder(letters, dim=10, id="letters")


def make_records(*, tasks=True, missing=0.1, unmeasured=False):
    """Three models, each good at a topic of its own; the third one scores in between elsewhere."""
    rng = np.random.default_rng(3)
    queries, names, scores = [], [], []
    for place, (topic, text) in enumerate(TOPICS.items()):
        for number in range(24):
            queries.append(text.format(number))
            names.append(topic if tasks else None)
            rates = [0.9 if model == place else 0.2 for model in range(3)]
            scores.append((rng.random(3) < rates).astype(float))
    scores = np.array(scores)
    scores[rng.random(scores.shape) < missing] = NAN
    scores[[0, 30, 60]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]  # measured in any case
    if unmeasured:
        scores = np.concatenate([scores, np.full((len(scores), 1), NAN)], axis=1)
    models = ("river-model", "verse-model", "code-model", "new-model")[: scores.shape[1]]
    return RecordSet(
        ids=[str(row) for row in range(len(queries))],
        models=models,
        queries=queries,
        tasks=names,
        scores=scores,
        costs=np.where(np.isnan(scores), NAN, 0.001 * (1 + np.arange(scores.shape[1]))),
        weights=1.0 + np.arange(len(queries)) % 2,
    )


@pytest.fixture(params=list(CASES), scope="module")
def estimator(request):
    return CASES[request.param]


@pytest.fixture(scope="module")
def router(estimator):
    return fitted(estimator, make_records())


def fitted(estimator, records):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Router.fit(records, embedder=EMBEDDER, estimator=estimator, seed=4)


def assert_same(one, other, *, exactly=True):
    assert one.models == other.models
    for name in (*BY_MODEL, "similarity", "strengths"):
        these, those = getattr(one, name), getattr(other, name)
        if exactly or these is None:
            np.testing.assert_array_equal(these, those)
        else:
            np.testing.assert_allclose(these, those, atol=1e-6)


def test_every_kind_is_tried():
    assert {type(each) for each in CASES.values()} >= set(KINDS.values())


def test_it_is_an_estimator(estimator):
    assert isinstance(estimator, Estimator)
    assert estimators.parse(estimators.spec(estimator)) == estimator
    assert estimators.from_settings(estimators.settings_of(estimator)) == estimator


def test_shapes_and_ranges(router):
    found = router.estimate(ASKED)
    assert found.models == router.records.models
    for name in BY_MODEL:
        assert getattr(found, name).shape == (4, 3)
        assert getattr(found, name).dtype == np.float64
    known = found.scores[~np.isnan(found.scores)]
    assert len(known) >= 4
    assert ((known >= 0) & (known <= 1)).all()
    assert not np.isnan(found.support).any()
    assert not (found.stderr < 0).any()
    assert (np.nan_to_num(found.costs, nan=0.002) > 0.0009).all()
    assert (np.abs(found.similarity) <= 1).all()


def test_it_learns_who_is_good_at_what(router):
    scores = router.estimate(ASKED[:3]).scores
    asked = ~np.isnan(scores).any(axis=0)
    best = np.nanargmax(np.where(asked, scores, -1.0), axis=1)
    # Those that compare two models know nothing of the third.
    wanted = [place for place in range(3) if asked[place]]
    assert [best[place] for place in wanted] == wanted


def test_no_queries_at_all(router):
    assert router.estimate([]).scores.shape == (0, 3)


def test_alone_and_in_a_batch(router):
    many = router.estimate(ASKED)
    for row, text in enumerate(ASKED):
        np.testing.assert_allclose(router.estimate([text]).scores[0], many.scores[row], atol=1e-6)
    batch = router.route_many(ASKED)
    assert [router.route(text).ranking for text in ASKED] == [each.ranking for each in batch]


def test_the_same_seed_gives_the_same(estimator, router):
    assert_same(fitted(estimator, make_records()).estimate(ASKED), router.estimate(ASKED))


@pytest.mark.parametrize("keep_queries", [True, False])
def test_save_and_load(router, tmp_path, keep_queries):
    router.save(tmp_path / "saved", keep_queries=keep_queries)
    again = Router.load(tmp_path / "saved", embedder=EMBEDDER)
    assert dict(again.estimator.settings) == dict(router.estimator.settings)
    assert "auto" not in again.estimator.settings.values()
    assert_same(again.estimate(ASKED), router.estimate(ASKED))
    for path in (tmp_path / "saved").glob("*.npy"):
        np.load(path, allow_pickle=False)


def test_restoring_without_its_arrays(estimator, router):
    settled = estimators.from_settings(router.estimator.settings)
    if router.estimator.arrays:
        with pytest.raises(EstimatorError, match="fit the router anew"):
            settled.restore(router.evidence, {})


def test_a_model_that_was_never_measured(estimator):
    found = fitted(estimator, make_records(unmeasured=True)).estimate(ASKED)
    assert found.models[3] == "new-model"
    assert np.isnan(found.scores[:, 3]).all()
    assert (found.support[:, 3] == 0).all()
    assert np.isnan(found.costs[:, 3]).all()


def test_records_without_tasks(estimator):
    scores = fitted(estimator, make_records(tasks=False)).estimate(ASKED).scores
    assert (~np.isnan(scores)).any(axis=1).all()


def test_no_row_at_all(estimator):
    none = np.empty((0, 10), np.float32)
    evidence = Evidence(records=make_records().select([]), vectors=none, index=FaissIndex(none))
    with pytest.raises(EstimatorError, match="the records have no row"):
        estimator.fit(evidence)


def test_without_text(estimator, router):
    """Vectors are enough, or the estimator says that they are not."""
    records = make_records()
    fields = records.as_dict() | {
        "queries": None,
        "vectors": EMBEDDER.embed(records.queries),
        "embedder": EMBEDDER.id,
    }
    if isinstance(router.estimator, ReadsText) and not _optional_text(router.estimator):
        with pytest.raises(EstimatorError, match="72 of 72 rows keep no text"):
            fitted(estimator, RecordSet(**fields))
        with pytest.raises(EstimatorError, match="text"):
            router.estimator.estimate(
                router.evidence.vectors[:1],
                router.evidence.index.search(router.evidence.vectors[:1], 1),
            )
    else:
        bare = fitted(estimator, RecordSet(**fields))
        assert (~np.isnan(bare.estimate(ASKED).scores)).any()


def _optional_text(fitted_estimator):
    return fitted_estimator.settings["kind"] == "blend"


def test_many_threads(router):
    alone, wrong = router.estimate(ASKED), []

    def ask():
        for _ in range(5):
            found = router.estimate(ASKED)
            if not np.array_equal(found.scores, alone.scores, equal_nan=True):
                wrong.append(found.scores)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_evidence_stays_as_it_was(estimator):
    records = make_records()
    before = records.scores.copy()
    fitted(estimator, records).estimate(ASKED)
    np.testing.assert_array_equal(records.scores, before)


def test_what_is_wrong_with_a_setting_is_said(estimator):
    kind = estimators.settings_of(estimator)["kind"]
    with pytest.raises(EstimatorError, match=re.escape(f"estimator {kind}: unknown setting 'kk'")):
        estimators.parse({"kind": kind, "kk": 1})


KEEPS_STRUCTURE = {
    *("clusters", "avengers_pro", "uniroute", "matrix_factorization"),
    *("encoder_multi_label", "encoder_separate", "encoder_win_rate", "causal_lm"),
}
"""Kinds whose centers, directions or weights stay as they are when the evidence grows."""


def test_evidence_that_grows(estimator, tmp_path):
    records = make_records()
    order = np.random.default_rng(5).permutation(len(records))
    grown = fitted(estimator, records.select(order[:60]))
    before, settings = grown.estimate(ASKED), dict(grown.estimator.settings)
    try:
        grown.add_records(records.select(order[60:]))
    except EstimatorError as error:
        assert "anew" in str(error)
        assert_same(grown.estimate(ASKED), before)
        return
    assert grown.estimator.settings == settings
    assert grown.records.ids == tuple(records.ids[row] for row in order)
    after = grown.estimate(ASKED)
    if settings["kind"] not in KEEPS_STRUCTURE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            anew = Router.fit(
                records.select(order),
                embedder=EMBEDDER,
                estimator=estimators.from_settings(settings),
            )
        assert_same(after, anew.estimate(ASKED))
    grown.save(tmp_path)
    assert_same(Router.load(tmp_path, embedder=EMBEDDER).estimate(ASKED), after)


def test_a_model_that_joins(estimator):
    records = make_records()
    router = fitted(estimator, records)
    some = list(range(0, len(records), 3))
    results = RecordSet(
        ids=[records.ids[row] for row in some],
        models=("joined",),
        scores=[[1.0 if records.tasks[row] == "river" else 0.0] for row in some],
    )
    try:
        router.add_model("joined", results)
    except EstimatorError as error:
        assert "anew" in str(error)
        assert router.records.models == records.models
        return
    found = router.estimate(ASKED)
    assert found.models == (*records.models, "joined")
    scores = found.scores[:3, 3]
    if not np.isnan(scores).all():  # those that compare two models know nothing of the others
        assert scores[0] == scores.max() > scores[1:].max()
