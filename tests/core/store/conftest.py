import hashlib
import json
from dataclasses import fields

import numpy as np
import pytest

from knnrouter.index import FaissIndex
from knnrouter.records import Preference, Price, RecordSet
from knnrouter.store import PROBE_TEXTS, Saved

NAN = float("nan")


def unit_rows(rows, dim, seed):
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def records_of(seed=0, rows=4):
    rng = np.random.default_rng(seed)
    amounts = rng.random((rows, 2))
    amounts[0, 1] = NAN
    return RecordSet(
        ids=tuple(f"{seed}-{row}-问" for row in range(rows)),
        queries=tuple(f"SECRET {seed} {row}" for row in range(rows)),
        tasks=("算", None, *("t",) * (rows - 2)),
        models=("small", "large|x"),
        scores=np.where(amounts > 0.9, np.nan, amounts),
        costs=amounts,
        weights=rng.random(rows) + 0.5,
        input_tokens=amounts,
        latency_ms=amounts,
        groups=("g", *(None,) * (rows - 1)),
        timestamps=("2026-01-05", *(None,) * (rows - 1)),
        preferences=(Preference(query="SECRET", model_a="a", model_b="b", winner="a"),),
        prices={"small": Price(1e-6, 2), "large|x": Price(1, 2, cached_input=0.5)},
        notes=("the first: SECRET is no number",),
    )


@pytest.fixture(scope="session")
def make_saved():
    def make(seed=0, *, dim=3, **changes):
        records = changes.pop("records", None)
        if records is None:
            records = records_of(seed)
        vectors = unit_rows(len(records), dim, seed) if records.vectors is None else records.vectors
        given = {
            "records": records,
            "vectors": vectors,
            "index": FaissIndex(vectors),
            "embedder": "test-3",
            "settings": {"kind": "knn", "k": 2, "weights": "uniform", "shrinkage": 0.1},
            "arrays": {"task_of": np.arange(len(records), dtype=np.int32)},
            "probes": unit_rows(len(PROBE_TEXTS), vectors.shape[1], 9),
        }
        return Saved(**given | changes)

    return make


@pytest.fixture(scope="session")
def assert_same():
    def same(one, other, name=""):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=name, strict=True)
        elif isinstance(one, RecordSet | Saved):
            for field in fields(one):
                same(getattr(one, field.name), getattr(other, field.name), field.name)
        elif isinstance(one, FaissIndex):
            assert one.to_bytes() == other.to_bytes()
        elif hasattr(one, "items"):
            assert list(one) == list(other), name
            for key in one:
                same(one[key], other[key], f"{name} {key}")
        else:
            assert (type(one), one) == (type(other), other), name

    return same


@pytest.fixture
def data_file():
    def find(folder, role):
        [path] = folder.glob(f"{role}-*")
        return path

    return find


@pytest.fixture
def forge():
    """Change what a manifest says, and give it the checksum that goes with it."""

    def change(folder, edit):
        path = folder / "manifest.json"
        content = json.loads(path.read_text())
        del content["sha256"]
        edit(content)
        head = json.dumps(content, indent=2).removesuffix("\n}").encode() + b",\n"
        last = f'  "sha256": "{hashlib.sha256(head).hexdigest()}"\n}}\n'
        path.write_bytes(head + last.encode())

    return change
