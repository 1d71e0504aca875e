import json
import os

import pytest

from knnrouter import Router


def test_the_summary(knn, work):
    ran = knn("build", "results.csv", "--out", "new", "--k", 2, "--shrinkage", 0)
    lines = ran.out.splitlines()
    assert lines[0] == "saved new: 6 rows, 2 tasks"
    assert lines[1].split() == ["model", "mean", "score", "mean", "USD", "rows", "measured"]
    assert lines[2].split() == ["coder", "0.583", "$0.002000", "6"]  # (3 + 0.5) / 6
    assert lines[3].split() == ["poet", "0.450", "$0.001000", "5"]  # 2.25 / 5
    assert "note: recognized as: table (CSV)" in ran.err.splitlines()
    assert "next: knnrouter route --router new 'Why is the sky blue?'" in ran.err.splitlines()
    assert lines[4].startswith("estimator: kind knn, k 2, ")


def test_no_progress_off_a_terminal(knn, work):
    ran = knn("build", "results.csv", "--out", "new")
    assert "Embedding" not in ran.out + ran.err
    assert "%" not in ran.out
    assert len(ran.err.splitlines()) == 4  # two notes, the time, the next step


def test_the_summary_as_json(knn, work):
    found = knn("build", "results.csv", "--out", "new", "--json").json
    keys = ["out", "rows", "tasks", "models", "embedder", "estimator", "notes", "seconds"]
    assert list(found) == keys
    assert (found["out"], found["rows"], found["tasks"]) == ("new", 6, 2)
    assert found["models"][1] == {
        "name": "poet",
        "measured": 5,
        "mean_score": pytest.approx(0.45),
        "mean_cost": pytest.approx(0.001),
    }
    assert found["estimator"] == dict(Router.load("new").estimator.settings)


def test_a_cost_that_nobody_measured_is_null(knn, work):
    (work / "bare.csv").write_text("query,a,b\nSort in C.,1,0\n")
    models = knn("build", "bare.csv", "--out", "new", "--json").json["models"]
    assert [model["mean_cost"] for model in models] == [None, None]
    assert "–" in knn("build", "bare.csv", "--out", "new").out


def test_settings_are_kept(knn, work):
    options = ("--k", 3, "--weights", "softmax", "--temperature", 0.2, "--shrinkage", 1.5)
    knn("build", "results.csv", "--out", "new", *options)
    assert dict(Router.load("new").estimator.settings) == {
        "kind": "knn",
        "k": 3,
        "weights": "softmax",
        "temperature": 0.2,
        "shrinkage": 1.5,
    }


def test_reading_options(knn, work):
    (work / "l1.csv").write_bytes("query,a,b,by\nÜber das Meer,10,5,me\nx,none,9,me\n".encode("l1"))
    options = ("--encoding", "latin-1", "--scale", "0,10", "--ignore", "by", "--format", "table")
    knn("build", "l1.csv", "--out", "new", *options)
    records = Router.load("new").records
    assert records.queries == ("Über das Meer", "x")
    assert records.models == ("a", "b")
    assert records.scores.tolist()[0] == [1.0, 0.5]
    knn("build", "l1.csv", "--out", "new", *options[:2], *options[4:], "--threshold", 8)
    assert Router.load("new").records.scores[:, 1].tolist() == [0, 1]


def test_bad_rows_can_be_skipped(knn, work):
    (work / "some.csv").write_text("query,a,b\nSort in C.,1,0\nbad,good,0\nAn ode.,0,1\n")
    assert "'good'" in knn("build", "some.csv", "--out", "new", code=2).err
    ran = knn("build", "some.csv", "--out", "new", "--on-bad-row", "skip")
    assert Router.load("new").records.queries == ("Sort in C.", "An ode.")
    assert "note: 1 bad row skipped; the first: some.csv:3: " in ran.err


def test_condensed(knn, work):
    knn("build", "results.csv", "--out", "new", "--condense", 2)
    records = Router.load("new").records
    assert len(records) == 2
    assert set(records.queries) == {None}
    assert records.weights.sum() == 6


