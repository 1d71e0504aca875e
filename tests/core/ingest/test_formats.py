"""Each format, read from a small file of our own, value by value."""

import numpy as np
import pytest

from knnrouter.errors import RecordsError
from knnrouter.ingest import formats, read_records
from knnrouter.records import Price

NAN = float("nan")


def test_wide_csv(data):
    records = read_records(data / "wide.csv")
    assert records.ids == ("q1", "q2", "q3")
    assert records.queries[0] == "Add 2 and 2.\nShow your work."
    assert records.queries[2] == 'Who wrote "Emma"?'
    assert records.tasks == ("math", "math", "books")
    assert records.models == ("small", "large")
    np.testing.assert_array_equal(records.scores, np.float32([[1, 1], [0, 1], [NAN, 0.5]]))
    np.testing.assert_array_equal(records.costs, [[NAN, 0.0004], [NAN, 0.0005], [NAN, 1e-6]])
    np.testing.assert_array_equal(records.output_tokens, [[NAN, 12], [NAN, NAN], [NAN, 9]])
    assert records.input_tokens is None
    assert records.groups is None
    assert records.timestamps is None
    assert records.notes == (
        "recognized as: table (CSV)",
        "1 of 6 scores not measured (16.7%)",
    )


def test_long_jsonl(data):
    records = read_records(data / "long.jsonl")
    assert records.queries == ("Add 2 and 2.", "用中文写一首诗。", "Add 2 and 2.")
    assert records.ids == ("long-1", "long-3", "long-4")
    assert records.tasks == ("math", None, "math")
    assert records.timestamps == (None, "2026-01-05", None)
    assert records.models == ("small", "large")
    np.testing.assert_array_equal(records.scores, np.float32([[1, 0.75], [NAN, 1], [0, NAN]]))
    np.testing.assert_array_equal(records.costs, [[NAN, 0.0004], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(records.latency_ms, [[120, NAN], [NAN, NAN], [NAN, NAN]])
    assert records.notes == (
        "recognized as: table (JSONL)",
        "1 repeated (query, model) pair, kept as rows apart",
        "1 row with the text of an earlier row (see drop_duplicates)",
        "2 of 6 scores not measured (33.3%)",
    )


def test_routerbench(data):
    records = read_records(data / "routerbench.csv")
    assert records.ids == ("rivers.1", "rivers.2", "rivers.1#2", "rivers.3", "rivers.4", "rivers.5")
    assert records.queries == (
        "Which river is long?\nAnd wide?",
        "It's deep, isn't it?",
        "Which river is long?",
        "stray \\d",
        "['unfinished",  # not a list of texts: kept as it stands
        "[1, 2]",
    )
    assert set(records.tasks) == {"rivers"}
    assert records.models == ("acme/small", "acme/large")
    np.testing.assert_array_equal(
        records.scores, np.float32([[0, 1], [NAN, 1], [1, 1], [0, 0], [1, 0], [1, 0]])
    )
    np.testing.assert_array_equal(records.costs[:, 1], [0.002, 0.003, 0.002, 0.004, 0.005, 0.006])
    assert records.notes == (
        "recognized as: routerbench (CSV)",
        "1 repeated id, told apart as #2, #3, …",
        "1 of 12 scores not measured (8.3%)",
    )


def test_routellm_folder(data):
    records = read_records(data / "routellm")
    assert records.ids == ("mmlu_lakes-1", "mmlu_lakes-2", "mmlu_rivers-1", "mmlu_rivers-2")
    assert records.tasks == ("lakes", "lakes", "rivers", "rivers")
    assert records.models == ("acme/small", "acme/large")
    np.testing.assert_array_equal(records.scores, [[0, 0], [1, 0], [1, 1], [0, 1]])
    assert records.notes == (
        "recognized as: routellm (folder)",
        "1 row with the text of an earlier row (see drop_duplicates)",
    )


def test_routellm_file(data, write):
    source = (data / "routellm" / "mmlu_lakes.csv").read_bytes()
    records = read_records(write("lakes_responses.csv", source))
    assert records.tasks == ("lakes", "lakes")
    assert records.notes == ("recognized as: routellm (CSV)",)


def test_routerdc_keeps_probabilities(data):
    records = read_records(data / "routerdc.json")
    assert records.ids == ("routerdc-1", "routerdc-2")
    assert records.tasks == ("routerdc", "routerdc")
    assert records.models == ("acme/small", "acme/large")
    np.testing.assert_array_equal(records.scores, np.float32([[0, 0.00001], [0.25, 1]]))
    assert records.notes == ("recognized as: routerdc (JSON)",)


def test_threshold_counts_what_is_strictly_above_it(data):
    above_zero = read_records(data / "routerdc.json", threshold=0)
    np.testing.assert_array_equal(above_zero.scores, [[0, 1], [1, 1]])
    above_quarter = read_records(data / "routerdc.json", threshold=0.25)
    np.testing.assert_array_equal(above_quarter.scores, [[0, 0], [0, 1]])


@pytest.mark.parametrize("path", ["llmrouter", "llmrouter/routing_train.json"])
def test_llmrouter_joins_tasks_and_prices(data, path):
    records = read_records(data / path)
    assert records.tasks == ("math", "places")
    assert records.models == ("small", "large", "free")  # priced ones in the order of the prices
    np.testing.assert_array_equal(records.scores, np.float32([[1, 1, NAN], [0.5, 0.75, 0.25]]))
    assert np.isnan(records.costs).all()
    assert dict(records.prices) == {"small": Price(0.1, 0.2), "large": Price(1, 2)}
    assert records.notes[1:] == (
        "2 of 4 query rows without scores of their own",
        "1 text with several tasks; the first one is taken",
        "no price is stated for free",
        "the files hold no token counts: costs are not measured, prices are kept",
        "1 of 6 scores not measured (16.7%)",
    )
    assert records.notes[0].startswith("recognized as: llmrouter (")


def test_llmrouter_without_its_neighbors(data, write):
    path = write("routing_test.json", (data / "llmrouter" / "routing_train.json").read_bytes())
    records = read_records(path, "llmrouter")
    assert records.tasks == (None, None)
    assert not records.prices
    assert "no query_*.jsonl lies beside the file: tasks are unknown" in records.notes
    assert read_records(path).notes[0] == "recognized as: routerdc (JSON)"


def test_llmrouter_reports_bad_prices_and_tasks(data, write):
    write("routing_train.json", (data / "llmrouter" / "routing_train.json").read_bytes())
    write("query_train.jsonl", '{"query": 5}\n{"query": "Add 2 and 2.", "task_name": ["math"]}\n')
    folder = write(
        "llm_candidates.json", '{"small": {"input_price": -1, "output_price": 1}}'
    ).parent
    with pytest.raises(RecordsError) as caught:
        read_records(folder)
    prices, no_query, bad_task = caught.value.problems
    assert "llm_candidates.json: price of 'small': -1.0 is negative" in prices
    assert "query_train.jsonl:1: query: it is absent or not text" in no_query
    assert "query_train.jsonl:2: task_name: ['math'] is neither text nor a number" in bad_task


def test_parquet_table(data, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    columns = {"query": ["a", "b"], "small": [0.5, None], "large": [True, False]}
    pq.write_table(pa.table(columns), path)
    records = read_records(path)
    assert records.ids == ("table-1", "table-2")
    np.testing.assert_array_equal(records.scores, np.float32([[0.5, 1], [NAN, 0]]))
    assert records.notes[0] == "recognized as: table (Parquet)"


def test_json_list_table(write):
    records = read_records(write("rows.json", '[{"query": "a", "m": 1}, {"query": "b", "n": 0}]'))
    np.testing.assert_array_equal(records.scores, np.float32([[1, NAN], [NAN, 0]]))
    assert records.notes[0] == "recognized as: table (JSON)"


def test_saved_records(data, tmp_path):
    path = tmp_path / "saved.parquet"
    read_records(data / "wide.csv").to_parquet(path)
    records = read_records(path)
    assert records.ids == ("q1", "q2", "q3")
    assert records.notes[:2] == ("recognized as: records (Parquet)", "recognized as: table (CSV)")
    with pytest.raises(RecordsError, match="without `scale`"):
        read_records(path, scale=(0, 2))


def test_every_format_is_listed_with_what_it_needs():
    listed = {each.name: each for each in formats()}
    assert list(listed) == [
        *("records", "llmrouter", "routerdc", "routerbench", "mt_bench", "preferences", "routellm"),
        "table",
    ]
    assert "prompt" in listed["routellm"].fields
    assert all(each.looks_like and each.fields for each in listed.values())


def test_a_named_format_is_not_guessed(data):
    notes = read_records(data / "routerdc.json", "routerdc").notes
    assert notes == ()
