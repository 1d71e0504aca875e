import numpy as np
import pytest

from knnrouter import store
from knnrouter.embedders import StaticEmbedder
from knnrouter.errors import EmbedderError, EmbedderMismatchError


class Embedder:
    id = "test-3"
    dim = 3

    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float32)

    def embed(self, texts):
        assert tuple(texts) == store.PROBE_TEXTS
        return self.rows


def turned(saved, cosine, row=3):
    """The saved probes, with one of them turned so far that its cosine to itself is given."""
    rows = saved.probes.astype(np.float64)
    across = np.cross(rows[row], [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    rows[row] = cosine * rows[row] + np.sqrt(1 - cosine**2) * across
    return rows


def test_the_texts_tell_embedders_apart():
    assert len(set(store.PROBE_TEXTS)) >= 4
    assert any(not text.isascii() for text in store.PROBE_TEXTS)
    assert max(map(len, store.PROBE_TEXTS)) > 500


def test_the_same_embedder_passes(make_saved):
    saved = make_saved()
    store.check_probes(saved, Embedder(saved.probes))
    store.check_probes(saved, Embedder(turned(saved, 1 - 0.9e-4)))


def test_another_id(make_saved):
    embedder = Embedder(make_saved().probes)
    embedder.id = "other"
    with pytest.raises(EmbedderMismatchError) as caught:
        store.check_probes(make_saved(), embedder)
    assert "come from the embedder 'test-3', and this one is 'other'" in str(caught.value)
    assert "load with embedder= the one named 'test-3'" in str(caught.value)
    assert "or build the router again with the one at hand" in str(caught.value)


def test_another_dimension(make_saved):
    embedder = Embedder(np.eye(5, 4))
    embedder.dim = 4
    with pytest.raises(
        EmbedderMismatchError, match="has dimension 4, and the saved vectors have 3"
    ):
        store.check_probes(make_saved(), embedder)


@pytest.mark.parametrize("cosine", [1 - 1.1e-4, 0.5, 0.0])
def test_other_rows_under_the_same_name(make_saved, cosine):
    saved = make_saved()
    with pytest.raises(EmbedderMismatchError) as caught:
        store.check_probes(saved, Embedder(turned(saved, cosine)))
    message = str(caught.value)
    assert (
        f"1 of 5 probe texts otherwise than when the router was saved: {store.PROBE_TEXTS[3]!r}"
        in message
    )
    assert f"with cosine {cosine:.6f}" in message


def test_a_zero_row_equals_only_a_zero_row(make_saved):
    rows = make_saved().probes.copy()
    rows[2] = 0
    saved = make_saved(probes=rows)
    store.check_probes(saved, Embedder(rows))
    with pytest.raises(EmbedderMismatchError):
        store.check_probes(make_saved(), Embedder(rows))
    with pytest.raises(EmbedderMismatchError):
        store.check_probes(saved, Embedder(make_saved().probes))


def test_nan_is_refused_on_either_side(make_saved):
    rows = make_saved().probes.copy()
    rows[1, 0] = np.nan
    with pytest.raises(EmbedderError):
        store.check_probes(make_saved(), Embedder(rows))
    with pytest.raises(EmbedderMismatchError, match="with cosine nan"):
        store.check_probes(make_saved(probes=rows), Embedder(make_saved().probes))


def test_probes_of_the_shipped_embedder_survive_the_disk(tmp_path, make_saved):
    embedder = StaticEmbedder()
    saved = make_saved(
        dim=embedder.dim, embedder=embedder.id, probes=embedder.embed(store.PROBE_TEXTS)
    )
    store.save(tmp_path, saved)
    loaded = store.load(tmp_path)
    store.check_probes(loaded, embedder)
    np.testing.assert_array_equal(loaded.probes, saved.probes)
