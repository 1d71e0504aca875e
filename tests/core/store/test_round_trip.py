import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import knnrouter
from knnrouter import store
from knnrouter.errors import RecordsError, StoreError
from knnrouter.index import FaissIndex
from knnrouter.records import Preference, Price, RecordSet

NAN = float("nan")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_field_comes_back(tmp_path, make_saved, assert_same):
    saved = make_saved()
    store.save(tmp_path / "new" / "router", saved)
    for verify in ("auto", "full", "fast"):
        assert_same(saved, store.load(str(tmp_path / "new" / "router"), verify=verify))


def test_the_folder_holds_what_is_documented(tmp_path, make_saved):
    store.save(tmp_path, make_saved())
    roles = {path.name.rpartition("-")[0] for path in tmp_path.glob("*-*")}
    assert roles == {"records", "scores", "costs", "vectors", "index", "estimator-task_of"}
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert content["kind"] == "knnrouter router"
    assert content["format_version"] == 1
    assert content["knnrouter_version"] == knnrouter.__version__
    assert (content["embedder"]["id"], content["embedder"]["dim"]) == ("test-3", 3)
    assert [probe["text"] for probe in content["embedder"]["probes"]] == list(store.PROBE_TEXTS)
    assert content["models"] == ["small", "large|x"]
    assert content["counts"] == {"rows": 4, "tasks": 2}
    assert content["estimator"] == make_saved().settings
    assert set(content["files"]) == roles
    for role, entry in content["files"].items():
        raw = (tmp_path / entry["name"]).read_bytes()
        assert entry["size"] == len(raw)
        assert entry["sha256"] == hashlib.sha256(raw).hexdigest()
        assert entry["name"].startswith(f"{role}-{entry['sha256'][:16]}.")
    assert np.load(tmp_path / content["files"]["vectors"]["name"]).tolist() == (
        make_saved().vectors.tolist()
    )


def test_arrays_are_mapped_not_copied(tmp_path, make_saved):
    saved = make_saved(records=make_saved().records)
    store.save(tmp_path, saved, keep_queries=False)
    loaded = store.load(tmp_path)
    for array in (
        loaded.vectors,
        loaded.records.vectors,
        loaded.records.scores,
        loaded.records.costs,
        loaded.arrays["task_of"],
    ):
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable


def test_the_same_router_gives_the_same_bytes(tmp_path, make_saved):
    store.save(tmp_path, make_saved())
    first = contents(tmp_path)
    store.save(tmp_path, store.load(tmp_path))  # over the files that are mapped
    assert contents(tmp_path) == first


def test_saving_over_a_router_leaves_only_the_new_one(tmp_path, make_saved, assert_same):
    store.save(tmp_path, make_saved(1))
    old = store.load(tmp_path)
    (tmp_path / "README.txt").write_text("a stranger's file")
    (tmp_path / "vectors.npy").write_text("this too: no hash in its name")
    (tmp_path / "unfinished-0123456789abcdef.tmp").write_text("of a save that was killed")
    store.save(tmp_path, make_saved(2))
    assert_same(make_saved(2), store.load(tmp_path))
    assert len(list(tmp_path.iterdir())) == 10  # 6 data files, manifest, lock, 2 strangers
    assert (tmp_path / "README.txt").read_text() == "a stranger's file"
    assert_same(make_saved(1), old)  # still mapped, though its files are gone


def test_without_queries_no_text_remains(tmp_path, make_saved, assert_same):
    store.save(tmp_path, make_saved(1))
    assert b"SECRET" in b"".join(contents(tmp_path).values())
    (tmp_path / "unfinished-0123456789abcdef.tmp").write_text("SECRET")
    store.save(tmp_path, make_saved(1), keep_queries=False)
    assert b"SECRET" not in b"".join(contents(tmp_path).values())
    saved, loaded = make_saved(1), store.load(tmp_path)
    assert loaded.records.queries == (None,) * 4
    assert loaded.records.preferences == loaded.records.notes == ()
    assert loaded.records.ids == saved.records.ids
    assert_same(saved.records.scores, loaded.records.scores)
    assert loaded.records.embedder == "test-3"  # so that the records are still of use
    assert_same(saved.vectors, loaded.records.vectors)
    assert store.inspect(tmp_path).to_dict()["text"] is False


def test_records_with_vectors_hold_them_once(tmp_path, make_saved, assert_same, data_file):
    vectors = np.float32([[0.6, 0.8], [0, 0], [1, 0]])
    records = RecordSet(
        ids="abc", models=("m",), scores=[[0.5]] * 3, vectors=vectors, embedder="test-3"
    )
    saved = make_saved(records=records)
    store.save(tmp_path, saved)
    assert_same(saved, store.load(tmp_path))
    import pyarrow.parquet as pq

    columns = pq.ParquetFile(data_file(tmp_path, "records")).schema_arrow.names
    assert set(columns) == {"ids", "queries", "tasks", "weights"}


