"""Records in which a word of the text says which model is right."""

import numpy as np
import pytest
from tiny_transformers import write_encoder

from knnrouter.records import RecordSet

WORDS = ("tiger", "violin", "a", "b", "c", "d", "e", "f")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A transformer of two layers that knows a few words."""
    return write_encoder(tmp_path_factory.mktemp("backbone") / "tiny", WORDS)


@pytest.fixture(scope="session")
def records():
    """The zoo answers texts with a tiger, the orchestra texts with a violin; two others vary."""
    rng = np.random.default_rng(0)
    texts = [
        " ".join([*rng.choice(WORDS[2:], rng.integers(1, 6)), WORDS[row % 2], str(row)])
        for row in range(60)
    ]
    tiger = np.arange(60) % 2 == 0
    scores = np.stack([tiger, ~tiger, np.arange(60) % 3 == 0, np.full(60, np.nan)], axis=1)
    scores[5::7, 0] = np.nan
    return RecordSet(
        ids=[str(row) for row in range(60)],
        models=("zoo", "orchestra", "third", "unseen"),
        queries=texts,
        scores=scores,
    )


@pytest.fixture(scope="session")
def tuned(folder):
    """Settings that learn the two words in no time."""
    return {
        "backbone": str(folder),
        "epochs": 6,
        "batch": 10,
        "learning_rate": 1e-2,
        "head_learning_rate": 1e-1,
        "max_length": 16,
    }


@pytest.fixture(scope="session")
def brief(tuned):
    """Settings of one short epoch, which learns something, no matter what."""
    return tuned | {"epochs": 1, "batch": 20}
