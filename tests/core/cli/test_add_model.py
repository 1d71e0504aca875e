"""The command `add-model`: a proposal out, outcomes in."""

import json

import pytest

from knnrouter import RecordSet, Router
from knnrouter.onboarding import propose, standing

ADD = ("add-model", "new", "--router", "router")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def filled(work, name="new.jsonl", **more):
    """Outcomes on all six queries, by id: the new model is good at verse."""
    records = Router.load(work / "router").records
    rows = [
        {"id": name, "score": float(task == "verse"), **more}
        for name, task in zip(records.ids, records.tasks, strict=True)
    ]
    (work / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return rows


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestProposing:
    def test_json_lines_on_standard_output(self, knn, work):
        ran = knn(*ADD, "--budget", 4)
        wanted = propose(Router.load("router"), 4).rows
        assert lines(ran.out) == [
            {"id": row.id, "query": row.query, "task": row.task} for row in wanted
        ]
        assert len({row.id for row in wanted}) == 4
        assert "knnrouter add-model new --router router --results FILE" in ran.err

    def test_a_new_file(self, knn, work):
        ran = knn(*ADD, "--budget", 6, "--out", "asked.jsonl")
        assert ran.out.splitlines()[0] == "6 of 6 queries in asked.jsonl"
        assert [line.split() for line in ran.out.splitlines()[2:]] == [
            ["code", "3"],
            ["verse", "3"],
        ]
        assert {row["query"] for row in lines((work / "asked.jsonl").read_text())} == set(
            Router.load("router").records.queries
        )

    def test_a_file_that_is_there_is_kept(self, knn, work):
        (work / "asked.jsonl").write_text("mine")
        ran = knn(*ADD, "--out", "asked.jsonl", code=2)
        assert "asked.jsonl is there already, and may hold results" in ran.err
        assert (work / "asked.jsonl").read_text() == "mine"

    def test_json(self, knn, work):
        found = knn(*ADD, "--budget", 2, "--json").json
        assert (found["model"], found["of"], len(found["rows"])) == ("new", 6, 2)
        assert set(found["rows"][0]) == {"id", "query", "task", "stands_for", "disagreement"}
        assert sum(row["stands_for"] for row in found["rows"]) == 6

    def test_a_router_without_text(self, knn, work):
        knn("build", "results.csv", "--out", "bare", "--no-queries")
        ran = knn("add-model", "new", "--router", "bare", "--budget", 2)
        assert [row["query"] for row in lines(ran.out)] == [None, None]
        assert "keeps no text of its queries" in ran.err

    def test_averages_cannot_be_run(self, knn, work):
        knn("build", "results.csv", "--out", "averages", "--condense", 2)
        ran = knn("add-model", "new", "--router", "averages", code=2)
        assert "the rows of averages are averages over several queries" in ran.err
        assert "built without --condense" in ran.err

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (("add-model", "poet", "--router", "router"), "has a model 'poet' already"),
            (("add-model", " ", "--router", "router"), "the model's name is ' '"),
            (("add-model", "new"), "Missing option '--router'"),
            ((*ADD, "--budget", "0"), "--budget"),
            ((*ADD, "--budget", "3", "--results", "x.csv"), "--results is given too"),
            (("add-model", "new", "--router", "nowhere"), "there is no folder nowhere"),
        ],
    )
    def test_what_cannot_be(self, knn, work, args, told):
        assert told in knn(*args, code=2).err


