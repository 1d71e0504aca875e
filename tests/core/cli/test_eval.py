"""`eval` and `report`: what they say, to whom, and how they refuse."""

import fcntl
import json
import os

import pytest

from knnrouter import Router, read_records
from knnrouter.evaluation import evaluate

MORE = """\
query,task,coder,poet,coder|cost,poet|cost
Reverse an array of numbers in Python.,code,1,0,0.002,0.001
Sort a linked list in C.,code,1,1,0.002,0.001
Write a haiku on the sea.,verse,0,1,0.002,0.001
Write a sonnet on the moon and rain.,verse,1,0,0.002,0.001
"""


@pytest.fixture
def more(work):
    (work / "more.csv").write_text(MORE)
    return work


class TestEval:
    def test_the_verdict_is_the_first_line(self, knn, more):
        ran = knn("eval", "more.csv", "--router", "router")
        first, blank, heads, *rows = ran.out.splitlines()
        assert first.startswith("cannot tell: with n = 4; ")
        assert blank == ""
        assert heads.split() == [
            *("choice", "mean", "score", "USD", "per", "1,000"),
            *("routing", "is", "ahead", "by"),
        ]
        assert rows[0].split()[:2] == ["routing", "0.7500"]
        assert any(row.startswith("best single model, chosen in training  ") for row in rows)
        assert any(row.split() == ["poet", "0.5000", "1.0000", "50.0", "%"] for row in rows)
        assert any(row.split() == ["code", "2", "1.0000", "1.0000", "1.0000"] for row in rows)

    def test_json_is_the_report(self, knn, more):
        found = knn("eval", "more.csv", "--router", "router", "--json").json
        head = ["verdict", "verdict_text", "n", "quality", "cost", "best_single", "interval"]
        assert list(found)[: len(head)] == head
        report = evaluate(Router.load("router"), read_records("more.csv"))
        same = report.to_dict()
        for each in (found, same):
            del each["overhead"]  # the only figure of a clock
        assert found == same
        assert (found["n"], found["quality"]) == (4, 0.75)
        assert found["cost"] == pytest.approx(0.0015)

    def test_folds_need_no_router(self, knn, more):
        ran = knn("eval", "more.csv", "--folds", 2, "--draws", 20)
        assert "(n = 4" in ran.out
        assert "2 folds: each row was routed by what the other folds teach" in ran.err

    def test_options_reach_the_evaluation(self, knn, more):
        found = knn(
            *("eval", "more.csv", "--router", "router", "--policy", "cheapest_above:min_score=0"),
            *("--groups", "task", "--chance", 0.25, "--pair", "coder,poet", "--confidence", 0.5),
            *("--seed", 3, "--draws", 50, "--json"),
        ).json
        assert found["behavior"]["shares"] == {"coder": 0.0, "poet": 1.0}
        assert found["clustered"] is True
        assert found["confidence"] == 0.5
        assert found["pair"]["strong"] == "coder"
        assert any("without lucky guesses" in each["name"] for each in found["references"])

    def test_what_the_router_was_built_from_is_left_out(self, knn, more):
        (more / "both.csv").write_text(
            (more / "results.csv").read_text() + "".join(MORE.splitlines(keepends=True)[1:])
        )
        ran = knn("eval", "both.csv", "--router", "router")
        assert "warning: 1 of 10 rows were left out, on which not every model" in ran.err
        assert "warning: 6 of 10 rows were left out, whose text stands in the router's" in ran.err
        assert ran.err.count("whose text stands") == 1
        assert "n = 4" in ran.out

    @pytest.mark.parametrize(
        ("argv", "why"),
        [
            (("results.csv", "--router", "router"), "no row is left to evaluate on"),
            (("absent.csv", "--router", "router"), "absent.csv: no such file or folder"),
            (("more.csv", "--router", "absent"), "absent"),
            (("more.csv",), "no model in common"),
            (("more.csv", "--folds", "5"), "folds is 5, of 4 rows"),
            (("more.csv", "--folds", "1"), "folds is 1, of 4 rows"),
            (("more.csv", "--folds", "0"), "folds is 0, of 4 rows"),
            (("more.csv", "--folds", "2", "--router", "router"), "give --router or --folds"),
            (("more.csv", "--router", "router", "--near", "0.9"), "--near"),
            (("more.csv", "--router", "router", "--pair", "coder"), "no STRONG,WEAK"),
            (("more.csv", "--router", "router", "--pair", "coder,tiny"), "pair is"),
            (("more.csv", "--router", "router", "--groups", "group"), "no groups"),
            (("more.csv", "--router", "router", "--groups", "topic"), "topic"),
            (("more.csv", "--router", "router", "--chance", "1.5"), "chance has"),
            (("more.csv", "--router", "router", "--confidence", "95"), "confidence is 95"),
            (("more.csv", "--router", "router", "--draws", "0"), "--draws"),
            (("more.csv", "--router", "router", "--policy", "best"), "unknown policy 'best'"),
        ],
    )
    def test_refusals(self, knn, more, argv, why):
        ran = knn("eval", *argv, code=2)
        assert why in " ".join(ran.err.split())
        assert ran.out == ""

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ("Sort a list.,1,0\nAn ode.,1,0\nA haiku.,1,0\n", "does not pay"),
            ("Sort a list.,1,1\nAn ode.,1,1\nA haiku.,1,1\n", "does not pay"),
            ("Sort a list.,0.5,0.5\nAn ode.,0.5,0.5\n", "does not pay"),
            ("Sort a list.,0,0\nAn ode.,0,0\nA haiku.,0,0\n", "does not pay"),
        ],
    )
    def test_scores_that_leave_nothing_to_choose(self, knn, more, rows, said):
        """One class, constant scores, strong equal to weak: NaN with a warning, or a plain no."""
        (more / "flat.csv").write_text("query,coder,poet\n" + rows)
        found = knn("eval", "flat.csv", "--folds", 2, "--draws", 20, "--json")
        assert found.json["verdict"] == said
        assert found.json["cost"] is None
        assert found.json["reliability"]["roc_auc"] is None or "1,0" in rows

    def test_a_model_that_was_never_measured(self, knn, more):
        (more / "new.csv").write_text(
            "query,coder,poet,new\n" + "".join(f"Sort {row}.,{row % 2},1,\n" for row in range(6))
        )
        ran = knn("eval", "new.csv", "--router", "router")
        assert "n = 6" in ran.out
        (more / "bare.csv").write_text("query,coder,poet\nSort it.,1,\nAn ode.,0,\n")
        ran = knn("eval", "bare.csv", "--router", "router", "--json")
        assert "warning: left out, never measured: poet" in ran.err
        assert [each["name"] for each in ran.json["singles"]] == ["coder"]

    def test_files_without_a_score_or_a_common_model(self, knn, more):
        (more / "empty.csv").write_text("query,coder,poet\nSort it.,,\nAn ode.,,\n")
        (more / "other.csv").write_text("query,tiny,huge\nSort it.,1,0\nAn ode.,0,1\n")
        for argv in (("--folds", 2), ("--router", "router")):
            assert "not one is measured" in knn("eval", "empty.csv", *argv, code=2).err
        ran = knn("eval", "other.csv", "--router", "router", code=2)
        assert "chooses among coder, poet, and the records measure tiny, huge" in ran.err
        assert ran.out == ""

    def test_a_strong_model_no_better_than_the_weak_one(self, knn, more):
        rows = "".join(f"Sort list {row}.,{row % 2},{row % 2}\n" for row in range(12))
        (more / "equal.csv").write_text("query,coder,poet\n" + rows)
        ran = knn("eval", "equal.csv", "--router", "router", "--pair", "coder,poet", "--json")
        assert ran.json["pair"]["pgr"] is ran.json["pair"]["apgr"] is None
        assert "the performance gap recovered cannot be had: both models score 0.5" in ran.err


