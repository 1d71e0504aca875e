import pytest

from knnrouter import Router
from knnrouter.policies import parse

QUERIES = [
    "Sort the words of a text in C.",
    "Write a poem on the moon.",
    "Search a list of numbers in Python.",
    "Write a song on the sea.",
]


@pytest.fixture
def asked(work):
    """Forty queries, every one of them different."""
    lines = [f"{text} Version {number}." for number in range(10) for text in QUERIES]
    (work / "asked.txt").write_text("\n".join(lines))
    return lines


def spent(policy, texts):
    decisions = Router.from_yaml("pool.yaml").route_many(texts, policy=policy)
    return 1000 * sum(each.costs[each.model] for each in decisions) / len(decisions)


def test_a_budget(knn, asked):
    ran = knn("calibrate", "asked.txt", "--pool", "pool.yaml", "--budget", "1.2", "--holdout", 0)
    goal, policy, heading, router, line, counts = ran.out.splitlines()
    assert goal == "at most $1.2 per 1,000 queries"
    spec = policy.removeprefix("policy: ")
    assert spent(spec, asked) <= 1.2 < spent("best_score", asked)
    assert (heading, router) == ("in pool.yaml:", "  router:")
    weight = parse(spec).cost_weight
    assert line == f"    policy: {{kind: score_minus_cost, cost_weight: {weight}}}"
    assert counts == "queries: 40 to choose on, 0 held out"


def test_the_figures(knn, asked):
    ran = knn("calibrate", "asked.txt", "--pool", "pool.yaml", "--share", "coder=0.25")
    assert ran.out.startswith("at most 25 % of the calls to coder\npolicy: threshold:strong=coder,")
    assert "queries: 20 to choose on, 20 held out" in ran.out
    lines = {line.rpartition("  ")[0].split("  ")[0]: line.split() for line in ran.out.splitlines()}
    assert lines["on those held out"][-3:] == ["estimate", "low", "high"]
    assert float(lines["share of the calls"][4]) <= 0.5
    assert "note: only 20 different queries were held out" in ran.err


def test_json(knn, asked):
    found = knn(
        *("calibrate", "asked.txt", "--router", "router", "--budget", 1.6, "--json"),
        *("--confidence", 0.8, "--seed", 4),
    ).json
    assert list(found) == [
        *("goal", "policy", "yaml", "used", "held_out", "figures", "shares", "confidence", "notes")
    ]
    assert found["goal"] == {"kind": "budget", "usd_per_1000": 1.6}
    assert (found["used"], found["held_out"], found["confidence"]) == (20, 20, 0.8)
    figures = found["figures"]
    assert set(figures) == {"usd_per_1000", "best_score_usd_per_1000"}
    assert figures["usd_per_1000"]["low"] <= figures["usd_per_1000"]["estimate"]


def test_quality_of_labeled_queries(knn, work):
    rows = ["query,coder,poet"]
    for number in range(400):
        code = number % 2 == 0
        text = "Sort numbers in C" if code else "Write a sonnet on the sea"
        rows.append(f"{text} case {number}.,{1 if code else 0.2},{0 if code else 1}")
    (work / "labeled.csv").write_text("\n".join(rows))
    options = ("--router", "router", "--quality", "0.9", "--confidence", "0.9", "--json")
    found = knn("calibrate", "labeled.csv", *options).json
    assert found["goal"] == {"kind": "quality", "of_best": 0.9, "confidence": 0.9}
    assert found["policy"].startswith("score_minus_cost:cost_weight=")
    assert found["figures"]["of_best"]["high"] > 0.9
    assert any(note.startswith("promised against coder, ") for note in found["notes"])
    assert set(found["figures"]) >= {"quality", "of_best", "usd_per_1000"}
    refused = knn(
        "calibrate", "labeled.csv", *options[:2], "--quality", "1", "--holdout", 0.98, code=2
    )
    assert "labeled queries cannot promise it" in refused.err
    assert refused.out == ""


def test_tables_of_queries_alone(knn, work, asked):
    """A file is of queries alone if it has no column of a model."""
    (work / "asked.csv").write_text("query,user\n" + "\n".join(f"{text},7" for text in asked))
    options = ("--router", "router", "--budget", 1.6, "--holdout", 0, "--json")
    table = knn("calibrate", "asked.csv", *options).json
    assert table["used"] == 40
    assert table == knn("calibrate", "asked.txt", *options).json
    for name in ("asked.csv", "asked.txt"):
        (work / name).rename(work / name.upper())
        assert table == knn("calibrate", name.upper(), *options).json
    ran = knn("calibrate", "results.csv", *options)
    assert "note: recognized as: table (CSV)" in ran.err
    assert ran.json["used"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "0 goals are given; give one of --budget, --share and --quality"),
        (("--budget", "1", "--quality", "0.9"), "2 goals are given"),
        (("--share", "coder"), "'coder' is no MODEL=PART, such as large=0.3"),
        (("--share", "=0.3"), "'=0.3' is no MODEL=PART"),
        (("--share", "coder=some"), "'coder=some' is no MODEL=PART"),
        (("--share", "nobody=0.3"), "the pool has no model 'nobody'"),
        (("--share", "coder=3"), "--share: at_most is 3.0; give a number above 0 and at most 1"),
        (("--quality", "0"), "--quality: of_best is 0.0; give a number above 0 and at most 1"),
        (("--quality", "0.9", "--confidence", "1"), "confidence is 1.0; give a number of at le"),
        (("--budget", "0.0001"), "and the cheapest choices are expected to cost $"),
        (("--budget", "nan"), "--budget: usd_per_1000 is nan; give a number of at least 0, such"),
        (("--quality", "0.98"), "measured at all are none of coder, poet"),
        (("--budget", "1", "--holdout", "1"), "holdout is 1.0"),
    ],
)
def test_bad_goals(knn, asked, options, message):
    ran = knn("calibrate", "asked.txt", "--router", "router", *options, code=2)
    assert message in " ".join(ran.err.split())
    assert ran.out == ""


def test_bad_files(knn, work):
    (work / "empty.txt").write_text("\n")
    options = ("--router", "router", "--budget", 1)
    assert "the file is empty" in knn("calibrate", "empty.txt", *options, code=2).err
    assert "check the path" in knn("calibrate", "absent.txt", *options, code=2).err
    (work / "bad.jsonl").write_text('{"query": "a"}\n{"query": 5}\n')
    assert "bad.jsonl:2: 5 is not text" in knn("calibrate", "bad.jsonl", *options, code=2).err


def test_without_a_router_the_starter_answers(knn, asked):
    ran = knn("calibrate", "asked.txt", "--budget", "0.1", "--json")
    assert "the starter answers" in ran.err
    assert ran.json["figures"]["usd_per_1000"]["estimate"] < 0.2
