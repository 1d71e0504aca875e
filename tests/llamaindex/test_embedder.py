"""LlamaIndexEmbedder: LlamaIndex's embeddings as the embedder of a router, and known embeddings."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from keyword_router import RANKINGS, ROWS, CountingEmbedder, keyword_router
from llama_index.core import MockEmbedding
from llama_index.core.schema import QueryBundle
from pydantic import Field
from word_embedding import WordEmbedding

from knnrouter import RecordSet, Router
from knnrouter.embedders import Embedder
from knnrouter.errors import EmbedderError, EmbedderMismatchError
from knnrouter.estimators import KNN
from knnrouter.serving import stated_id
from llamaindex_llmrouter import KNNSelector, LlamaIndexEmbedder


class SizedEmbedding(WordEmbedding):
    """Keeps a length that rows are cut to, and a key."""

    dimensions: int | None = None
    api_key: str = Field(default="sk-proj-0123456789abcdefghij", exclude=True)


# Rows


def test_rows_are_scaled_and_zeros_stay():
    embedder = LlamaIndexEmbedder(WordEmbedding())
    rows = embedder.embed(["code and sea", "sum", "nothing known"])
    assert rows.dtype == np.float32
    assert rows.tolist() == [
        [pytest.approx(0.5**0.5), pytest.approx(0.5**0.5), 0.0],
        [0.0, 0.0, 1.0],
        [0.0, 0.0, 0.0],
    ]
    assert isinstance(embedder, Embedder)


def test_queries_and_records_are_embedded_as_texts_in_batches():
    """An instruction for queries would move a query away from its equal in the records."""
    embedding = WordEmbedding(instruction="code code code code: ", embed_batch_size=100)
    router = Router.fit(
        RecordSet.from_rows(ROWS),
        embedder=LlamaIndexEmbedder(embedding, dim=3),
        estimator=KNN(k=3, weights="uniform", shrinkage=0.0),
    )
    assert [len(batch) for batch in embedding.texts] == [len(ROWS)]
    found = router.route(ROWS[1]["query"])
    assert (found.model, found.similarity) == ("poet", pytest.approx(1.0))
    assert embedding.queries == []


def test_blank_texts_are_not_sent():
    embedding = WordEmbedding()
    embedder = LlamaIndexEmbedder(embedding, dim=3)
    assert embedder.embed(["sea", "", " \n"]).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert embedder.embed([]).shape == (0, 3)
    assert embedding.texts == [["sea"]]


def test_rows_that_are_none_are_errors():
    embedder = LlamaIndexEmbedder(WordEmbedding(rows=[[1.0, 2.0]]), dim=3)
    with pytest.raises(EmbedderError, match=r"'WordEmbedding:words-3'.*shape \(1, 2\); it must be"):
        embedder.embed(["sea"])
    with pytest.raises(EmbedderError, match=r"embed\(\[text\]\)"):
        embedder.embed("sea")


def test_the_dimension_is_measured_when_it_is_first_needed():
    embedding = WordEmbedding()
    embedder = LlamaIndexEmbedder(embedding)
    assert repr(embedder) == "LlamaIndexEmbedder(id='WordEmbedding:words-3')"
    assert embedding.texts == []
    assert (embedder.dim, embedder.dim) == (3, 3)
    assert len(embedding.texts) == 1


# Id


@pytest.mark.parametrize(
    ("embedding", "expected"),
    [
        (WordEmbedding(model_name="a/b-v2"), "WordEmbedding:a/b-v2"),
        (SizedEmbedding(model_name="m", dimensions=256), "SizedEmbedding:m:256"),
    ],
)
def test_the_id_names_class_and_model(embedding, expected):
    assert LlamaIndexEmbedder(embedding).id == expected


@pytest.mark.parametrize("name", ["unknown", " ", "sk-proj-0123456789abcdefghij"])
def test_without_a_model_name_an_id_must_be_given(name):
    embedding = WordEmbedding(model_name=name)
    with pytest.raises(EmbedderError, match=r"nothing tells which .* give id=") as caught:
        LlamaIndexEmbedder(embedding)
    assert "sk-proj" not in str(caught.value)
    assert LlamaIndexEmbedder(embedding, id="mine-v1").id == "mine-v1"


def test_what_is_no_name_is_left_out_of_an_id():
    embeddings = SimpleNamespace(model="unset", model_name="m")
    assert stated_id(embeddings, ("model", "model_name"), unset=("unset",)) == "SimpleNamespace:m"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dim": 0}, "whole number, 1 or more"),
        ({"dim": 2.0}, "whole number, 1 or more"),
        ({"id": " "}, "it must name the embeddings"),
    ],
)
def test_settings_that_say_nothing(settings, told):
    with pytest.raises(EmbedderError, match=told):
        LlamaIndexEmbedder(WordEmbedding(), **settings)


def test_only_embeddings_of_llamaindex_are_taken():
    with pytest.raises(TypeError, match=r"of type CountingEmbedder; .*FunctionEmbedder"):
        LlamaIndexEmbedder(CountingEmbedder())


# In a router


def test_a_router_fits_saves_and_loads_with_it(tmp_path):
    router = Router.fit(RecordSet.from_rows(ROWS), embedder=LlamaIndexEmbedder(WordEmbedding()))
    router.save(tmp_path / "saved")
    loaded = Router.load(tmp_path / "saved", embedder=LlamaIndexEmbedder(WordEmbedding()))
    assert loaded.route("A poem on the sea.").scores == router.route("A poem on the sea.").scores
    mock = LlamaIndexEmbedder(MockEmbedding(embed_dim=3), id="WordEmbedding:words-3")
    for other in (None, mock, LlamaIndexEmbedder(WordEmbedding(model_name="words-4"))):
        with pytest.raises(EmbedderMismatchError):
            Router.load(tmp_path / "saved", embedder=other)


# Embeddings that are known already


def routed_by(embedding, **settings):
    """A selector over a router of an embedding, and nothing asked of it yet."""
    router = Router.fit(
        RecordSet.from_rows(ROWS),
        embedder=LlamaIndexEmbedder(embedding),
        estimator=KNN(k=3, weights="uniform", shrinkage=0.0),
    )
    router.route("warm")
    embedding.forget()
    return KNNSelector(router, **settings)


def plain(result):
    """A result without what is new in each decision."""
    decision = {k: v for k, v in result.decision.items() if k not in ("id", "elapsed_ms")}
    return {**result.model_dump(), "decision": decision}


@pytest.mark.parametrize("query", ["code, code and the sea", "the sea", "a sum of code"])
def test_a_known_embedding_gives_the_same_selection_without_embedding(query):
    embedding = WordEmbedding()
    selector = routed_by(embedding)
    bundle = QueryBundle(query, embedding=embedding.get_query_embedding(query))
    expected = plain(selector.select(selector.choices(), query))
    assert embedding.texts == [[query]]
    selector.select(selector.choices(), bundle)  # measures once whether queries are as texts
    embedding.forget()
    assert plain(selector.select(selector.choices(), bundle)) == expected
    assert plain(asyncio.run(selector.aselect(selector.choices(), bundle))) == expected
    assert (embedding.texts, embedding.queries) == ([], [])


@pytest.mark.parametrize(
    ("bundle", "embedded"),
    [
        (QueryBundle("the sea"), True),
        (QueryBundle("the sea", embedding=[1.0, 0.0, 0.0]), False),
        (QueryBundle("the sea", image_path="sea.png", embedding=[1.0, 0.0, 0.0]), True),
        (QueryBundle("the sea", embedding=[1.0, 0.0]), True),
        (QueryBundle("the sea", embedding=[float("nan"), 0.0, 0.0]), True),
        (QueryBundle("the sea", embedding=[0.0, 0.0, 0.0]), True),
        (
            QueryBundle("the sea", custom_embedding_strs=["code"], embedding=[1.0, 0.0, 0.0]),
            True,
        ),
        (QueryBundle(" the sea ", embedding=[1.0, 0.0, 0.0]), True),
    ],
)
def test_an_embedding_of_something_else_is_not_used(bundle, embedded):
    """Of another length, of no direction, or of other texts than the query."""
    embedding = WordEmbedding()
    selector = routed_by(embedding)
    found = selector.select(selector.choices(), bundle)
    expected = "sea" if embedded else "code"
    assert selector.choices()[found.ind].name == RANKINGS[expected][0]
    assert ([bundle.query_str.strip()] in embedding.texts) == embedded


def test_the_row_of_an_embedding():
    embedder = LlamaIndexEmbedder(WordEmbedding())
    assert embedder.row([0.0, 3.0, 4.0]).tolist() == [0.0, np.float32(0.6), np.float32(0.8)]
    for none in ([], [1.0], [float("nan"), 0.0, 1.0], [float("inf"), 0.0, 1.0], [0.0] * 3):
        assert embedder.row(none) is None


def test_a_model_that_embeds_queries_otherwise_is_asked_again():
    embedding = WordEmbedding(instruction="a question about a sum: ")
    selector = routed_by(embedding)
    bundle = QueryBundle("the sea", embedding=embedding.get_query_embedding("the sea"))
    embedding.forget()
    for _ in range(2):
        found = selector.select(selector.choices(), bundle)
        assert selector.choices()[found.ind].name == "poet"
    assert embedding.texts[1:] == [["the sea"], ["the sea"]]
    assert len(embedding.queries) == 1  # measured once


def test_known_embeddings_can_be_left_unused():
    embedding = WordEmbedding()
    selector = routed_by(embedding, reuse_embedding=False)
    bundle = QueryBundle("the sea", embedding=[1.0, 0.0, 0.0])
    assert selector.choices()[selector.select(selector.choices(), bundle).ind].name == "poet"
    assert embedding.texts == [["the sea"]]


def test_the_embedding_of_a_bundle_is_no_row_of_another_embedder():
    selector = KNNSelector(keyword_router(CountingEmbedder()))
    bundle = QueryBundle("the sea", embedding=[1.0, 0.0, 0.0])
    assert selector.choices()[selector.select(selector.choices(), bundle).ind].name == "poet"


def test_a_service_that_is_down_is_told_by_routing(caplog):
    embedding = WordEmbedding()
    selector = routed_by(embedding, default_index=2)
    embedding.fails = ConnectionError("down")
    bundle = QueryBundle("the sea", embedding=[1.0, 0.0, 0.0])
    assert selector.select(selector.choices(), bundle).ind == 2
    assert "routing failed (ConnectionError)" in caplog.text