class TestResults:
    def test_what_is_known_of_it(self, knn, work):
        filled(work, cost=0.004)
        before = content_of(work / "router")
        ran = knn(*ADD, "--results", "new.jsonl", "--out", "larger")
        assert ran.out.splitlines()[0] == "new: 6 measurements, saved in larger"
        told = standing(Router.load("larger").records)
        (shown,) = (line.split() for line in ran.out.splitlines()[1:] if line.startswith("new"))
        means = (told.overall.means[2], told.overall.low[2], told.overall.high[2])
        assert shown == ["new", *(f"{mean:.3f}" for mean in means), "6"]
        (verse,) = (line.split() for line in ran.out.splitlines() if line.startswith("verse"))
        assert verse[4:6] == ["3", "poet"]
        assert content_of(work / "router") == before

    def test_the_saved_router_routes_with_it(self, knn, work):
        filled(work, cost=0.004)
        knn(*ADD, "--results", "new.jsonl", "--out", "larger")
        records = Router.load("larger").records
        assert records.models == ("coder", "poet", "new")
        assert records.scores[:, 2].tolist() == [0, 0, 0, 1, 1, 1]
        assert records.costs[:, 2].tolist() == [0.004] * 6

    def test_over_the_router_itself(self, knn, work):
        filled(work)
        knn(*ADD, "--results", "new.jsonl", "--out", "router")
        assert Router.load("router").records.models == ("coder", "poet", "new")
        assert "has a model 'new' already" in knn(*ADD, code=2).err

    def test_nothing_is_saved_unasked(self, knn, work):
        filled(work)
        before = content_of(work / "router")
        ran = knn(*ADD, "--results", "new.jsonl")
        assert ran.out.startswith("new: 6 measurements\n")
        assert "nothing is saved: with --out router it is" in ran.err
        assert content_of(work / "router") == before

    def test_json(self, knn, work):
        filled(work)
        found = knn(*ADD, "--results", "new.jsonl", "--json").json
        assert list(found) == ["model", "out", "confidence", "models"]
        records = RecordSet.concat([Router.load("router").records])
        assert set(found["models"]) == {*records.models, "new"}
        assert found["models"]["new"]["tasks"]["verse"]["measured"] == 3

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("by_text.csv", "query,score\nSort an array of numbers in C.,1\n"),
            ("named.csv", "id,new,new|cost\nresults-2,1,0.5\n"),
            ("wide.csv", "query,coder,new\nSort an array of numbers in C.,0,1\n"),
            ("long.csv", "query,model,score\nSort an array of numbers in C.,new,1\n"),
            ("some.jsonl", '{"id": "results-2", "score": 1}\n{"id": "results-3", "score": null}\n'),
            ("percent.csv", "id,score,comment\nresults-2,100,good\n"),
        ],
    )
    def test_all_forms_of_results(self, knn, work, name, content):
        (work / name).write_text(content)
        more = ("--scale", "0,100", "--ignore", "comment") if name == "percent.csv" else ()
        knn(*ADD, "--results", name, "--out", "larger", *more)
        scores = Router.load("larger").records.scores[:, 2]
        assert scores[1] == 1
        assert str(scores.tolist()).count("nan") == 5

    def test_bad_rows_are_told_at_once(self, knn, work):
        (work / "bad.csv").write_text("id,score\n,1\nresults-1,7\nresults-2,x\nresults-3,1\n")
        ran = knn(*ADD, "--results", "bad.csv", "--out", "larger", code=2)
        assert "3 problems:" in ran.err
        assert "bad.csv:2: it has neither `id` nor `query`" in ran.err
        assert "bad.csv:3: score of 'new': 7.0 is outside [0, 1]" in ran.err
        assert "bad.csv:4: score of 'new': 'x'" in ran.err
        assert not (work / "larger").exists()

    def test_rows_that_are_not_of_the_evidence_are_told_at_once(self, knn, work):
        (work / "bad.csv").write_text("id,score\nelsewhere,1\nresults-1,1\nnowhere,0\n")
        ran = knn(*ADD, "--results", "bad.csv", code=2)
        assert "2 problems:\n  'elsewhere': no row of the evidence has this id" in ran.err
        assert "'nowhere': no row" in ran.err

    def test_whose_rows_by_id_are(self, knn, work):
        (work / "two.csv").write_text("id,model,score\nresults-2,new,1\nresults-2,other,0\n")
        ran = knn(*ADD, "--results", "two.csv", code=2)
        assert "there is a column `model` and none called `query`; rows with an `id`" in ran.err
        (work / "one.csv").write_text("id,model,score\nresults-2,new,1\n")
        ran = knn(*ADD, "--results", "one.csv", "--ignore", "model")
        assert ran.out.startswith("new: 1 measurement\n")

    def test_an_unknown_column_and_no_score_at_all(self, knn, work):
        (work / "bad.csv").write_text("id,score,comment\nresults-1,1,fine\n")
        assert "column 'comment' is none of query" in knn(*ADD, "--results", "bad.csv", code=2).err
        (work / "none.csv").write_text("id,score\nresults-1,\n")
        ran = knn(*ADD, "--results", "none.csv", code=2)
        assert "not one is measured" in ran.err
        (work / "other.csv").write_text("query,poet\nSort an array of numbers in C.,1\n")
        ran = knn(*ADD, "--results", "other.csv", code=2)
        assert "the results measure poet, and none of these is 'new'" in ran.err

    def test_a_folder_that_holds_something_else(self, knn, work):
        filled(work)
        (work / "mine").mkdir()
        (work / "mine" / "letter.txt").write_text("hello")
        knn(*ADD, "--results", "new.jsonl", "--out", "mine", code=2)
        assert [path.name for path in (work / "mine").iterdir()] == ["letter.txt"]
