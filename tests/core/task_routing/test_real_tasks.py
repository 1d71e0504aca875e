"""What the page on real data says of ulab LLMRouter, from the router itself."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import Router, read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.estimators import CorrectnessKNN
from knnrouter.vectors import query_vectors

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "llmrouter").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)


@pytest.fixture(scope="module")
def known():
    """Two of the fourteen tasks, each with the router of the other thirteen and its queries."""
    records = read_records(DATA / "llmrouter" / "routing_train.json").drop_duplicates()
    embedder = StaticEmbedder()
    fields = records.as_dict() | {
        "vectors": query_vectors(records, embedder),
        "embedder": embedder.id,
    }
    whole = type(records)(**fields)
    tasks = np.array(whole.tasks)
    assert len(set(whole.tasks)) == 14
    return {
        task: (
            Router.fit(whole.select(tasks != task), embedder=embedder, estimator=CorrectnessKNN()),
            records.select(tasks == task),
        )
        for task in ("gsm8k", "natural_qa")
    }


def test_s3_falls_back_where_predictions_fail(known):
    for router, rest in known.values():
        truth = dict(zip(rest.models, rest.scores.mean(axis=0).tolist(), strict=True))
        decision = router.route_task(rest.queries)
        assert decision.queries == len(rest)
        assert 0.3 < decision.u < 0.65
        assert decision.best_on_average == "llama-3.1-nemotron-51b-instruct"
        assert truth[decision.model] >= truth[decision.best_on_average] - 0.03
        by_s1 = router.route_task(rest.queries, score="s1")
        assert set(by_s1.s1) == set(rest.models)
        assert by_s1.s1[by_s1.model] == max(by_s1.s1.values())


def test_labels_bring_a_task_nearer(known):
    router, rest = known["gsm8k"]
    labelled = rest.select(np.arange(40))
    alone = router.route_task(rest.queries)
    joined = router.route_task(rest.queries, labelled=labelled, score="s1")
    assert joined.labelled == 40
    assert joined.queries == len(rest) - 40
    assert joined.u < alone.u
    truth = dict(zip(rest.models, rest.scores[40:].mean(axis=0).tolist(), strict=True))
    assert truth[joined.model] > max(truth.values()) - 0.03
