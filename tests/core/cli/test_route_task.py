import json

import pytest

from knnrouter import Router, read_records

TASKS = {
    "code": ("Sort the list {} in C.", (1, 0, 0)),
    "verse": ("Write a sonnet on the sea, number {}.", (0, 1, 0)),
    "sums": ("What is {} plus {}?", (1, 0.2, 1)),
    "law": ("Is contract {} void?", (0.2, 1, 1)),
}
ASKED = [f"Sort the array {number} in Python." for number in range(12)]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Twelve queries of each of four tasks, and the router of them; only for reading."""
    from knnrouter.estimators import CorrectnessKNN

    place = tmp_path_factory.mktemp("tasks")
    lines = ["query,task,coder,poet,clerk"]
    for task, (text, scores) in TASKS.items():
        tail = f'",{task},{",".join(map(str, scores))}'
        lines += [f'"{text.format(number, number)}{tail}' for number in range(12)]
    (place / "results.csv").write_text("\n".join(lines))
    Router.fit(read_records(place / "results.csv"), estimator=CorrectnessKNN()).save(
        place / "router"
    )
    (place / "asked.txt").write_text("\n".join(ASKED))
    return place


@pytest.fixture
def there(evidence, monkeypatch):
    monkeypatch.chdir(evidence)
    return evidence


def test_the_decision_of_the_router(knn, there):
    decision = Router.load("router").route_task(ASKED)
    ran = knn("route-task", "asked.txt", "--router", "router")
    first, heading, *rows = ran.out.splitlines()
    assert first == str(decision)
    assert heading.split() == ["model", "s1", "s2", "s3", "p", "chance", "average"]
    assert [row.split()[0] for row in rows] == list(decision.ranking)
    name, *figures = rows[0].split()
    values = [each[name] for each in (decision.s1, decision.s2, decision.s3, decision.p)]
    assert figures[:4] == [f"{value:.3f}" for value in values]
    assert float(figures[5]) == pytest.approx(decision.averages[name], abs=5e-4)


def test_json_and_options(knn, there):
    found = knn(
        *("route-task", "asked.txt", "--router", "router", "--json", "--score", "s1"),
        *("--allow", "coder", "--allow", "poet", "--seed", "3", "--eta", "0.1"),
    ).json
    wanted = Router.load("router").route_task(
        ASKED, score="s1", allow=("coder", "poet"), seed=3, eta=0.1
    )
    assert found == json.loads(json.dumps(wanted.to_dict()))
    assert found["model"] == "coder"
    assert set(found["s1"]) == {"coder", "poet"}


def test_labelled_queries(knn, there):
    labels = ["query,task,coder,poet"]
    labels += [f"Sort the array {number} in Python.,sorting,0,1" for number in range(8)]
    (there / "labels.csv").write_text("\n".join(labels))
    options = ("--router", "router", "--json", "--score", "s1")
    ran = knn("route-task", "asked.txt", *options, "--labelled", "labels.csv")
    assert ran.json["labelled"] == 8
    assert ran.json["queries"] == 4
    assert ran.json["model"] == "poet"
    shown = knn("route-task", "asked.txt", *options[:2], "--labelled", "labels.csv")
    assert "note: 8 queries that are labelled were not predicted" in shown.err


def test_queries_of_a_table(knn, there):
    rows = [json.dumps({"query": text, "user": 7}) for text in ASKED]
    (there / "asked.jsonl").write_text("\n".join(rows))
    options = ("--router", "router", "--json")
    assert knn("route-task", "asked.jsonl", *options).json == (
        knn("route-task", "asked.txt", *options).json
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--score", "s4"), "'s4' is not one of 's1', 's2', 's3'"),
        (("--eta", "1"), "error: eta is 1.0; give a number of at least 0 and below 1"),
        (("--allow", "nobody"), "the pool has no model 'nobody'"),
        (("--labelled", "absent.csv"), "absent.csv"),
    ],
)
def test_bad_options(knn, there, options, message):
    ran = knn("route-task", "asked.txt", "--router", "router", *options, code=2)
    assert message in " ".join(ran.err.split())
    assert ran.out == ""


def test_evidence_of_two_tasks_is_refused(knn, work):
    (work / "asked.txt").write_text("Sort a list.\n")
    ran = knn("route-task", "asked.txt", "--router", "router", code=2)
    assert "the records name 2 tasks (code, verse), and routing a task needs at least 3" in ran.err