cells = st.floats(0, 1, width=32) | st.just(NAN)
texts = st.text(st.characters(codec="utf-8"), max_size=5)
options = st.none() | texts


@st.composite
def record_sets(draw):
    rows, models = (
        draw(st.integers(1, 4)),
        draw(st.lists(texts, min_size=1, max_size=3, unique=True)),
    )
    amounts = arrays(np.float64, (rows, len(models)), elements=st.floats(0, 1e300) | st.just(NAN))
    column = st.lists(options, min_size=rows, max_size=rows)
    prices = st.builds(Price, st.floats(0, 9), st.floats(0, 9), st.none() | st.floats(0, 9))
    scores = draw(arrays(np.float32, (rows, len(models)), elements=cells))
    scores[0, 0] = 0.5
    return RecordSet(
        ids=draw(st.lists(texts, min_size=rows, max_size=rows, unique=True)),
        queries=draw(column),
        tasks=draw(column),
        models=models,
        scores=scores,
        costs=draw(amounts),
        weights=draw(arrays(np.float64, rows, elements=st.floats(5e-324, 1e300))),
        input_tokens=draw(st.none() | amounts),
        output_tokens=draw(st.none() | amounts),
        latency_ms=draw(st.none() | amounts),
        groups=draw(st.none() | column),
        timestamps=draw(st.none() | column),
        preferences=[
            Preference(query=query, model_a=a, model_b=b, winner=winner)
            for query, a, b in draw(st.lists(st.tuples(texts, texts, texts), max_size=2))
            for winner in (a, None)
        ],
        prices=draw(st.dictionaries(texts, prices, max_size=2)),
        notes=draw(st.lists(texts, max_size=2)),
    )


plain = texts | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
some_arrays = st.dictionaries(
    st.from_regex("[a-z][a-z0-9_]{0,5}", fullmatch=True),
    arrays(
        st.sampled_from(["<f4", "<i8", "|b1", ">f8", "|u1"]), st.sampled_from([(), (0,), (2, 1)])
    ),
    max_size=2,
)


@settings(deadline=None, max_examples=40)
@given(
    records=record_sets(),
    estimator=st.dictionaries(texts, plain | st.booleans(), max_size=3),
    estimator_arrays=some_arrays,
    embedder=texts,
    dim=st.integers(1, 3),
)
def test_any_router(
    tmp_path_factory, make_saved, assert_same, records, estimator, estimator_arrays, embedder, dim
):
    saved = make_saved(
        records=records, settings=estimator, arrays=estimator_arrays, embedder=embedder, dim=dim
    )
    folder = tmp_path_factory.mktemp("any")
    store.save(folder, saved)
    assert_same(saved, store.load(folder))
    assert store.inspect(folder).ok


def test_no_rows_and_fortran_order(tmp_path, make_saved, assert_same):
    records = make_saved().records.select([])
    saved = make_saved(records=records, arrays={"grid": np.asfortranarray([[1, 2], [3, 4]])})
    store.save(tmp_path, saved)
    assert_same(saved, store.load(tmp_path))


def test_what_does_not_fit_together_is_refused(make_saved):
    vectors = np.eye(4, 5, dtype=np.float32)
    with pytest.raises(StoreError) as caught:
        make_saved(
            vectors=vectors,
            probes=vectors,
            settings={"k": NAN, "t": np.inf, "o": None},
            arrays={"../x": np.zeros(1), "objects": np.array([{}])},
        )
    message = str(caught.value)
    assert "vectors have shape (4, 5); records and index make it (4, 3)" in message
    assert "probes have shape (4, 5), not (5, 3); embed PROBE_TEXTS" in message
    assert "setting 'k' is nan; only texts and finite numbers are saved" in message
    assert "setting 't' is inf" in message
    assert "setting 'o' is None" in message
    assert "array '../x': its name must be a-z" in message
    assert "array 'objects' has type object" in message
    with pytest.raises(StoreError, match="the index has 2 rows for 4 records"):
        make_saved(index=FaissIndex(np.eye(2, 3, dtype=np.float32)))
    records = RecordSet(
        ids="ab", models="m", scores=[[1], [1]], vectors=np.eye(2), embedder="other"
    )
    with pytest.raises(StoreError, match="vectors of the records are not those of the router"):
        make_saved(records=records)


def test_broken_unicode_is_named(tmp_path, make_saved):
    records = RecordSet(ids="a", models="m", scores=[[1]], queries=["half \ud83d"])
    with pytest.raises(StoreError, match=r"'half \\ud83d', which is no text that can be stored"):
        store.save(tmp_path / "r", make_saved(records=records))
    assert not (tmp_path / "r").exists()


def test_parquet_of_a_saved_folder_alone_is_no_records_file(tmp_path, make_saved, data_file):
    store.save(tmp_path, make_saved())
    with pytest.raises(RecordsError):
        RecordSet.from_parquet(data_file(tmp_path, "records"))
