"""`read_records` on input that is odd but fine, and on input that is refused."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knnrouter.errors import RecordsError
from knnrouter.ingest import read_records

GOOD = "query,small,large\na,1,0\nb,0,1\n"


def problems_of(path, *args, **options):
    with pytest.raises(RecordsError) as caught:
        read_records(path, *args, **options)
    return caught.value.problems


# Odd, but fine.


def test_byte_order_mark_and_crlf(write):
    path = write("windows.csv", b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    records = read_records(path)
    assert records.queries == ("a", "b")
    assert records.models == ("small", "large")
    path = write(
        "windows.jsonl", b'\xef\xbb\xbf{"query": "a", "m": 1}\r\n{"query": "b", "m": 0}\r\n'
    )
    assert read_records(path).queries == ("a", "b")


def test_another_encoding_when_it_is_named(write):
    path = write("old.csv", "query,small\nDéjà vu?,1\n".encode("latin-1"))
    assert read_records(path, encoding="latin-1").queries == ("Déjà vu?",)
    path = write("wide.csv", "query,small\nDéjà vu?,1\n".encode("utf-16"))
    assert read_records(path, encoding="utf-16").queries == ("Déjà vu?",)


def test_one_model_is_noted(write):
    records = read_records(write("one.csv", "query,small\na,1\n"))
    assert records.models == ("small",)
    assert records.notes[-1] == (
        "there is only one model, 'small'; a router has nothing to choose from"
    )


def test_a_long_query_and_the_csv_limit_afterwards(write):
    before = csv.field_size_limit()
    records = read_records(write("long.csv", f'query,small\n"{"word, " * 40_000}",1\n'))
    assert len(records.queries[0]) == 240_000
    assert csv.field_size_limit() == before


def test_cells_that_are_not_measured(write):
    rows = "".join(f"question {n},{'' if n % 5 < 2 else 1},nan\n" for n in range(10))
    records = read_records(write("sparse.csv", f"query,small,large\n{rows}q,0,1\n"))
    assert np.isnan(records.scores[:, 0]).sum() == 4
    assert np.isnan(records.scores[:, 1]).sum() == 10
    assert "14 of 22 scores not measured (63.6%)" in records.notes


def test_unicode_line_separators_do_not_split_jsonl(write):
    row = json.dumps({"query": "a\u2028b", "m": 1}, ensure_ascii=False)
    assert read_records(write("odd.jsonl", row)).queries == ("a\u2028b",)


def test_scale(write):
    records = read_records(write("stars.csv", "query,m,n\na,1,5\nb,2,true\n"), scale=(1, 5))
    np.testing.assert_array_equal(records.scores, np.float32([[0, 1], [0.25, 1]]))


def test_ignored_columns(write):
    path = write("extra.csv", "query,small,comment,small|note\na,1,nice,x\n")
    assert read_records(path, ignore=["comment", "small|note"]).models == ("small",)
    path = write("priced.csv", "query,small,large,large|cost\na,1,1,oops\n")
    assert read_records(path, ignore=["large"]).models == ("small",)
    path = write("models.json", '[{"question": "a", "scores": {"m": 1, "judge": "good"}}]')
    assert read_records(path, ignore=["judge"]).models == ("m",)


# Refused: the path and the file as a whole.


def test_nothing_there(tmp_path):
    (problem,) = problems_of(tmp_path / "absent.csv")
    assert problem == f"{tmp_path / 'absent.csv'}: no such file or folder; check the path"


@pytest.mark.parametrize("content", ["", " \n \n", "\ufeff"])
def test_empty_file(write, content):
    (problem,) = problems_of(write("empty.csv", content))
    assert "empty.csv: the file is empty" in problem


@pytest.mark.parametrize(("name", "content"), [("head.csv", "query,small\n"), ("none.json", "[]")])
def test_no_rows(write, name, content):
    (problem,) = problems_of(write(name, content))
    assert "give at least one" in problem


def test_a_file_that_cannot_be_opened(write, monkeypatch):
    path = write("good.csv", GOOD)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    (problem,) = problems_of(path)
    assert problem == f"{path}: cannot be read (Permission denied); check the path"


def test_unknown_folder(tmp_path):
    (problem,) = problems_of(tmp_path)
    assert "holds no benchmark format that is known" in problem
    assert "RouteLLM" in problem


def test_unknown_format(write):
    (problem,) = problems_of(write("good.csv", GOOD), "routerbanch")
    assert "did you mean 'routerbench'?" in problem


def test_format_of_another_kind(write):
    (problem,) = problems_of(write("good.csv", GOOD), "routerdc")
    assert "is a CSV file, but format 'routerdc' is a JSON file" in problem


@pytest.mark.parametrize("name", ["cut.json", "cut.jsonl", "cut.csv", "cut.parquet"])
def test_truncated_file(tmp_path, write, name):
    whole = {
        "cut.json": '[\n{"question": "a", "scores": {"m": 1}},\n{"question": "b", "sco',
        "cut.jsonl": '{"query": "a", "m": 1}\n{"query": "b", "m"',
        "cut.csv": 'query,m\na,1\n"b, and then',
    }
    if name == "cut.parquet":
        read_records(write("good.csv", GOOD)).to_parquet(tmp_path / name)
        content = (tmp_path / name).read_bytes()[:-100]
    else:
        content = whole[name].encode()
    (problem,) = problems_of(write(name, content))
    place = {"cut.json": "cut.json:3:19:", "cut.jsonl": "cut.jsonl:2:", "cut.csv": "cut.csv:3:"}
    assert place.get(name, "cut.parquet:") in problem
    assert "not JSON" in problem or "not CSV" in problem or "not a whole Parquet file" in problem


def test_json_that_is_not_a_list(write):
    (problem,) = problems_of(write("object.json", '{\n"question": "a"\n}'))
    assert "object.json: holds a JSON dict; a list of objects belongs here" in problem


def test_deeply_nested_json(write):
    (problem,) = problems_of(write("deep.json", "[" * 100_000))
    assert "deep.json" in problem


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("n.jsonl", '{"query": "a", "m": 1}\n{"query": "b", "m": %s}\n', "n.jsonl:2: "),
        ("n.json", '[{"query": "a", "m": %s}]', "n.json: "),
    ],
)
def test_a_number_of_thousands_of_digits(write, name, content, place):
    (problem,) = problems_of(write(name, content % ("9" * 5_000)))
    assert f"{place}not JSON that can be read: a number has thousands of digits" in problem


def test_parquet_with_one_column_twice(write):
    path = write("twice.parquet", b"")
    one = pa.array([1.0])
    pq.write_table(pa.table([pa.array(["x"]), one, one], names=["query", "m", "m"]), path)
    (problem,) = problems_of(path)
    assert "columns occur more than once: 'm'; give each column its own name" in problem


@pytest.mark.parametrize("name", ["latin.csv", "latin.jsonl"])
def test_latin_1_names_the_option(write, name):
    rows = "query,m\na,1\nDéjà vu?,1\n" if name == "latin.csv" else '{"query": "a"}\n\n"é"\n'
    (problem,) = problems_of(write(name, rows.encode("latin-1")))
    assert f"{name}:3: byte 0xe9 is not utf-8" in problem
    assert "`encoding=` (`--encoding` on the command line)" in problem


def test_unknown_encoding(write):
    (problem,) = problems_of(write("good.csv", GOOD), encoding="klingon")
    assert "'klingon' is not an encoding" in problem


def test_settings_that_contradict(write):
    path = write("good.csv", GOOD)
    assert "both scale=" in problems_of(path, scale=(0, 1), threshold=0)[0]
    assert "scale is (5, 1)" in problems_of(path, scale=(5, 1))[0]
    assert "threshold is nan" in problems_of(path, threshold=float("nan"))[0]
    assert "on_bad_row is 'drop'" in problems_of(path, on_bad_row="drop")[0]


# Refused: columns.


def test_missing_query_column(write):
    (problem,) = problems_of(write("bad.csv", "question,small\na,1\n"))
    assert "there is no column `query`; the columns are question, small" in problem


@pytest.mark.parametrize(
    ("header", "row", "separator"),
    [
        ("query;a;b", "x;1;0", "semicolons"),
        ('"query";"a"', '"x";"1"', "semicolons"),
        ("query\ta;b", "x\t1", "tabs"),
    ],
)
def test_another_separator_than_commas(write, header, row, separator):
    path = write("other.csv", f"\r\n{header}\r\n{row}\r\n")
    assert problems_of(path) == (
        f"{path}:2: the columns of the header {header!r} are separated by {separator}; a CSV file "
        "separates them by commas: write it again with commas, and quote fields that hold commas",
    )


def test_semicolons_within_a_header_of_commas_are_fine(write):
    assert read_records(write("odd.csv", "query,a;b\nx,1\n")).models == ("a;b",)


@pytest.mark.parametrize("name", ["routellm", "routerbench"])
def test_missing_prompt_column(write, name):
    (problem,) = problems_of(write("bad.csv", GOOD), name)
    assert "there is no column `prompt`; the columns are query, small, large" in problem


def test_no_model_columns(write):
    (problem,) = problems_of(write("bad.csv", "id,query,task\n1,a,t\n"))
    assert "bad.csv: no model" in problem


def test_a_column_of_text_names_ignore(write):
    (problem,) = problems_of(write("bad.csv", "query,small,comment\na,1,nice\nb,0,fine\n"))
    assert "bad.csv:2: column 'comment' holds no numbers, but texts such as 'nice'" in problem
    assert "ignore=['comment']" in problem


def test_columns_that_are_misnamed_are_all_reported(write):
    header = "query,small,large|cost,small|price,latency_ms,"
    unscored, unknown, long_only, unnamed = problems_of(
        write("bad.csv", f"{header}\na,1,1,1,1,1\n")
    )
    assert "column 'large|cost' has no column 'large'" in unscored
    assert "column 'small|price': 'price' is none of cost, input_tokens" in unknown
    assert "column 'latency_ms' belongs to a long table" in long_only
    assert "a column has no name" in unnamed


def test_unknown_column_of_a_long_table(write):
    (problem,) = problems_of(write("bad.csv", "query,model,score,judge\na,m,1,x\n"))
    assert "column 'judge' is none of query, id," in problem


def test_repeated_columns(write):
    (problem,) = problems_of(write("bad.csv", "query,small,small\na,1,0\n"))
    assert "bad.csv:1: columns occur more than once: 'small'" in problem


def test_ignored_columns_that_are_not_there(write):
    path = write("bad.csv", "query,small,comment\na,1,x\n")
    near, far = problems_of(path, ignore=["zz", "coment", "comment"])
    columns = "but there is no such column; the columns are 'query', 'small', 'comment'"
    assert near == f"{path}: ignore has 'coment', {columns}: did you mean 'comment'?"
    assert far == f"{path}: ignore has 'zz', {columns}: correct the name, or leave it away"
    path = write("long.csv", "query,model,score\na,m,1\n")
    (problem,) = problems_of(path, ignore=["m"])
    assert "there is no such column; the columns are 'query', 'model', 'score'" in problem


@pytest.mark.parametrize(
    ("name", "content", "known"),
    [
        ("routerbench.csv", "prompt,m,m|total_cost\na,1,0\n", "'prompt', 'm', 'm|total_cost'"),
        ("routellm.csv", "prompt,m\na,True\n", "'prompt', 'm'"),
        ("routerdc.json", '[{"question": "a", "scores": {"m": 1, "n": 0}}]', "'m', 'n'"),
    ],
)
def test_ignored_names_that_are_not_there_in_every_format(write, name, content, known):
    path = write(name, content)
    what = "model" if name.endswith("json") else "column"
    problem = (
        f"{path}: ignore has 'zz', but there is no such {what}; the {what}s are {known}: "
        "correct the name, or leave it away"
    )
    assert problems_of(path, ignore=["zz"]) == (problem,)
    if name.endswith("json"):  # the same file, as ulab LLMRouter
        assert problems_of(path, "llmrouter", ignore=["zz"]) == (problem,)


# Refused: rows.


def test_each_bad_cell_is_reported_with_its_line(write):
    path = write(
        "bad.csv",
        "query,small,large,large|cost\n"
        '"two\nlines",1,1,0\n'  # lines 2 and 3
        "a,good,1,0\n"
        "b,1,7,-0.5\n"
        " ,1,1,inf\n"
        "c,1,1\n",
    )
    good, seven, negative, empty, infinite, short = problems_of(path)
    assert good.startswith(f"{path}:4: score of 'small': 'good' is not a number")
    assert "`scale=" in good
    assert seven.startswith(f"{path}:5: score of 'large': 7.0 is outside [0, 1]")
    assert "`scale=" in seven
    assert negative.startswith(f"{path}:5: cost of 'large': -0.5 is negative")
    assert empty.startswith(f"{path}:6: query: it is empty")
    assert infinite.startswith(f"{path}:6: cost of 'large': inf is infinite")
    assert short.startswith(f"{path}:7: the row has 3 fields, the header 4")


def test_a_column_with_only_bad_scores_names_scale_too(write):
    (problem,) = problems_of(write("bad.csv", "query,small\na,good\n"))
    assert "'good'" in problem
    assert "`scale=`" in problem


def test_the_first_twenty_and_the_total(write):
    path = write("bad.csv", "query,m\na,1\n" + "b,9\n" * 50)
    with pytest.raises(RecordsError) as caught:
        read_records(path)
    assert len(caught.value.problems) == 50
    lines = str(caught.value).splitlines()
    assert lines[0] == "50 problems:"
    assert len(lines) == 22
    assert lines[-1].strip() == "… and 30 more (50 in all)"


def test_skipped_rows_are_counted(write):
    path = write("bad.csv", "query,m,n\na,1,1\nb,9,-3\nc,0,1\n,1,1\n")
    records = read_records(path, on_bad_row="skip")
    assert records.queries == ("a", "c")
    assert records.ids == ("bad-1", "bad-3")
    assert records.notes[1].startswith("2 bad rows skipped; the first: ")
    assert "bad.csv:3: score of 'm': 9.0 is outside [0, 1]" in records.notes[1]


def test_skipping_every_row_is_refused(write):
    first, second = problems_of(write("bad.csv", "query,m\n,1\n"), on_bad_row="skip")
    assert "no usable row" in first
    assert "bad.csv:2: query: it is empty" in second


def test_columns_are_never_skipped(write):
    (problem,) = problems_of(write("bad.csv", "query,m,c\na,1,x\n"), on_bad_row="skip")
    assert "column 'c'" in problem


def test_nan_everywhere(write):
    (problem,) = problems_of(write("bad.csv", "query,small,large\na,,nan\n"))
    assert "bad.csv: scores: not one is measured (NaN everywhere)" in problem


def test_repeated_ids(write):
    path = write("bad.csv", "id,query,m\n1,a,1\n2,b,1\n1,c,0\n")
    (problem,) = problems_of(path)
    assert problem == f"{path}:4: id '1' is already the id of {path}:2; give each row its own"


def test_clashing_ids_of_a_long_table(write):
    path = write("bad.csv", "id,query,model,score\n1,a,m,1\n1,a,n,1\n1,b,o,0\n1,a,m,0\n,c,,1\n")
    no_model, other_query, repeated = problems_of(path)
    assert no_model.startswith(f"{path}:6: model: it is absent")
    assert other_query.startswith(f"{path}:4: id '1' has another query at {path}:2")
    assert repeated.startswith(f"{path}:5: id '1' and model 'm' occur a second time")


def test_rows_that_are_not_objects(write):
    path = write("bad.jsonl", '{"query": "a", "m": 1}\n[1]\n{"m": 1}\n{"query": ["b"], "m": 1}\n')
    a_list, no_query, no_text = problems_of(path)
    assert a_list.startswith(f"{path}:2: a JSON list where an object belongs")
    assert no_query.startswith(f"{path}:3: `query` is absent")
    assert no_text.startswith(f"{path}:4: query: ['b'] is not text")


REPEATED = (
    "key 'm' occurs more than once in one JSON object; only one value can count: keep the right one"
)


def test_a_key_twice_in_one_object(write):
    path = write("bad.jsonl", '{"query": "a", "m": 1}\n\n{"query": "b", "m": 1, "n": 0, "m": 0}\n')
    assert problems_of(path) == (f"{path}:3: {REPEATED}",)
    assert read_records(path, on_bad_row="skip").queries == ("a",)
    path = write("bad.json", '[{"query": "a", "m": 1}, {"query": "b", "m": 1, "m": 1}]')
    assert problems_of(path) == (f"{path}, item 2: {REPEATED}",)


def test_a_key_twice_in_the_scores_or_prices(write):
    path = write("routing_test.json", '[{"question": "a", "scores": {"m": 1, "m": 0}}]')
    assert problems_of(path) == (f"{path}, item 1: {REPEATED}",)
    write("routing_test.json", '[{"question": "a", "scores": {"m": 1}}]')
    price = '{"input_price": 1, "output_price": 2}'
    prices = write("llm_candidates.json", f'{{"m": {price}, "m": {price}}}')
    assert problems_of(path) == (f"{prices}: {REPEATED}",)


def test_a_truth_value_is_no_cost(write):
    path = write("bad.jsonl", '{"query": "a", "m": true, "m|cost": true}\n')
    assert problems_of(path) == (
        f"{path}:1: cost of 'm': True is a truth value, which only a score can be; give a number "
        ">= 0, or leave the cell empty",
    )


def test_text_that_is_no_unicode(write):
    (problem,) = problems_of(write("bad.jsonl", '{"query": "ab\\ud800", "m": 1}\n'))
    assert "query: character 3 is half of a surrogate pair" in problem


@pytest.mark.parametrize("name", ["id", "task", "group", "timestamp"])
def test_names_that_are_no_unicode(write, name):
    path = write("bad.jsonl", f'{{"query": "a", "m": 1, "{name}": "x\\ud800"}}\n')
    assert problems_of(path) == (
        f"{path}:1: {name}: character 2 is half of a surrogate pair; write the text as UTF-8",
    )


UNPRINTABLE = (
    "character 2 of 'm\\n' is '\\n'; the name of a model is one line of characters that can be "
    "printed: rename the model"
)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("wide.jsonl", '{"query": "a", "m\\n": 1, "m\\n|cost": 1}', ": column 'm\\n'"),
        ("long.jsonl", '{"query": "a", "model": "m\\n", "score": 1}', ":1: model"),
        ("routerdc.json", '[{"question": "a", "scores": {"m\\n": 1}}]', ", item 1: scores"),
    ],
)
def test_models_that_cannot_be_printed(write, name, content, place):
    path = write(name, content)
    assert problems_of(path) == (f"{path}{place}: {UNPRINTABLE}",)
    half = path.read_text().replace("\\n", "\\ud800")
    (problem,) = problems_of(write(name, half))
    assert problem.startswith(f"{path}{place.replace(chr(92) + 'n', chr(92) + 'ud800')}: ")
    assert "character 2 is half of a surrogate pair; write the text as UTF-8" in problem


@pytest.mark.parametrize("header", ["prompt,m\x1b[0m", "prompt,m\x1b[0m,m\x1b[0m|total_cost"])
def test_columns_that_cannot_be_printed(write, header):
    path = write("bad.csv", f"{header}\na{',1' * header.count(',')}\n")
    (problem,) = problems_of(path)
    assert problem.startswith(
        f"{path}: column 'm\\x1b[0m': character 2 of 'm\\x1b[0m' is '\\x1b'; the name of a model"
    )
    assert read_records(write("good.csv", "prompt,Modèle 1\na,1\n")).models == ("Modèle 1",)


def test_items_without_question_or_scores(write):
    path = write(
        "bad.json",
        '[{"question": "a", "scores": {"m": 1}}, {"question": 5, "scores": {}},'
        ' {"question": "b", "scores": [1]}, 7]',
    )
    no_text, no_scores, no_object = problems_of(path)
    assert no_text.startswith(f"{path}, item 2: question: 5 is not text")
    assert no_scores.startswith(f"{path}, item 3: scores: [1] is not an object")
    assert no_object.startswith(f"{path}, item 4: a JSON int where an object belongs")
