"""The commands of the evaluation on every real benchmark file that can be read, and on the others.

Each file teaches a router with its even rows, and is then what that router is tried on.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from knnrouter import Router, read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.estimators import KNN

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "llmrouter").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)

FIXED = KNN(k=20, weights="uniform", shrinkage=10)
"""Nothing to choose, so that fitting takes no time."""

SUBJECTS = ("abstract_algebra", "machine_learning", "virology")
SINGLE = (
    "llmrouter/routing_train.json",
    "routellm/gsm8k/gsm8k_responses.csv",
    "routellm/mt_bench/judgements.jsonl",
    "routerbench/arc_challenge_train.csv",
    "routerbench/arc_challenge_test.csv",
    *(f"routerdc/{name}.json" for name in ("MATH_prealgebra", "ceval", "mbpp")),
    *(
        f"routerdc/{name}.json"
        for stem in ("arc_challenge_", "cmmlu_", "gsm8k-", "humaneval_", "mmlu_")
        for name in (f"{stem}train", f"{stem}test")
    ),
)
FOLDERS = {"routellm/gsm8k": 1319, "routellm/mt_bench": 80, "routellm/mmlu": 14042}
"""With how many rows; each file of them is read on its own, too, but for MMLU's."""
SOME = (*SINGLE, *(f"routellm/mmlu/mmlu_{name}.csv" for name in SUBJECTS))
"""Every file that can be read, three subjects standing for all 57 of MMLU."""


@pytest.fixture(scope="module")
def remembered():
    """Each text is embedded once, for all the commands that ask for it."""
    known, embed = {}, StaticEmbedder.embed

    def recall(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embed(self, new), strict=True))
        return np.stack([known[text] for text in texts])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticEmbedder, "embed", recall)
        yield


@pytest.fixture
def tried(knn, remembered, tmp_path, monkeypatch):
    """Makes a router of the even rows of a file, and runs a command on the file with it."""
    monkeypatch.chdir(tmp_path)

    def learn(name):
        records = read_records(DATA / name)
        Router.fit(records.select(range(0, len(records), 2)), estimator=FIXED).save("router")
        return records

    return learn


@pytest.mark.parametrize("name", SOME)
def test_a_router_can_be_evaluated_calibrated_compared(name, knn, tried):
    records = tried(name)
    path, some = DATA / name, ("--router", "router", "--json")
    lint = knn("lint", path, "--json", code=1).json
    assert lint["rows"] == len(records)
    assert lint["findings"]

    found = knn("eval", path, *some, "--draws", 50).json
    taught = set(records.queries[::2])
    whole = ~np.isnan(records.scores[:, ~np.isnan(records.scores).all(axis=0)]).any(axis=1)
    rows = [row for row in np.flatnonzero(whole) if records.queries[row] not in taught]
    assert found["n"] == len(rows)
    assert found["verdict"] in ("pays", "does not pay", "cannot tell")
    singles = {each["name"]: each["quality"] for each in found["singles"]}
    assert singles == pytest.approx(
        {
            model: float(records.scores[rows, column].mean(dtype=float))
            for column, model in enumerate(records.models)
            if model in singles
        }
    )
    low, high = min(singles.values()), found["references"][-1]["quality"]
    assert low - 0.05 <= found["quality"] <= high  # no worse than the worst, but for luck

    best = found["best_single"]["name"]
    share = knn("calibrate", path, *some, "--share", f"{best}=0.5", "--holdout", 0).json
    assert share["policy"].startswith(("reserved:", "threshold:"))
    other = ("--policy-b", share["policy"])
    moves = knn("compare", "router", "router", path, *other, "--json", code=None)
    assert (moves.json["n"], moves.code) == (len(records), int(moves.json["moved"] > 0))
    assert moves.json["second"]["shares"].get(best, 0) <= 0.5 + 1e-9


@pytest.mark.parametrize("name", SOME)
def test_folds_and_the_page(name, knn, tried):
    page = knn("report", DATA / name, "--out", "page.html", "--folds", 2, "--draws", 20, "--json")
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert page.json["verdict"] in text.lower()


@pytest.mark.parametrize(("name", "rows"), FOLDERS.items())
def test_folders(name, rows, knn, tried):
    found = knn("eval", DATA / name, "--folds", 2, "--draws", 50, "--json").json
    assert found["n"] == rows


def test_the_others_are_bad_input(knn, tried):
    readable = {*SINGLE, *(f"routellm/mmlu/{path.name}" for path in DATA.glob("*/mmlu/*.csv"))}
    kinds = {".csv", ".json", ".jsonl"}
    names = [path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.suffix in kinds]
    others = sorted(set(names) - readable)
    assert len(others) >= 7
    tried("routerdc/humaneval_test.json")
    for name in (*others, "srivatsa", "absent"):
        for argv in (
            ("eval", DATA / name, "--folds", 2),
            ("eval", DATA / name, "--router", "router"),
            ("lint", DATA / name),
            ("report", DATA / name, "--folds", 2, "--out", "page.html"),
        ):
            ran = knn(*argv, code=2)
            assert ran.out == "", argv
            kinds = Counter(line.partition(":")[0] for line in ran.err.splitlines())
            assert kinds["error"] >= 1, (argv, ran.err)
        assert not Path("page.html").exists()


def test_queries_without_outcomes(knn, tried):
    """ulab's file of texts and tasks is traffic, though nothing to evaluate on."""
    tried("llmrouter")
    path = DATA / "llmrouter" / "query_train.jsonl"
    shares = knn("compare", "router", "router", path, "--json").json["first"]["shares"]
    most = next(iter(shares))
    assert shares[most] > 0.3
    ran = knn("calibrate", path, "--router", "router", "--share", f"{most}=0.2", "--json")
    assert ran.json["used"] + ran.json["held_out"] == 5616
    spec = ran.json["policy"]
    moves = knn("compare", "router", "router", path, "--policy-b", spec, "--json", code=1).json
    assert moves["measured"] == 0
    assert moves["second"]["shares"][most] == pytest.approx(0.2, abs=0.03)
