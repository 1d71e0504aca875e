"""The real benchmark files give the published counts."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter.errors import RecordsError
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


def test_mt_bench():
    records, shape, notes = read("routellm/mt_bench")
    assert shape == (80, 2)
    assert "recognized as: mt_bench (folder)" in notes
    assert not np.isnan(records.scores).any()
    assert {records.tasks.count(task) for task in set(records.tasks)} == {10}
    assert means_of_ten(records) == pytest.approx([9.228125, 8.340625], abs=1e-6)
    lines = (DATA / "routellm/mt_bench/contaminated_prompts.jsonl").read_text().splitlines()
    contaminated = {json.loads(line)["eval_prompt"] for line in lines}
    clean = records.select([query not in contaminated for query in records.queries])
    assert len(clean) == 72
    assert means_of_ten(clean) == pytest.approx([9.211806, 8.28125], abs=1e-6)


def means_of_ten(records):
    assert records.models == ("gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1")
    return (1 + 9 * records.scores.mean(axis=0, dtype=float)).tolist()


@pytest.mark.parametrize("name", ["gsm8k", "mmlu"])
def test_a_summary_of_results(name):
    path = DATA / "srivatsa" / f"routing_results_{name}.csv"
    with pytest.raises(RecordsError) as caught:
        read_records(path)
    assert caught.value.problems == (
        f"{path}: there is no column `query`; the columns are Model, Accuracy (%), Latency "
        "(Sec/prompt): rename the one with the text that the models answered to `query`; a summary "
        "that has no row for each query cannot be used",
    )


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