def test_a_seed_draws_other_clusters(knn, work):
    rows = "".join(f"Sort {number} words in {'CD'[number % 2]}.,1,0\n" for number in range(60))
    (work / "many.csv").write_text("query,a,b\n" + rows)

    def weights(seed):
        knn("build", "many.csv", "--out", "new", "--condense", 7, "--seed", seed)
        return sorted(Router.load("new").records.weights)

    assert weights(0) == weights(0)
    assert len({tuple(weights(seed)) for seed in range(4)}) > 1


def test_without_the_text(knn, work):
    knn("build", "results.csv", "--out", "new", "--no-queries")
    assert not any(b"haiku" in path.read_bytes() for path in (work / "new").iterdir())
    assert knn("route", "A haiku on the moon.", "--router", "new").out.startswith("poet: ")


def test_the_next_step_names_the_pool(knn, work):
    ran = knn("build", "results.csv", "--out", work / "router", "--pool", "pool.yaml")
    assert "next: knnrouter route --pool pool.yaml 'Why is the sky blue?'" in ran.err
    ran = knn("build", "results.csv", "--out", "two words", "--pool", "pool.yaml")
    assert "knnrouter route --router 'two words' --pool pool.yaml" in ran.err


def test_a_pool_that_does_not_fit_is_said(knn, work):
    (work / "two.yaml").write_text("models: [{name: coder, aliases: [poet]}]\n")
    ran = knn("build", "results.csv", "--out", "new", "--pool", "two.yaml", code=2)
    assert "the pool's model 'coder' matches 2 columns of the records" in ran.err
    assert not (work / "new").exists()


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends(knn, work, start, end):
    text = (work / "results.csv").read_text()
    (work / "b.csv").write_bytes(start + text.replace("\n", end).encode())
    knn("build", "b.csv", "--out", "new")
    assert Router.load("new").records.queries == Router.load("router").records.queries


def test_one_model_is_warned_about(knn, work):
    (work / "one.csv").write_text("query,a\nSort in C.,1\nAn ode.,0\n")
    ran = knn("build", "one.csv", "--out", "new")
    [warning] = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: a is the only model")
    assert knn("route", "An ode.", "--router", "new").out.startswith("a: ")


