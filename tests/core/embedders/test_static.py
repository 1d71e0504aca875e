"""StaticEmbedder: what the rows are, from which data, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from knnrouter import embedders
from knnrouter.embedders import StaticEmbedder, static
from knnrouter.errors import EmbedderError

SHIPPED = Path(static.__file__).with_name("static_data")
EMBEDDER = StaticEmbedder()
TEXTS = [
    "What is the capital of France?",
    "the the the cat, the CAT",
    "Écrivez une fonction récursive",
    "法国的首都是哪里",
    "def f(x):\n    return x ** 2",
    "",
]


def write_model(folder: Path, arrays: dict[str, np.ndarray], tokens: list[str]) -> None:
    """A model small enough to work out by hand, in the form of the shipped one."""
    tokenizer = Tokenizer(
        WordLevel({token: place for place, token in enumerate(tokens)}, unk_token=tokens[0])
    )
    tokenizer.pre_tokenizer = Whitespace()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, array in arrays.items():
        np.save(folder / name, array)
    files = sorted([*arrays, "tokenizer.json"])
    content = b"".join(name.encode() + b"\0" + (folder / name).read_bytes() for name in files)
    meta = {
        "name": "tiny",
        "files": files,
        "content_sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.fixture
def tiny(tmp_path):
    vectors = np.array([[0, 0], [3, 0], [0, 4]], np.float32)
    write_model(tmp_path / "tiny", {"vectors.npy": vectors}, ["[UNK]", "cat", "dog"])
    return tmp_path / "tiny"


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "copied"
    folder.mkdir()
    for file in SHIPPED.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("cat", [1, 0]),
        ("cat dog", [0.6, 0.8]),
        ("dog dog cat dog", [0.6, 0.8]),  # a word counts once
        ("dog emu", [0, 1]),  # an unknown word does not count
        ("emu", [0, 0]),
        ("", [0, 0]),
    ],
)
def test_rows_by_hand(tiny, text, row):
    embedder = StaticEmbedder(tiny)
    np.testing.assert_allclose(embedder.embed([text])[0], row, atol=1e-7)
    assert embedder.dim == 2
    assert re.fullmatch("tiny-2-[0-9a-f]{12}", embedder.id)


def test_int8_levels_are_multiplied_by_the_scale_of_their_token(tmp_path):
    arrays = {
        "vectors.npy": np.array([[0, 0], [127, 0], [0, 127]], np.int8),
        "scales.npy": np.array([1, 3, 4], np.float32),
    }
    write_model(tmp_path / "int8", arrays, ["[UNK]", "cat", "dog"])
    rows = StaticEmbedder(tmp_path / "int8").embed(["cat dog"])
    np.testing.assert_allclose(rows, [[0.6, 0.8]], atol=1e-7)


def test_the_shipped_rows_agree_with_a_slow_twin():
    vectors = np.load(SHIPPED / "vectors.npy").astype(np.float64)
    vectors *= np.load(SHIPPED / "scales.npy")[:, None]
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    for text, row in zip(TEXTS, EMBEDDER.embed(TEXTS), strict=True):
        total = np.zeros(256)
        for token in set(tokenizer.encode(text, add_special_tokens=False).tokens):
            total += vectors[tokenizer.token_to_id(token)]
        expected = total / np.linalg.norm(total) if total.any() else total
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_the_model2vec_object_has_the_same_words():
    texts = ["bond yields fell sharply", "red cat", "x"]
    np.testing.assert_allclose(EMBEDDER.model.encode(texts), EMBEDDER.embed(texts), atol=1e-6)
    assert EMBEDDER.model is EMBEDDER.model


def test_near_in_meaning_is_near():
    rows = EMBEDDER.embed(
        [
            "How do I integrate x squared?",
            "calculus: find the integral of a polynomial",
            "Who won the battle of Hastings?",
        ]
    )
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1


def test_shape_dtype_norm():
    rows = EMBEDDER.embed(TEXTS)
    assert rows.shape == (6, 256)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 1, 1, 1, 0], atol=1e-6)
    assert EMBEDDER.embed([]).shape == (0, 256)


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from(TEXTS), min_size=1, max_size=8))
def test_alone_or_in_a_batch_a_text_gives_the_same_bits(texts):
    together = EMBEDDER.embed(texts)
    alone = np.concatenate([EMBEDDER.embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    norms = np.linalg.norm(together, axis=1)
    assert ((np.abs(norms - 1) < 1e-6) | (norms == 0)).all()


def test_more_texts_than_are_tokenized_at_a_time():
    texts = [f"question {number} about {number * 7}" for number in range(2500)]
    rows = EMBEDDER.embed(texts)
    for place in (0, 1023, 1024, 2499):
        assert rows[place].tobytes() == EMBEDDER.embed([texts[place]])[0].tobytes()


def test_many_threads_get_the_same_bits():
    """Also while model2vec's own encode changes the truncation of its tokenizer."""
    embedder = StaticEmbedder()  # one of its own: the model's tokenizer is left cut short
    expected = embedder.embed(TEXTS).tobytes()

    def work(number):
        if number % 4 == 0:
            embedder.model.tokenizer.enable_truncation(1 + number % 3)
        return embedder.embed(TEXTS).tobytes()

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(work, range(400)))
    assert len(results) == 400
    assert set(results) == {expected}


