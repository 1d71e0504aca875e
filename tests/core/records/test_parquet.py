import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import RecordsError
from knnrouter.records import Preference, Price, RecordSet

NAN = float("nan")


def assert_same(one, other):
    for name, value in one.as_dict().items():
        twin = getattr(other, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == twin.dtype, name
            np.testing.assert_array_equal(twin, value, err_msg=name, strict=True)
        else:
            assert twin == value, name


def round_trip(records, folder):
    records.to_parquet(folder / "r.parquet")
    back = RecordSet.from_parquet(folder / "r.parquet")
    assert_same(records, back)
    return back


def test_every_field(tmp_path):
    amounts = [[0.1, NAN], [1 / 3, 5e-324]]
    records = RecordSet(
        ids=("q1", "问"),
        queries=("line\r\nline", None),
        tasks=(None, "t"),
        models=("m|n", "n"),
        scores=[[0.1, NAN], [1, 0]],
        costs=amounts,
        weights=[0.5, 3],
        input_tokens=amounts,
        output_tokens=amounts,
        latency_ms=amounts,
        groups=("g", None),
        timestamps=(None, "2026-01-05"),
        preferences=(Preference(query="a", model_a="m|n", model_b="n", winner=None),),
        prices={"n": Price(1e-6, 2), "m|n": Price(1, 2, cached_input=0.5)},
        vectors=np.float32([[0.6, 0.8], [0, 0]]),
        embedder="e",
        notes=("first", "second"),
    )
    back = round_trip(records, tmp_path)
    assert not back.scores.flags.writeable


def test_few_fields_and_no_rows(tmp_path):
    records = RecordSet(ids=("q",), models=("m",), scores=[[1]])
    back = round_trip(records, tmp_path)
    assert back.vectors is back.groups is None
    empty = round_trip(records.select([]), tmp_path)
    assert empty.scores.shape == (0, 1)


scores = arrays(np.float32, (3, 2), elements=st.floats(0, 1, width=32) | st.just(NAN))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(scores.filter(lambda a: not np.isnan(a).all()), st.lists(st.text(min_size=1), max_size=2))
def test_any_records(tmp_path, values, notes):
    notes = tuple(note for note in notes if note.isprintable())
    round_trip(RecordSet(ids="abc", models="mn", scores=values, notes=notes), tmp_path)


def test_replacing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "r.parquet"
    RecordSet(ids=("old",), models=("m",), scores=[[1]]).to_parquet(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        RecordSet(ids=("new",), models=("m",), scores=[[1]]).to_parquet(path)
    assert RecordSet.from_parquet(path).ids == ("old",)
    assert [each.name for each in tmp_path.iterdir()] == ["r.parquet"]


def test_refused_files(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "r.parquet"
    with pytest.raises(RecordsError, match=r"r\.parquet: no such file"):
        RecordSet.from_parquet(path)
    path.write_bytes(b"not parquet")
    with pytest.raises(RecordsError, match=r"r\.parquet: not a whole Parquet file"):
        RecordSet.from_parquet(path)
    pq.write_table(pa.table({"query": ["a"]}), path)
    with pytest.raises(RecordsError, match="was not written by it; read other tables with"):
        RecordSet.from_parquet(path)
    newer = pa.table({"ids": ["a"]}).replace_schema_metadata(
        {"knnrouter.records": '{"version": 9}'}
    )
    pq.write_table(newer, path)
    with pytest.raises(RecordsError, match="has format version 9"):
        RecordSet.from_parquet(path)
