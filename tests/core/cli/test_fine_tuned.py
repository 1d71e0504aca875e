"""`build`, `route` and `eval` with estimators that fine-tune a transformer."""

import json
import shutil

import pytest
from tiny_transformers import write_causal_lm, write_encoder

pytest.importorskip("torch")
WORDS = ("sort", "sonnet", "a", "the", "list", "moon", "sea", "array", "numbers", "rain")
PLACES = ("moon", "sea", "rain", "list", "array", "numbers")
QUICK = "epochs=6,batch=8,learning_rate=0.01,head_learning_rate=0.1,max_length=16,holdout=0"


def table(start, stop):
    """Half of the queries are code, half are verse; only one model is right each time."""
    lines = ["query,task,coder,poet,coder|cost,poet|cost"]
    for row in range(start, stop):
        verse = row % 2
        word = ("sort", "sonnet")[verse]
        lines.append(
            f"{word} the {PLACES[row % 6]} {row},{('code', 'verse')[verse]},"
            f"{1 - verse},{verse},0.002,0.001"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "train.csv").write_text(table(0, 48))
    (tmp_path / "test.csv").write_text(table(100, 140))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        f"encoder_multi_label:backbone=tiny,{QUICK}",
        f"encoder_separate:backbone=tiny,{QUICK}",
        f"encoder_win_rate:strong=coder,weak=poet,backbone=tiny,{QUICK}",
    ],
)
def test_an_encoder(spec, knn, place):
    write_encoder(place / "tiny", WORDS, layers=1)
    summary = knn("build", "train.csv", "--out", "new", "--estimator", spec, "--json").json
    assert summary["estimator"]["kind"] == spec.partition(":")[0]
    assert summary["estimator"]["backbone"] == "tiny"
    shutil.rmtree(place / "tiny")
    answers = knn("route", "--router", "new", "--lines", "--json", stdin="sort a\nsonnet a\n").out
    assert [json.loads(line)["model"] for line in answers.splitlines()] == ["coder", "poet"]
    first = knn("eval", "test.csv", "--router", "new").out.splitlines()[0]
    assert "quality is 0.5000 [" in first


def test_a_causal_language_model(knn, place):
    write_causal_lm(place / "tiny", WORDS, layers=1)
    spec = (
        "causal_lm:strong=coder,weak=poet,backbone=tiny,"
        "epochs=8,batch=8,learning_rate=0.03,max_length=64,holdout=0"
    )
    knn("build", "train.csv", "--out", "new", "--estimator", spec)
    shutil.rmtree(place / "tiny")
    policy = "threshold:strong=coder,weak=poet,threshold=0.5"
    for text, model in (("sort a", "coder"), ("sonnet a", "poet")):
        found = knn("route", "--router", "new", "--policy", policy, "--json", text).json
        assert found["model"] == model
        assert found["reason"].startswith("win rate of coder is ")


def test_a_backbone_that_is_not_there(knn, place):
    spec = "encoder_multi_label:backbone=./nowhere/at/all"
    ran = knn("build", "train.csv", "--out", "new", "--estimator", spec, code=2)
    assert "backbone './nowhere/at/all' cannot be read" in " ".join(ran.err.split())
    assert not (place / "new").exists()