class TestReport:
    def test_the_page_is_written(self, knn, more):
        ran = knn("report", "more.csv", "--router", "router", "--out", "page.html")
        assert ran.out.startswith("cannot tell: ")
        assert "written: page.html" in ran.err
        page = (more / "page.html").read_text()
        assert page.startswith("<!")
        assert "Does routing pay?" in page
        assert [each.name for each in more.iterdir() if each.name.startswith(".")] == []

    def test_json_and_title(self, knn, more):
        options = ("--out", "page.html", "--title", "A <title>", "--json")
        found = knn("report", "more.csv", "--router", "router", *options).json
        assert found == {"out": "page.html", "verdict": "cannot tell"}
        assert "A &lt;title&gt;" in (more / "page.html").read_text()

    @pytest.mark.parametrize("out", [".", "absent/page.html"])
    def test_where_no_page_can_be(self, knn, more, out):
        ran = knn("report", "more.csv", "--router", "router", "--out", out, code=2)
        assert "name a file" in ran.err

    def test_a_failure_leaves_the_old_page(self, knn, more):
        (more / "page.html").write_text("old")
        knn("report", "results.csv", "--router", "router", "--out", "page.html", code=2)
        assert (more / "page.html").read_text() == "old"
        knn("report", "more.csv", "--router", "router", "--out", "page.html")
        assert (more / "page.html").read_text() != "old"

    def test_a_link_is_kept_and_what_it_points_to_replaced(self, knn, more):
        (more / "pages").mkdir()
        (more / "page.html").symlink_to("pages/today.html")
        knn("report", "more.csv", "--router", "router", "--out", "page.html")
        assert (more / "page.html").is_symlink()
        assert (more / "pages" / "today.html").read_text().startswith("<!")

    def test_a_pipe_is_written_to_and_not_replaced(self, knn, more):
        os.mkfifo(more / "pipe")
        reader = os.open(more / "pipe", os.O_RDWR)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 1 << 20)
        knn("report", "more.csv", "--router", "router", "--out", "pipe")
        assert os.read(reader, 9) == b"<!DOCTYPE"
        os.close(reader)
        assert (more / "pipe").is_fifo()