def test_text_with_half_a_surrogate_pair_is_read_without_it():
    rows = EMBEDDER.embed(["red \ud83d cat", "red cat", "\udc00"])
    assert rows[0].tobytes() == rows[1].tobytes()
    assert not rows[2].any()


def test_clip_gives_a_text_that_fits_back_as_it_is():
    text = "a" * 4000
    assert EMBEDDER.clip(text) is text


def test_clip_keeps_head_and_tail():
    text = "h" * 3000 + "m" * 100_000 + "t" * 3000
    clipped = EMBEDDER.clip(text)
    assert clipped == "h" * 2000 + "\n" + "t" * 1999
    assert EMBEDDER.clip(clipped) is clipped


def test_a_long_text_is_read_as_what_clip_leaves_of_it():
    text = "alpha " * 1000 + "middle " * 30_000 + "omega " * 1000
    row = EMBEDDER.embed([text])[0]
    assert row.tobytes() == EMBEDDER.embed([EMBEDDER.clip(text)])[0].tobytes()
    np.testing.assert_allclose(row, EMBEDDER.embed(["alpha a omega"])[0], atol=0.2)


def test_one_bare_text_is_refused():
    with pytest.raises(EmbedderError, match=r"got one text, 'hello'.*embed\(\[text\]\)"):
        EMBEDDER.embed("hello")


@pytest.mark.parametrize(("other", "kind"), [(None, "NoneType"), (3, "int"), (b"x", "bytes")])
def test_what_is_not_text_is_refused_with_its_place(other, kind):
    with pytest.raises(EmbedderError, match=rf"texts\[1\] is .*, a {kind}; only str"):
        EMBEDDER.embed(["fine", other])


def test_the_id_is_the_hash_of_the_data():
    content = b"".join(
        name.encode() + b"\0" + (SHIPPED / name).read_bytes()
        for name in ("scales.npy", "tokenizer.json", "vectors.npy")
    )
    digest = hashlib.sha256(content).hexdigest()
    assert EMBEDDER.id == f"static-all-MiniLM-L6-v2-256-{digest[:12]}"
    assert json.loads((SHIPPED / "meta.json").read_text())["content_sha256"] == digest


def test_the_source_and_its_licence_are_with_the_data():
    meta = json.loads((SHIPPED / "meta.json").read_text())
    assert meta["source"]["license"] == "Apache-2.0"
    assert meta["source"]["weights_sha256"].startswith("53aa51172d142c89")
    assert "Apache License" in (SHIPPED / "LICENSE-Apache-2.0").read_text()
    assert meta["source"]["model"] in (SHIPPED / "NOTICE").read_text()


@pytest.mark.parametrize("name", ["vectors.npy", "scales.npy", "tokenizer.json"])
def test_a_flipped_byte_is_an_error(copied, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(EmbedderError, match=r"content hash is \w+…, meta.json states \w+…"):
        StaticEmbedder(copied)


@pytest.mark.parametrize("name", ["vectors.npy", "tokenizer.json", "meta.json"])
def test_a_missing_file_is_an_error_that_names_it(copied, name):
    (copied / name).unlink()
    with pytest.raises(EmbedderError, match=rf"{name} cannot be read .*distill_static\.py"):
        StaticEmbedder(copied)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("{", "meta.json is not JSON"),
        ("[]", "meta.json has no content_sha256, files, name"),
        ('{"name": "x", "files": []}', "meta.json has no content_sha256"),
    ],
)
def test_a_meta_file_of_another_form_is_an_error(copied, meta, message):
    (copied / "meta.json").write_text(meta)
    with pytest.raises(EmbedderError, match=message):
        StaticEmbedder(copied)


def test_vectors_for_another_tokenizer_are_an_error(tmp_path):
    arrays = {"vectors.npy": np.ones((5, 2), np.float32)}
    write_model(tmp_path / "odd", arrays, ["[UNK]", "cat"])
    with pytest.raises(EmbedderError, match="5 vectors for 2 tokens"):
        StaticEmbedder(tmp_path / "odd")


def test_the_shipped_data_is_mended_by_installing_again(monkeypatch, copied):
    monkeypatch.setattr(static, "_SHIPPED", copied)
    (copied / "scales.npy").unlink()
    with pytest.raises(EmbedderError, match="install knnrouter again"):
        StaticEmbedder()


def test_neither_torch_nor_model2vec_is_imported_to_embed():
    code = (
        "import sys; from knnrouter.embedders import StaticEmbedder; "
        "assert StaticEmbedder().embed(['red cat']).any(); "
        "print([m for m in ('torch', 'model2vec', 'transformers', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_an_embedder_with_a_short_repr():
    assert isinstance(EMBEDDER, embedders.Embedder)
    assert repr(EMBEDDER) == f"StaticEmbedder(id={EMBEDDER.id!r}, dim=256)"
