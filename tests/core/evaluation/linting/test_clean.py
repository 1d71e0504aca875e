import json

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import ModelPool, RecordSet
from knnrouter.embedders import FunctionEmbedder, StaticEmbedder
from knnrouter.errors import EmbedderError, EvaluationError
from knnrouter.evaluation import Finding, LintReport, lint


@pytest.fixture(scope="module")
def clean():
    return [RecordSet.from_rows(clean_rows(seed=seed)) for seed in range(4)]


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_file_has_no_findings(seed, clean):
    report = lint(clean[seed], clean[seed - 1], seed=seed)
    assert report.findings == ()
    assert report.skipped == ()
    assert str(report) == "400 rows: nothing found"
    assert report.to_dict() == {"findings": [], "rows": 400, "skipped": []}


def test_findings_are_plain_json_and_sentences(clean):
    rows = clean_rows(60)
    for row in rows:
        row["cook"] = 0.0
        row["coder|cost"] = None
    report = lint(RecordSet.from_rows([*rows, *clean_rows(2)[:1]], ignore=["id"]))
    assert len(report.findings) >= 3
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert [each["code"] for each in told["findings"]] == list(report.codes)
    assert set(told["findings"][0]) == {"code", "value", "why", "todo"}
    for finding in report.findings:
        assert finding.why.endswith(".")
        assert finding.todo.endswith(".")
        assert str(finding) in str(report)


def test_the_same_seed_gives_the_same_report(clean):
    records = clean[0].select(range(50))
    assert lint(records, seed=3).to_dict() == lint(records, seed=3).to_dict()


def test_the_embedder_says_what_is_near(clean):
    alike = FunctionEmbedder(lambda texts: [[1.0, 0.0]] * len(texts), 2, "alike")
    assert "near_duplicate_queries" in lint(clean[0], embedder=alike).codes
    with pytest.raises(EmbedderError, match="the only name is 'static'"):
        lint(clean[0], embedder="dynamic")


def test_records_without_rows_are_refused(clean):
    empty = clean[0].select([])
    with pytest.raises(EvaluationError, match=r"\Arecords: 0 rows"):
        lint(empty)
    with pytest.raises(EvaluationError, match=r"\Aother: 0 rows"):
        lint(clean[0], empty)


def test_condensed_records_are_looked_at_without_text(clean):
    embedder = StaticEmbedder()
    condensed = clean[0].condense(embedder, rows=240)
    report = lint(condensed, clean[1])
    assert report.findings == ()
    assert report.skipped[0].startswith("240 of 240 rows keep no text")
    assert report.skipped[1].startswith("the two record sets do not hold vectors of one embedder")
    shuffled = RecordSet(
        **condensed.as_dict()
        | {"vectors": np.random.default_rng(0).permutation(condensed.vectors), "tasks": None}
    )
    assert "no_locality" in lint(shuffled).codes


def test_a_pool_is_matched_with_the_columns(clean):
    pool = ModelPool.from_text("models: [{name: a, aliases: [coder]}, {name: b}]\n")
    assert lint(clean[0], pool=pool).findings[0].value == 1


def test_a_report_shows_each_finding():
    finding = Finding(code="c", value={"a": 1.0}, why="Why.", todo="Do.")
    report = LintReport(findings=(finding,), rows=1_000, skipped=("s",))
    assert str(report) == "1,000 rows: 1 finding\nc: Why. Do."
    assert report.to_dict()["findings"] == [
        {"code": "c", "value": {"a": 1.0}, "why": "Why.", "todo": "Do."}
    ]
    assert report.codes == ("c",)
