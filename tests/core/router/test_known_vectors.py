"""Queries whose vectors are known already."""

import dataclasses

import numpy as np
import pytest
from topics import NAN, sentences

from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EmbedderError


def counted(router):
    """The router with an embedder that tells what it was asked for."""
    asked = []

    def embed(texts):
        asked.extend(texts)
        return router.embedder.embed(texts)

    inner = router.embedder
    embedder = FunctionEmbedder(embed, dim=inner.dim, id=inner.id)
    return dataclasses.replace(router, embedder=embedder), asked


def facts_of(decision):
    values = decision.to_dict()
    return {key: value for key, value in values.items() if key not in ("id", "elapsed_ms")}


def test_a_known_vector_gives_the_same_decision_and_nothing_is_embedded(router):
    texts, _ = sentences(np.random.default_rng(5), 20)
    counting, asked = counted(router)
    for text, row in zip(texts, router.embedder.embed(texts), strict=True):
        plain = facts_of(router.route(text))
        for vector in (row, row.tolist()):
            assert facts_of(counting.route(text, vector=vector)) == plain
    assert asked == []


def test_of_many_only_those_without_a_vector_are_embedded(router):
    texts, _ = sentences(np.random.default_rng(6), 6)
    rows = list(router.embedder.embed(texts))
    counting, asked = counted(router)
    rows[1] = rows[4] = None
    found = counting.route_many(texts, vectors=rows)
    assert asked == [texts[1], texts[4]]
    for each, text in zip(found, texts, strict=True):
        alone = router.route(text)
        assert each.ranking == alone.ranking
        assert each.scores == pytest.approx(alone.scores, abs=1e-6)
        assert each.similarity == pytest.approx(alone.similarity, abs=1e-6)


def test_the_vector_decides_and_not_the_text(router):
    code, soup = "Fix the bug in this rust loop", "A recipe for onion soup"
    (row,) = router.embedder.embed([soup])
    assert router.route(code).model != router.route(soup).model
    assert router.route(code, vector=row).model == router.route(soup).model


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        ([1.0, 0.0], r"vectors\[0\] has shape \(2,\); it must be \(\d+,\), a row of '"),
        (7.0, r"vectors\[0\] has shape \(\);"),
        ([2.0] * 256, r"vectors\[0\]: row 0 has norm 32 "),
        ("nan", r"vectors\[0\]: row 0 holds NaN or infinity"),
    ],
)
def test_vectors_that_are_no_rows(router, vector, told):
    given = np.full(router.embedder.dim, NAN) if vector == "nan" else vector
    with pytest.raises(EmbedderError, match=told):
        router.route("Why?", vector=given)


def test_a_vector_for_each_query_or_none_at_all(router):
    with pytest.raises(ValueError, match="1 vectors for 2 queries; give one for each"):
        router.route_many(["a", "b"], vectors=[None])
