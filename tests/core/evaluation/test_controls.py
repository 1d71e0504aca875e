"""Where there is nothing to learn, a router must come to the best single model.

Two controls. Shuffled labels: what was measured on a query is taught with another one's text.
Shuffled queries: other queries stand where these should, text and vector. Both leave every model's
mean as it is, so that all a router can know is which model is best on average. It must not be ahead
of that one, which would mean that something leaks from what is tested to what is taught; and not
fall behind, which would mean that it takes noise for knowledge.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import RecordSet, Router, read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.evaluation import best_single, k_fold, paired_bootstrap, scored
from knnrouter.vectors import query_vectors

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))
FAR = 0.01
"""How much of a score is far behind the best single model; a tenth of it is no lead."""

SUBJECTS = {
    "rivers": "How long is river number {} from its source to the sea?",
    "proofs": "Prove the lemma about prime number {} by induction.",
    "rhymes": "Write a verse of {} lines that rhymes with moon.",
}


def as_given(records, rng):
    return records


def shuffled_labels(records, rng):
    rows = rng.permutation(len(records))
    return RecordSet(**(records.as_dict() | {"scores": records.scores[rows]}))


def shuffled_queries(records, rng):
    rows = rng.permutation(len(records))
    queries = tuple(records.queries[row] for row in rows.tolist())
    return RecordSet(**(records.as_dict() | {"queries": queries, "vectors": records.vectors[rows]}))


CONTROLS = [shuffled_labels, shuffled_queries]


@pytest.fixture(scope="module")
def embedder():
    return StaticEmbedder()


@pytest.fixture(scope="module")
def synthetic(embedder):
    """Each of three models is good at a subject of its own; a fourth is fair at everything,
    and clearly the best on average."""
    rng = np.random.default_rng(7)
    rates = {"river": (0.9, 0.3, 0.3), "proof": (0.3, 0.9, 0.3), "rhyme": (0.3, 0.3, 0.9)}
    rates["fair"] = (0.7, 0.7, 0.7)
    rows = [
        {"query": text.format(number), "task": subject}
        | {model: float(rng.random() < rate[place]) for model, rate in rates.items()}
        for place, (subject, text) in enumerate(SUBJECTS.items())
        for number in range(200)
    ]
    return embedded(RecordSet.from_rows(rows), embedder)


@pytest.fixture(scope="module")
def real(embedder):
    if not (DATA / "llmrouter").is_dir():
        pytest.skip("no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data")
    records = read_records(DATA / "llmrouter" / "routing_train.json")
    return embedded(records, embedder)


def embedded(records, embedder):
    """Records that are not embedded again."""
    fields = {"vectors": query_vectors(records, embedder), "embedder": embedder.id}
    return RecordSet(**(records.as_dict() | fields))


def lead(records, embedder, change):
    """How far the router is ahead of the best single model, both chosen on the other folds."""
    ours, single = np.empty(len(records)), np.empty(len(records))
    for number, split in enumerate(k_fold(records, 2)):
        taught = change(records.select(split.train), np.random.default_rng(number))
        router = Router.fit(taught, embedder=embedder)
        texts, rows = [records.queries[row] for row in split.test], records.vectors[split.test]
        column = {model: place for place, model in enumerate(records.models)}
        chosen = [column[each.model] for each in router.route_many(texts, vectors=rows)]
        tested = records.scores[split.test].astype(np.float64)
        ours[split.test] = scored(tested, chosen)
        single[split.test] = best_single(records.scores[split.train], tested)
    return paired_bootstrap(ours, single)


@pytest.mark.parametrize("change", CONTROLS)
def test_on_made_up_data(synthetic, embedder, change):
    assert lead(synthetic, embedder, as_given).low > 0.1  # there is something to learn
    found = lead(synthetic, embedder, change)
    assert found.low < FAR / 10
    assert found.estimate > -FAR


@pytest.mark.parametrize("change", CONTROLS)
def test_on_real_data(real, embedder, change):
    found = lead(real, embedder, change)
    assert found.low < FAR / 10
    assert found.estimate > -FAR


def test_there_is_something_to_learn_in_the_real_data(real, embedder):
    assert lead(real, embedder, as_given).low > 0
