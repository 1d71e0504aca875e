"""A router over four topics."""

import numpy as np
import pytest
from topics import pool_of, sentences, topic_records

from knnrouter import Router


@pytest.fixture(scope="module")
def records():
    return topic_records(np.random.default_rng(0))


@pytest.fixture(scope="module")
def router(records):
    pool = pool_of(records, default="code-model", min_similarity=0.1)
    return Router.fit(records, pool=pool)


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(7)
    texts, _ = sentences(rng, 240)
    strange = [
        "",
        " ",
        "?",
        "\N{PARTY POPPER}\N{PARTY POPPER}",
        "如何用黄油煮洋葱汤？",
        "Почему пала империя?",
        "qqqqzzzz xxyyzz",
        "bug " * 5_000,
        "\x00\x01 null bytes",
        "<b>html</b> & \"quotes\" 'single'",
        "line\nbreaks\r\nand\ttabs",
        "é" * 300,
        "a",
    ]
    letters = list("abcdefghijklmnopqrstuvwxyz  .,!")
    noise = ["".join(rng.choice(letters, rng.integers(1, 60))) for _ in range(100)]
    chats = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": texts[0]}]]
    return [*texts, *strange, *noise, *chats, texts[0], texts[0]]
