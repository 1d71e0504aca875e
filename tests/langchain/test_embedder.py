"""LangChainEmbedder: LangChain's embeddings as the embedder of a router."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from keyword_router import ROWS, WORDS, CountingEmbedder
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_openai import AzureOpenAIEmbeddings, OpenAIEmbeddings
from pydantic import SecretStr

from knnrouter import RecordSet, Router
from knnrouter.embedders import Embedder, FunctionEmbedder
from knnrouter.errors import EmbedderError, EmbedderMismatchError
from langchain_llmrouter import LangChainEmbedder

FAKE = DeterministicFakeEmbedding(size=16)


class WordEmbeddings(Embeddings):
    """Counts words; `documents` has the texts of each call. A query is embedded in another way."""

    def __init__(self, model="words-3", rows=None, delay=0.0):
        self.model, self.rows, self.delay, self.documents = model, rows, delay, []

    def embed_documents(self, texts):
        self.documents.append(list(texts))
        time.sleep(self.delay)
        if self.rows is not None:
            return self.rows
        return [[text.lower().count(word) * 2.0 for word in WORDS] for text in texts]

    def embed_query(self, text):
        raise AssertionError("queries and evidence are embedded in the same way")


def named(**attributes):
    """Embeddings with other attributes than `model`."""
    made = WordEmbeddings()
    del made.model
    vars(made).update(attributes)
    return made


# Rows


def test_rows_are_scaled_and_zeros_stay():
    embedder = LangChainEmbedder(WordEmbeddings())
    rows = embedder.embed(["code and sea", "sum", "nothing known"])
    assert rows.dtype == np.float32
    assert rows.tolist() == [
        [pytest.approx(0.5**0.5), pytest.approx(0.5**0.5), 0.0],
        [0.0, 0.0, 1.0],
        [0.0, 0.0, 0.0],
    ]
    assert isinstance(embedder, Embedder)


def test_blank_texts_are_not_sent():
    """Services refuse them, and the whole batch with them."""
    embeddings = WordEmbeddings()
    embedder = LangChainEmbedder(embeddings, dim=3)
    assert embedder.embed(["sea", "", " \n"]).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert embedder.embed([""]).shape == (1, 3)
    assert embedder.embed([]).shape == (0, 3)
    assert embeddings.documents == [["sea"]]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[1.0, 2.0]], r"shape \(1, 2\); it must be \(1, 3\)"),
        ([[1.0, 2.0, 3.0]] * 2, r"shape \(2, 3\); it must be \(1, 3\)"),
        ([[1.0, float("nan"), 0.0]], "row 0 holds NaN"),
        ([["a", "b", "c"]], "real numbers"),
        ([[1.0, 2.0, 3.0], [1.0]], "not an array"),
    ],
)
def test_rows_that_are_none_are_errors(rows, told):
    embedder = LangChainEmbedder(WordEmbeddings(rows=rows), dim=3)
    with pytest.raises(EmbedderError, match=f"embedder 'WordEmbeddings:words-3': .*{told}"):
        embedder.embed(["sea"])


def test_texts_are_checked():
    embedder = LangChainEmbedder(WordEmbeddings())
    with pytest.raises(EmbedderError, match=r"embed\(\[text\]\)"):
        embedder.embed("sea")
    with pytest.raises(EmbedderError, match=r"texts\[1\] is 7"):
        embedder.embed(["sea", 7])


# Dimension


def test_the_dimension_is_measured_when_it_is_first_needed():
    embeddings = WordEmbeddings()
    embedder = LangChainEmbedder(embeddings)
    assert (embedder.id, repr(embedder)) == (
        "WordEmbeddings:words-3",
        "LangChainEmbedder(id='WordEmbeddings:words-3')",
    )
    assert embeddings.documents == []
    assert embedder.dim == 3
    assert len(embeddings.documents) == 1
    embedder.embed(["sea"])
    assert embedder.dim == 3
    assert embeddings.documents[1:] == [["sea"]]


def test_a_stated_dimension_is_not_measured():
    embeddings = WordEmbeddings()
    assert LangChainEmbedder(embeddings, dim=3).dim == 3
    assert embeddings.documents == []


def test_many_threads_measure_once():
    embeddings = WordEmbeddings(delay=0.02)
    embedder = LangChainEmbedder(embeddings)
    found, barrier = [], threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(embedder.dim)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 8
    assert len(embeddings.documents) == 1


@pytest.mark.parametrize("rows", [[], [[]], None, 7, [3.0]])
def test_a_dimension_that_cannot_be_measured_is_an_error(rows):
    embeddings = WordEmbeddings()
    embeddings.embed_documents = lambda texts: rows
    with pytest.raises(EmbedderError, match=r"1 text came back as .*; it must be a list with one"):
        _ = LangChainEmbedder(embeddings).dim


def test_a_failed_measurement_is_tried_again():
    embeddings, answers = WordEmbeddings(), [ConnectionError("down"), [[1.0, 2.0]]]

    def answer(texts):
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    embeddings.embed_documents = answer
    embedder = LangChainEmbedder(embeddings)
    with pytest.raises(ConnectionError, match="down"):
        _ = embedder.dim
    assert embedder.dim == 2


@pytest.mark.parametrize("dim", [0, -1, 2.0, "3"])
def test_dimensions_that_are_none(dim):
    with pytest.raises(EmbedderError, match="whole number, 1 or more"):
        LangChainEmbedder(FAKE, dim=dim, id="fake")


# Id


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        (WordEmbeddings("a/b-v2"), "WordEmbeddings:a/b-v2"),
        (named(model_name="all-MiniLM-L6-v2"), "WordEmbeddings:all-MiniLM-L6-v2"),
        (
            named(model_id="amazon.titan-embed-text-v2:0"),
            "WordEmbeddings:amazon.titan-embed-text-v2:0",
        ),
        (named(deployment="mine"), "WordEmbeddings:mine"),
        (named(model="m", deployment="d", model_name="m"), "WordEmbeddings:m:d"),
        (named(model="m", dimensions=256), "WordEmbeddings:m:256"),
        (named(model=SimpleNamespace(), model_name="n"), "WordEmbeddings:n"),
        (OpenAIEmbeddings(api_key="none"), "OpenAIEmbeddings:text-embedding-ada-002"),
        (
            OpenAIEmbeddings(api_key="none", model="text-embedding-3-large", dimensions=256),
            "OpenAIEmbeddings:text-embedding-3-large:256",
        ),
        (
            AzureOpenAIEmbeddings(
                api_key="none",
                azure_endpoint="https://example.invalid",
                api_version="2024-10-21",
                azure_deployment="embeddings-eu",
            ),
            "AzureOpenAIEmbeddings:embeddings-eu",
        ),
    ],
)
def test_the_id_names_class_and_model(embeddings, expected):
    assert LangChainEmbedder(embeddings).id == expected


@pytest.mark.parametrize("embeddings", [FAKE, named(), named(model=" "), named(model=None)])
def test_without_a_model_name_an_id_must_be_given(embeddings):
    with pytest.raises(EmbedderError, match=r"nothing tells which .* give id="):
        LangChainEmbedder(embeddings)
    assert LangChainEmbedder(embeddings, id="mine-v1").id == "mine-v1"


@pytest.mark.parametrize("id", ["", " ", 7])
def test_ids_that_name_nothing(id):
    with pytest.raises(EmbedderError, match="it must name the embeddings"):
        LangChainEmbedder(WordEmbeddings(), id=id)


def test_no_secret_gets_into_id_repr_or_errors():
    secret = "sk-proj-0123456789abcdefghij"
    embedder = LangChainEmbedder(named(model="m", api_key=SecretStr(secret), token=secret))
    assert embedder.id == "WordEmbeddings:m"
    assert secret not in repr(embedder)
    for model in (secret, f"https://user:{secret}@example.invalid/embed"):
        with pytest.raises(EmbedderError) as caught:
            LangChainEmbedder(named(model=model))
        assert secret not in str(caught.value)


def test_only_embeddings_are_taken():
    with pytest.raises(TypeError, match=r"of type function; .*FunctionEmbedder"):
        LangChainEmbedder(lambda texts: [[1.0] for _ in texts])
    with pytest.raises(TypeError, match="of type CountingEmbedder"):
        LangChainEmbedder(CountingEmbedder())


# In a router


def test_a_router_fits_saves_and_loads_with_it(tmp_path):
    embeddings = WordEmbeddings()
    router = Router.fit(RecordSet.from_rows(ROWS), embedder=LangChainEmbedder(embeddings))
    router.save(tmp_path / "saved")
    embeddings.documents.clear()
    loaded = Router.load(tmp_path / "saved", embedder=LangChainEmbedder(embeddings))
    assert loaded.route("A poem on the sea.").model == "poet"
    assert loaded.route("A poem on the sea.").scores == router.route("A poem on the sea.").scores
    embeddings.documents.clear()
    assert [each.model for each in loaded.route_many(["code", "sea"])] == ["coder", "poet"]
    assert embeddings.documents == [["code", "sea"]]


def test_any_of_langchains_embeddings_will_do(tmp_path):
    embedder = LangChainEmbedder(FAKE, id="fake-16")
    router = Router.fit(RecordSet.from_rows(ROWS), embedder=embedder)
    found = router.route(ROWS[4]["query"])  # the same text has the same row
    assert found.similarity == pytest.approx(1.0, abs=1e-6)
    assert found.neighbors[0].scores == {"coder": 0.0, "poet": 1.0, "all": 0.5}
    router.save(tmp_path / "saved")
    again = Router.load(tmp_path / "saved", embedder=LangChainEmbedder(FAKE, id="fake-16"))
    assert again.embedder.dim == 16


def test_a_saved_router_refuses_other_embeddings(tmp_path):
    Router.fit(RecordSet.from_rows(ROWS), embedder=LangChainEmbedder(FAKE, id="fake-16")).save(
        tmp_path / "saved"
    )
    other = DeterministicFakeEmbedding(size=8)

    def negated(texts):
        return -np.array(FAKE.embed_documents(texts))

    for embedder in (
        None,
        LangChainEmbedder(FAKE, id="fake-17"),
        LangChainEmbedder(other, id="fake-16"),
        FunctionEmbedder(negated, dim=16, id="fake-16"),  # which only the probes tell
    ):
        with pytest.raises(EmbedderMismatchError):
            Router.load(tmp_path / "saved", embedder=embedder)
