import csv

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import read_records
from knnrouter.evaluation import lint


def write(path, rows, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def clean(tmp_path):
    return write(tmp_path / "clean.csv", clean_rows(240))


@pytest.fixture
def other(tmp_path):
    return write(tmp_path / "other.csv", clean_rows(240, seed=1))


@pytest.fixture
def dirty(tmp_path):
    """No costs, one cell missing, and a query that is there twice."""
    rows = [
        {name: value for name, value in row.items() if "|" not in name}
        for row in (*clean_rows(240), clean_rows(1)[0] | {"id": "again"})
    ]
    rows[3]["cook"] = ""
    return write(tmp_path / "dirty.csv", rows)


def codes(ran):
    return [finding["code"] for finding in ran.json["findings"]]


def test_a_clean_file_is_fine(clean, other, knn):
    ran = knn("lint", clean)
    assert ran.out == "240 rows: nothing found\n"
    assert ran.err == "note: recognized as: table (CSV)\n"
    ran = knn("lint", clean, other, "--json")
    assert ran.json == {"findings": [], "rows": 240, "skipped": []}


def test_findings_give_exit_code_1_and_say_what_to_do(dirty, knn):
    ran = knn("lint", dirty, code=1)
    heading, *paragraphs = ran.out.split("\n\n")
    assert heading == "241 rows: 3 findings"
    names = [paragraph.splitlines()[0] for paragraph in paragraphs]
    assert names == ["missing_cells", "unpriced_models", "duplicate_queries"]
    report = lint(read_records(dirty))
    for paragraph, finding in zip(paragraphs, report.findings, strict=True):
        assert paragraph.rstrip("\n").splitlines() == [
            finding.code, f"  {finding.why}", f"  → {finding.todo}",
        ]  # fmt: skip


def test_json_is_what_python_says(dirty, knn):
    ran = knn("lint", dirty, "--json", code=1)
    assert ran.json == lint(read_records(dirty)).to_dict()
    assert ran.json["findings"][0]["value"] == {"cook": pytest.approx(1 / 241)}
    assert [list(finding) for finding in ran.json["findings"]] == 3 * [
        ["code", "value", "why", "todo"]
    ]


def test_a_second_file_is_compared(clean, dirty, knn):
    ran = knn("lint", clean, dirty, "--json", code=1)
    assert codes(ran) == ["leaked_queries"]
    assert ran.json["findings"][0]["value"] == {"rows": 241, "share": 1.0}
    assert ran.err.count("note: recognized as: table (CSV)") == 2
    assert codes(knn("lint", dirty, clean, "--json", code=1))[-1] == "leaked_queries"


def test_a_pool_has_prices(dirty, tmp_path, knn):
    pool = tmp_path / "pool.yaml"
    pool.write_text(
        "models:\n" + "".join(
            f"  - {{name: {name}, price: {{input: 1, output: 2}}}}\n"
            for name in ("coder", "jurist", "cook")
        )
    )  # fmt: skip
    ran = knn("lint", dirty, "--pool", pool, "--json", code=1)
    assert codes(ran) == ["missing_cells", "duplicate_queries"]


class TestReading:
    """The options of `build` mean the same here."""

    def test_scale_and_threshold(self, clean, tmp_path, knn):
        rows = clean_rows(240)
        for row in rows:
            row |= {name: 100 * row[name] for name in ("coder", "jurist", "cook")}
        percent = write(tmp_path / "percent.csv", rows)
        assert "scale=(low, high)" in knn("lint", percent, code=2).err
        assert knn("lint", percent, "--scale", "0,100").out == "240 rows: nothing found\n"
        ran = knn("lint", clean, "--threshold", "0.5", "--json", code=1)
        assert codes(ran) == ["tied_best", "order_sensitive_labels", "all_equal_rows"]

    def test_ignored_columns(self, tmp_path, knn):
        rows = [row | {"annotator": "Ann"} for row in clean_rows(240)]
        path = write(tmp_path / "annotated.csv", rows)
        assert "annotator" in knn("lint", path, code=2).err
        assert knn("lint", path, "--ignore", "annotator").out == "240 rows: nothing found\n"

    def test_bad_rows(self, clean, knn):
        clean.write_text(clean.read_text() + "broken,,code,1,1,1,1,1,1\n")
        assert "error: " in knn("lint", clean, code=2).err
        ran = knn("lint", clean, "--on-bad-row", "skip")
        assert ran.out == "240 rows: nothing found\n"
        assert "skipped" in ran.err

    def test_encoding(self, tmp_path, knn):
        rows = clean_rows(240)
        rows[0]["query"] = "Où est la bibliothèque?"
        path = write(tmp_path / "latin.csv", rows, encoding="latin-1")
        assert "error: " in knn("lint", path, code=2).err
        knn("lint", path, "--encoding", "latin-1")

    def test_format(self, clean, knn):
        assert "format 'csv' is unknown" in knn("lint", clean, "--format", "csv", code=2).err
        knn("lint", clean, "--format", "table")


def test_bad_input_is_no_finding(clean, tmp_path, knn):
    missing = tmp_path / "missing.csv"
    assert str(missing) in knn("lint", missing, code=2).err
    ran = knn("lint", clean, missing, code=2)
    assert (ran.out, str(missing) in ran.err) == ("", True)
    assert "--embedder is 'bert'" in knn("lint", clean, "--embedder", "bert", code=2).err
    assert str(missing) in knn("lint", clean, "--pool", missing, code=2).err
    assert "--seed" in knn("lint", clean, "--seed", "-1", code=2).err
    assert "FILE" in knn("lint", code=2).err


def test_the_seed_draws_the_shuffles(tmp_path, knn):
    """Scores that belong to other queries have no locality; what it is compared with is drawn."""
    rows = clean_rows(60)
    queries = np.random.default_rng(0).permutation([row["query"] for row in rows])
    for row, query in zip(rows, queries, strict=True):
        row["query"] = query
    path = write(tmp_path / "mixed.csv", rows)
    values = []
    for seed in ((), ("--seed", "0"), ("--seed", "1")):
        findings = knn("lint", path, *seed, "--json", code=1).json["findings"]
        values += [each["value"] for each in findings if each["code"] == "no_locality"]
    assert values[0] == values[1]
    assert values[0]["near"] == values[2]["near"]
    assert values[0]["shuffled_high"] != values[2]["shuffled_high"]
