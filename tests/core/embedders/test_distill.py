"""What scripts/distill_static.py writes is what StaticEmbedder reads; no torch needed here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "distill_static.py"


@pytest.fixture(scope="module")
def distill():
    spec = importlib.util.spec_from_file_location("distill_static", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_int8_keeps_each_token_to_half_a_level_of_its_own_scale(distill):
    rng = np.random.default_rng(0)
    weights = np.array([1e-3, 0.02, 1, 4], np.float32)[:, None]
    vectors = rng.standard_normal((4, 64)).astype(np.float32) * weights
    stored = distill.stored_arrays(vectors, "int8")
    assert stored["vectors.npy"].dtype == np.int8
    assert (np.abs(stored["vectors.npy"]).max(axis=1) == 127).all()
    back = stored["vectors.npy"] * stored["scales.npy"][:, None]
    assert (np.abs(back - vectors) <= 0.501 * stored["scales.npy"][:, None]).all()


def test_a_token_of_zeros_stays_one(distill):
    stored = distill.stored_arrays(np.zeros((1, 4), np.float32), "int8")
    assert stored["vectors.npy"].tolist() == [[0, 0, 0, 0]]
    assert np.isfinite(stored["scales.npy"]).all()


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_floats_are_stored_as_they_are(distill, precision):
    vectors = np.array([[0.5, -1.25]], np.float32)
    stored = distill.stored_arrays(vectors, precision)
    assert list(stored) == ["vectors.npy"]
    assert stored["vectors.npy"].dtype == precision
    assert stored["vectors.npy"].tolist() == [[0.5, -1.25]]


def test_the_shipped_meta_file_is_what_the_script_writes(distill):
    import knnrouter.embedders

    folder = Path(knnrouter.embedders.__file__).parent / "static_data"
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["dimension"], meta["precision"]) == distill.SHIPPED
    assert distill.hashed(folder, meta["files"]) == {
        "files": meta["files"],
        "content_sha256": meta["content_sha256"],
    }