def test_chinese_text(knn, work):
    rows = [
        {"query": "写一首关于月亮的诗", "诗人": 1, "b": 0},
        {"query": "Sort in C.", "诗人": 0, "b": 1},
    ]
    (work / "zh.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows))
    assert "诗人" in knn("build", "zh.jsonl", "--out", "new", "--k", 1).out
    ran = knn("route", "写一首关于月亮的诗", "--router", "new", "--json")
    assert ran.json["model"] == "诗人"
    assert "诗人" in ran.out


def test_records_with_many_missing_cells(knn, work):
    rows = [f"Sort {n} numbers in C.,{'' if n % 5 < 4 else 1},{n % 2}\n" for n in range(50)]
    (work / "holes.csv").write_text("query,a,b\n" + "".join(rows))
    ran = knn("build", "holes.csv", "--out", "new")
    assert "note: 40 of 100 scores not measured (40.0%)" in ran.err
    assert knn("route", "Sort 8 numbers in C.", "--router", "new").out.startswith("a: ")


def test_saved_over_the_old_router_at_once(knn, work):
    before = set(os.listdir("router"))
    (work / "bare.csv").write_text("query,a,b\nSort in C.,1,0\n")
    knn("build", "bare.csv", "--out", "router", "--estimator", "knn")
    assert Router.load("router").records.models == ("a", "b")
    assert len(os.listdir("router")) == len(before)


def test_an_unusable_out_is_refused_before_the_work(knn, work):
    (work / "notes").mkdir()
    (work / "notes" / "a.txt").write_text("kept")
    for out, message in {
        "notes": "notes is not empty and is no saved router: it holds a.txt",
        "results.csv": "results.csv is a file; give the name of a folder",
    }.items():
        ran = knn("build", "results.csv", "--out", out, code=2)
        assert message in ran.err
        assert "recognized" not in ran.err
    assert (work / "notes" / "a.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "0"], "k is 0; give a whole number"),
        (["--k", "many"], "k is 'many'; give a whole number"),
        (["--weights", "cosine"], "weights is 'cosine'; give one of"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--shrinkage", "-1"], "shrinkage is -1"),
        (["--scale", "100"], "'100' is no LOW,HIGH, such as 0,100"),
        (["--scale", "5,1"], "scale is (5.0, 1.0)"),
        (["--threshold", "nan"], "threshold is nan"),
        (["--condense", "0"], "--condense"),
        (["--seed", "-1"], "--seed"),
        (["--on-bad-row", "guess"], "--on-bad-row"),
        (["--format", "tabel"], "did you mean 'table'?"),
        (["--format", "llmrouter"], "is a CSV file, but format 'llmrouter' is"),
        (["--encoding", "utf-99"], "'utf-99' is not an encoding"),
        (["--embedder", "word2vec"], "--embedder is 'word2vec'"),
        (["--embedder", "sentence-transformer:"], "--embedder is 'sentence-transformer:'"),
        (["--pool", "no.yaml"], "no.yaml: there is no such file"),
        (["--ignore", "coder", "--ignore", "poet"], "no model"),
    ],
)
def test_wrong_options(knn, work, options, message):
    ran = knn("build", "results.csv", "--out", "new", *options, code=2)
    assert message in ran.err
    assert ran.out == ""
    assert not (work / "new").exists()


class TestEstimator:
    def test_it_is_named(self, knn, work):
        spec = "knn:k=3,weights=uniform,shrinkage=1.5"
        knn("build", "results.csv", "--out", "new", "--estimator", spec)
        settings = Router.load("new").estimator.settings
        assert (settings["k"], settings["weights"], settings["shrinkage"]) == (3, "uniform", 1.5)

    def test_the_pool_names_it(self, knn, work):
        (work / "pool.yaml").write_text(
            "router: {index: new, estimator: {kind: knn, k: 2, shrinkage: 3}}\n"
            "models: [{name: coder}, {name: poet}]\n"
        )
        knn("build", "results.csv", "--out", "new", "--pool", "pool.yaml")
        settings = Router.load("new").estimator.settings
        assert (settings["k"], settings["shrinkage"]) == (2, 3)
        assert Router.from_yaml("pool.yaml").estimator.settings == settings

    def test_another_one_than_the_pool_names_is_refused(self, knn, work):
        (work / "pool.yaml").write_text(
            "router: {index: new, estimator: 'knn:k=2'}\nmodels: [{name: coder}, {name: poet}]\n"
        )
        assert "warning" not in knn("build", "results.csv", "--out", "new", "--k", 3).err
        built = knn("build", "results.csv", "--out", "new", "--k", 3, "--pool", "pool.yaml")
        assert "warning: the pool's router.estimator is not what new was built with" in built.err
        ran = knn("route", "Sort in C.", "--pool", "pool.yaml", code=2)
        assert "router.estimator is not what" in ran.err
        assert "k is 3, not 2; build it again with" in ran.err

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("forest", "unknown estimator 'forest'; known: "),
            ("knm", "unknown estimator 'knm' (did you mean 'knn'?)"),
            ("knn:depth=3", "estimator knn: unknown setting 'depth'"),
            ("knn:k=0,shrinkage=-1", "k is 0; give a whole number of at least 1"),
            ("knn:k", "'k' is no setting; write kind:setting=value"),
        ],
    )
    def test_what_is_wrong(self, knn, work, spec, message):
        ran = knn("build", "results.csv", "--out", "new", "--estimator", spec, code=2)
        assert message in ran.err
        assert not (work / "new").exists()

    def test_the_settings_of_the_vote_beside_it(self, knn, work):
        more = ("--estimator", "knn", "--k", 2)
        ran = knn("build", "results.csv", "--out", "new", *more, code=2)
        assert "'knn' and --k are both given" in ran.err
        assert "--estimator knn:k=2" in ran.err