class TestCompare:
    def test_another_policy(self, knn, more):
        ran = knn(
            *("compare", "router", "router", "more.csv"),
            *("--policy-b", "cheapest_above:min_score=0"),
            code=1,
        )
        first, _, heads, move, *rest = ran.out.splitlines()
        assert first == (
            "2 of 4 queries (50.0%) get another model; expected cost changes by $-0.5000 "
            "[-1.0000, 0.0000] per 1,000 queries; measured quality changes by "
            "-0.2500 [-0.7500, 0.0000] (n = 4)"
        )
        assert heads.split() == ["from", "to", "queries"]
        assert move.split() == ["coder", "poet", "2"]
        assert any(row.split() == ["share", "of", "poet", "50.0%", "100.0%"] for row in rest)
        assert any(row.split() == ["code", "2", "2", "-0.5000", "-1.0000"] for row in rest)

    def test_nothing_moves(self, knn, more):
        ran = knn("compare", "router", "router", "more.csv")
        assert ran.out.startswith("nothing moves: all 4 queries keep their model\n")

    def test_another_pool(self, knn, more):
        """Without measured costs the prices decide, each side's its own."""
        (more / "bare.csv").write_text(
            "query,coder,poet\nSort in C.,1,0.9\nSort it in C.,1,0.9\nAn ode.,0.8,1\n"
        )
        knn("build", "bare.csv", "--out", "bare")
        pool = (
            "router: {{index: ./bare, policy: {{kind: score_minus_cost, cost_weight: 1}}}}\n"
            "models:\n"
            "  - {{name: coder, price: {{input: 0, output: {}}}, expected_output_tokens: 1000}}\n"
            "  - {{name: poet, price: {{input: 0, output: 1}}, expected_output_tokens: 1000}}\n"
        )
        (more / "now.yaml").write_text(pool.format(1))
        (more / "then.yaml").write_text(pool.format(1000))
        (more / "asked.txt").write_text("Sort them in C.\n")
        found = knn("compare", "now.yaml", "then.yaml", "asked.txt", "--json", code=1).json
        assert found["moves"] == [{"first": "coder", "second": "poet", "queries": 1}]
        assert (found["n"], found["moved"], found["measured"], found["quality"]) == (1, 1, 0, None)
        assert found["first"]["expected_cost"] == pytest.approx(0.001)
        assert found["cost"]["estimate"] == pytest.approx(0.0)
        assert found["examples"][0]["second"]["model"] == "poet"
        assert json.dumps(found, allow_nan=False)

    @pytest.mark.parametrize(
        ("argv", "why"),
        [
            (("router", "absent", "more.csv"), "absent"),
            (("router", "more.csv", "more.csv"), "more.csv"),
            (("router", "router", "absent.csv"), "absent.csv"),
            (("router", "router", "more.csv", "--policy-b", "x"), "unknown policy 'x'"),
            (("router", "router", "empty.txt"), "empty.txt: the file is empty"),
        ],
    )
    def test_refusals(self, knn, more, argv, why):
        (more / "empty.txt").write_text("\n")
        ran = knn("compare", *argv, code=2)
        assert why in " ".join(ran.err.split())
