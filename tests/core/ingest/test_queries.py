import pytest

from knnrouter.errors import RecordsError
from knnrouter.ingest.queries import read_queries


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def problems(path, **options):
    with pytest.raises(RecordsError) as caught:
        read_queries(path, **options)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def test_a_text_file_has_a_query_a_line(file):
    content = "\ufeffWhat is 2 + 2?\r\n\r\n  Why, then?\n\nNo end"
    assert read_queries(file("a.txt", content)) == ["What is 2 + 2?", "  Why, then?", "No end"]


def test_a_line_separator_of_unicode_ends_no_line(file):
    assert read_queries(file("a.txt", "one\u2028and two\x0cand three\n")) == [
        "one\u2028and two\x0cand three"
    ]


def test_a_table_has_a_column_query(file):
    rows = '{"query": "Why?", "user": 7}\n\n{"query": "Two\\nlines"}\n'
    assert read_queries(file("a.jsonl", rows)) == ["Why?", "Two\nlines"]
    table = 'user,query\n7,"Why, then?"\n8,"Two\nlines"\n'
    assert read_queries(file("a.csv", table)) == ["Why, then?", "Two\nlines"]
    assert read_queries(file("B.CSV", table)) == ["Why, then?", "Two\nlines"]
    assert read_queries(file("B.TXT", "Why?\n")) == ["Why?"]


def test_all_bad_rows_are_told_with_their_lines(file):
    rows = '{"query": " "}\n{"query": "good"}\n{"query": 5}\n{"text": "x"}\n[1]\n{"query"\n'
    found = problems(file("a.jsonl", rows))
    assert [problem.partition(": ")[0] for problem in found] == [":1", ":3", ":4", ":5", ":6"]
    assert "it is empty" in found[0]
    assert "5 is not text" in found[1]
    assert "None is not text" in found[2]
    assert "a JSON list where an object belongs" in found[3]
    assert "not JSON" in found[4]
    found = problems(file("a.csv", 'query,user\nWhy?,1\n"",2\none,two,three\n'))
    assert [problem.partition(": ")[0] for problem in found] == [":3", ":4"]


def test_without_the_column_the_columns_are_named(file):
    (problem,) = problems(file("a.csv", "Query,user\nWhy?,1\n"))
    assert problem == (
        ": there is no column `query`; the columns are 'Query', 'user': rename the one that holds "
        "the queries; did you mean 'Query'?"
    )


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", " \n", ": the file is empty"),
        ("a.csv", "query\n", ": there is a header and no row; give at least one query"),
        ("a.parquet", "x", ": queries stand in a .txt"),
        ("a.txt", b"one\ntw\xff\n", ":2: byte 0xff is not utf-8"),
    ],
)
def test_files_that_cannot_be_used(file, name, content, problem):
    (found,) = problems(file(name, content))
    assert found.startswith(problem)


def test_another_encoding(file):
    assert read_queries(file("a.txt", "Größe?\n".encode("latin-1")), encoding="latin-1") == [
        "Größe?"
    ]


def test_no_such_file(tmp_path):
    (found,) = problems(tmp_path / "a.txt")
    assert found == ": cannot be read (No such file or directory); check the path"
