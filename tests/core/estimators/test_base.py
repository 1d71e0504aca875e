import dataclasses

import numpy as np
import pytest

from knnrouter.estimators import Estimates, Evidence
from knnrouter.index import ExactIndex
from knnrouter.records import RecordSet

TWO_BY_THREE = np.zeros((2, 3))
GOOD = {
    "models": ("a", "b", "c"),
    "scores": TWO_BY_THREE,
    "costs": TWO_BY_THREE,
    "stderr": TWO_BY_THREE,
    "support": TWO_BY_THREE,
    "similarity": np.zeros(2),
}


@pytest.mark.parametrize("name", [name for name in GOOD if name not in ("models", "similarity")])
def test_every_array_has_the_shape_of_all(name):
    with pytest.raises(ValueError, match=rf"{name} has shape \(3, 2\), not \(2, 3\)"):
        Estimates(**GOOD | {name: TWO_BY_THREE.T})


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "latency_ms"])
def test_the_optional_ones_too(name):
    assert getattr(Estimates(**GOOD), name) is None
    with pytest.raises(ValueError, match=rf"{name} has shape \(2, 2\), not \(2, 3\)"):
        Estimates(**GOOD | {name: np.zeros((2, 2))})


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Estimates(**GOOD).models = ()


def test_evidence_has_one_number_of_rows():
    records = RecordSet(ids=("1", "2"), models=("m",), scores=[[1], [0]])
    vectors = np.eye(2, dtype=np.float32)
    assert len(Evidence(records=records, vectors=vectors, index=ExactIndex(vectors)).records) == 2
    with pytest.raises(ValueError, match=r"records, vectors and index have \(2, 2, 1\) rows"):
        Evidence(records=records, vectors=vectors, index=ExactIndex(vectors[:1]))
    with pytest.raises(ValueError, match=r"have \(2, 1, 2\) rows; they must have as many"):
        Evidence(records=records, vectors=vectors[:1], index=ExactIndex(vectors))
