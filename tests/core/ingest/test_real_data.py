"""The real benchmark files give the published counts."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter.ingest import read_records
from knnrouter.records import Price

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "llmrouter").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)


def read(path, **options):
    records = read_records(DATA / path, **options)
    return records, records.scores.shape, set(records.notes)


def test_routellm_mmlu():
    records, shape, notes = read("routellm/mmlu")
    assert shape == (14_042, 2)
    assert len(set(records.tasks)) == 57
    assert "recognized as: routellm (folder)" in notes
    assert "105 rows with the text of an earlier row (see drop_duplicates)" in notes
    merged = records.drop_duplicates()
    assert len(merged) == 14_042 - 105
    assert merged.weights.sum() == 14_042


def test_routellm_gsm8k():
    records, shape, _ = read("routellm/gsm8k")
    assert shape == (1_319, 2)
    assert set(records.tasks) == {"gsm8k"}
    assert not np.isnan(records.scores).any()


def test_llmrouter():
    records, shape, notes = read("llmrouter")
    assert shape == (5_608, 9)
    assert len(set(records.tasks)) == 14
    assert "8 of 5,616 query rows without scores of their own" in notes
    assert set(records.prices) == set(records.models)
    assert records.prices["gemma-2-9b-it"] == Price(0.1, 0.1)
    assert np.isnan(records.costs).all()
    assert records.scores.mean(axis=0).max() == pytest.approx(0.6213, abs=5e-5)


def test_routerbench():
    records, shape, notes = read("routerbench/arc_challenge_train.csv")
    assert shape == (1_039, 11)
    assert "7 repeated ids, told apart as #2, #3, …" in notes
    assert np.isnan(records.scores).any(axis=1).sum() == 20
    assert not np.isnan(records.costs).any()
    assert not any(query.startswith("[") for query in records.queries)


def test_routerdc():
    records, shape, notes = read("routerdc/mmlu_test.json", threshold=0)
    assert shape == (4_213, 7)
    assert "recognized as: routerdc (JSON)" in notes
    assert f"{records.scores.mean(axis=0).max():.2%}" == "64.59%"
