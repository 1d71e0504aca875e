"""Splits of the real data: what they keep together, counted another way."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.evaluation import k_fold, kinship, leave_one_task_out, near_pairs
from knnrouter.vectors import query_vectors

BESIDE = Path(__file__).resolve().parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))
pytestmark = pytest.mark.skipif(
    not (DATA / "llmrouter").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)


def test_near_duplicates_of_ulab_llmrouter():
    records = read_records(DATA / "llmrouter" / "routing_train.json").select(range(2500))
    vectors = query_vectors(records, StaticEmbedder())
    cosines = np.rint(vectors.astype(np.float64) @ vectors.T.astype(np.float64) * 1e6)
    one, other = np.nonzero(np.triu(cosines >= 950_000, k=1))
    assert near_pairs(vectors).tolist() == np.stack([one, other], axis=1).tolist()
    assert len(one) > 10
    kin = kinship(records, near=vectors)
    assert (kin[one] == kin[other]).all()
    assert kin.max() + 1 >= len(records) - len(one)
    for split in k_fold(records, near=vectors):
        assert not np.isin(kin[split.test], kin[split.train]).any()


def test_subjects_of_mmlu_share_questions():
    records = read_records(DATA / "routellm" / "mmlu")
    splits = leave_one_task_out(records)
    assert len(splits) == 57
    assert sum(len(split.test) for split in splits) == len(records) == 14_042
    number = {text: place for place, text in enumerate(dict.fromkeys(records.queries))}
    texts = np.array([number[text] for text in records.queries])
    tasks = np.array(records.tasks)
    lost = 0
    for split in splits:
        assert not np.isin(texts[split.train], texts[split.test]).any()
        shared = np.isin(texts, texts[split.test]) & (tasks != split.task)
        assert len(split.train) + len(split.test) + shared.sum() == len(records)
        lost += int(shared.sum())
    assert lost == 156
