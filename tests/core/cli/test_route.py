import io
import json
import sys

import pytest

from knnrouter import ModelPool, Router
from knnrouter.cli.queries import piped_lines

KEYS = [
    *("id", "model", "ranking", "scores", "costs", "stderr", "support", "neighbors", "similarity"),
    *("reason", "reason_code", "fallback", "policy", "elapsed_ms", "notes"),
]


def test_one_line_for_a_query(knn, work):
    ran = knn("route", "Write a limerick on the rain.", "--router", "router")
    [line] = ran.out.splitlines()
    assert line.startswith("poet: best expected score [score 1.000 ± ")
    assert ran.err == ""


def test_json_is_the_decision(knn, work):
    text = "Sort a list in Python."
    found = knn("route", text, "--pool", "pool.yaml", "--json").json
    expected = Router.from_yaml("pool.yaml").route(text).to_dict()
    assert list(found) == KEYS
    changing = ("id", "elapsed_ms")
    assert {k: v for k, v in found.items() if k not in changing} == {
        k: v for k, v in expected.items() if k not in changing
    }
    assert found["model"] == "coder"
    assert found["scores"] == {"coder": 1.0, "poet": pytest.approx(0.125)}


def test_nan_is_null(knn, work):
    found = knn("route", "An ode to the spring rain.", "--router", "router", "--json").json
    assert found["neighbors"][0]["scores"] == {"coder": 0.0, "poet": None}


def test_standard_input_is_the_query(knn, work):
    for text in ("Sort in C.", "\ufeffSort in C.\r\n", "Sort\nin\nC.\n"):
        assert knn("route", "--router", "router", stdin=text).out.startswith("coder: ")


def test_the_starter_answers_and_says_so(knn):
    ran = knn("route", "What is 12 times 7?", "--json")
    assert len(ran.json["ranking"]) == 9
    assert "the starter answers" in ran.err
    assert "--router or --pool" in ran.err


def test_no_word_of_the_starter_where_another_router_answers(knn, work):
    for options in (["--router", "router"], ["--pool", "pool.yaml"]):
        assert "starter" not in knn("route", "Sort in C.", *options).err


def test_router_overrides_the_index_of_the_pool(knn, work):
    (work / "router").rename(work / "elsewhere")
    ran = knn("route", "Sort in C.", "--pool", "pool.yaml", code=2)
    assert "there is no folder router; make one with: knnrouter build" in ran.err
    assert knn("route", "Sort in C.", "--pool", "pool.yaml", "--router", "elsewhere").out


def test_a_pool_without_an_index_and_no_router(knn, work):
    (work / "pool.yaml").write_text("models: [{name: coder}, {name: poet}]\n")
    ran = knn("route", "Sort in C.", "--pool", "pool.yaml", code=2)
    assert "router.index is not set" in ran.err
    assert knn("route", "Sort in C.", "--pool", "pool.yaml", "--router", "router").out


def test_policy_allow_require_and_tag(knn, work):
    def chosen(*options):
        return knn("route", "Sort in C.", "--pool", "pool.yaml", "--json", *options).json

    assert chosen("--policy", "best_score")["model"] == "coder"
    assert chosen("--policy", "score_minus_cost:cost_weight=1100")["model"] == "poet"
    assert chosen("--allow", "poet")["ranking"] == ["poet"]
    assert chosen("--allow", "poet", "--allow", "coder")["ranking"] == ["coder", "poet"]
    assert chosen("--require", "tools")["ranking"] == ["coder"]
    assert chosen("--tag", "eu")["ranking"] == ["coder"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allow", "novelist"], "the pool has no model 'novelist'; its models are coder, poet"),
        (["--require", "vision"], "poet: lacks the capability 'vision'"),
        (["--tag", "us"], "coder: lacks the tag 'us'"),
        (["--policy", "cheapest"], "unknown policy 'cheapest'"),
        (["--policy", "cheapest_above:min_score=2"], "min_score is 2"),
        (["--policy", "threshold:strong=a,weak=b,threshold=0.5"], "the pool has no model 'a'"),
    ],
)
@pytest.mark.parametrize("command", ["route TEXT", "route --lines"])
def test_what_no_model_can_answer(knn, work, command, options, message):
    given = ["route", "Sort in C."] if command == "route TEXT" else ["route", "--lines"]
    ran = knn(*given, "--pool", "pool.yaml", *options, stdin="Sort in C.\nSing.\n", code=2)
    assert message in ran.err
    assert ran.err.count("error: ") == 1
    assert ran.out == ""


def test_lines_in_order(knn, work):
    texts = ["Sort in C.", "A sonnet on the sea.", "Search in Python."] * 2000
    ran = knn("route", "--lines", "--router", "router", stdin="\r\n".join(texts))
    assert [line.split(":")[0] for line in ran.out.splitlines()] == [
        "coder",
        "poet",
        "coder",
    ] * 2000


def test_lines_are_read_without_marks_and_ends(monkeypatch):
    raw = io.BytesIO("\ufeffone\r\ntwo\u2028still\n\n\ufefffour".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))
    lines = [line for batch in piped_lines() for line in batch]
    assert [(line.number, line.text) for line in lines] == [
        (1, "one"),
        (2, "two\u2028still"),
        (3, ""),
        (4, "\ufefffour"),
    ]
    assert [bool(line.problem) for line in lines] == [False, False, True, False]


def test_lines_as_json(knn, work):
    ran = knn("route", "--lines", "--json", "--router", "router", stdin="\ufeffSort in C.\n写诗\n")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [list(each) for each in found] == [KEYS, KEYS]
    assert found[0]["model"] == "coder"


def test_lines_that_cannot_be_routed_are_named_and_the_others_answered(knn, work):
    (work / "small.yaml").write_text(
        "models: [{name: coder, context_window: 99}, {name: poet, context_window: 99}]\n"
    )
    stdin = b"Sort in C.\n\n  \nA sonnet on the sea.\n\xff\n" + 99 * b"long " + b"\nSort in C."
    options = ("--pool", "small.yaml", "--router", "router")
    ran = knn("route", "--lines", *options, stdin=stdin, code=1)
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["coder", "poet", "coder"]
    problems = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in problems] == ["line 2", "line 3", "line 5", "line 6"]
    assert "byte 0xff is not UTF-8" in problems[2]
    assert "no model of the pool may answer this query" in problems[3]


def test_no_lines_are_no_fault(knn, work):
    assert knn("route", "--lines", "--router", "router").out == ""


def test_a_chat_history(knn, work):
    chat = [
        {"role": "user", "content": "Sort an array of numbers in C."},
        {"role": "assistant", "content": "qsort"},
        {"role": "user", "content": "Now write a sonnet on the stormy sea."},
    ]
    (work / "chat.json").write_text(json.dumps(chat))
    options = ("--router", "router", "--json")
    assert knn("route", "--messages", "chat.json", *options).json["model"] == "poet"
    found = knn("route", "--messages", "-", *options, stdin=json.dumps(chat[:1])).json
    assert found["model"] == "coder"
    ran = knn("explain", "--messages", "-", *options, stdin=json.dumps(chat[:1]))
    assert ran.json["decision"]["model"] == "coder"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"role":', "chat.json:1:10: this is no JSON"),
        ("[" * 100_000, "chat.json: nested too deep"),
        ("9" * 5_000, "chat.json: a number has thousands of digits"),
        ("3", "a query of type `int` is not understood"),
        ('[{"role": "user", "content": [{"type": "image"}]}]', "only an image"),
        (b"\xff", "chat.json, line 1: byte 0xff is not UTF-8"),
    ],
)
def test_what_is_no_chat_history(knn, work, content, message):
    raw = content if isinstance(content, bytes) else content.encode()
    (work / "chat.json").write_bytes(raw)
    assert message in knn("route", "--messages", "chat.json", "--router", "router", code=2).err


@pytest.mark.parametrize("stdin", ["", "  \n"])
def test_blank_text_is_refused(knn, work, stdin):
    ran = knn("route", "--pool", "pool.yaml", stdin=stdin, code=2)
    assert "the text is blank" in ran.err
    assert ran.err.endswith("echo 'Why is the sky blue?' | knnrouter route\n")
    ran = knn("explain", stdin, "--pool", "pool.yaml", code=2)
    assert "the text is blank" in ran.err
    assert ran.err.endswith("echo 'Why is the sky blue?' | knnrouter explain\n")


def test_bad_usage(knn, work):
    assert "TEXT is given too" in knn("route", "x", "--messages", "-", code=2).err
    assert "it reads standard input" in knn("route", "x", "--lines", code=2).err
    assert "no such" in knn("route", "x", "--rooter", "r", code=2).err.lower()
    ran = knn("route", "x", "--embedder", "sentence-transformer:m", code=2)
    assert "the starter has its own" in ran.err
    ran = knn("route", "x", "--embedder", "word2vec", "--router", "router", code=2)
    assert "--embedder is 'word2vec'; give static, or sentence-transformer:PATH" in ran.err


def test_two_hundred_thousand_characters(knn, work):
    ran = knn("route", "--router", "router", stdin="Sort an array in C.\n" * 10_000)
    assert ran.out.startswith("coder: ")
    assert "note: of 199,999 characters, head and tail were read, 4,000 in all" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_pool_model_without_records_is_warned_about_on_one_line(knn, work):
    with (work / "pool.yaml").open("a") as file:
        file.write("  - {name: novelist}\n")
    ran = knn("route", "Sort in C.", "--pool", "pool.yaml")
    [line] = ran.err.splitlines()
    assert line.startswith("warning: novelist: no records, so no vote will choose it; add ")


def test_control_characters_do_not_reach_the_terminal(knn, work):
    row = {"id": "a\x1b[31m\nb", "task": "\x07[bold]", "query": "Sort in C.", "on": 1, "off": 0}
    (work / "evil.jsonl").write_text(json.dumps(row))
    knn("build", "evil.jsonl", "--out", "evil")
    ran = knn("explain", "Sort in C.", "--router", "evil")
    assert ran.out.splitlines()[-1].split() == ["1.000", "�[bold]", "a�[31m", "b", "100", "0"]
    found = knn("route", "Sort in C.", "--router", "evil", "--json").json
    assert found["neighbors"][0]["id"] == "a\x1b[31m\nb"


def test_explain_shows_the_models_the_margin_and_the_neighbors(knn, work):
    ran = knn("explain", "Sort in C.", "--pool", "pool.yaml")
    lines = ran.out.splitlines()
    assert lines[0].startswith("coder: best expected score [score 1.000")
    assert lines[2].split() == ["#", "model", "score", "±", "USD", "support"]
    assert lines[3].split()[:3] == ["1", "coder", "1.000"]
    assert lines[3].split()[4:] == ["$0.002000", "2.0"]
    assert lines[4].split()[:3] == ["2", "poet", "0.000"]
    assert "It leads poet by 1.0000." in lines
    assert "  poet, with a cost_weight above 1000 (now 0)" in lines
    assert lines[-3].split() == ["cosine", "task", "id", "1", "2"]
    assert lines[-2].split() == ["0.594", "code", "results-2", "100", "0"]
    assert len(knn("explain", "Sort in C.", "--pool", "pool.yaml", "--neighbors", 1).out) < len(
        ran.out
    )


def test_explain_as_json_is_the_explanation(knn, work):
    text = "Sort in C."
    found = knn("explain", text, "--pool", "pool.yaml", "--json").json
    expected = Router.from_yaml("pool.yaml").explain(text).to_dict()
    assert list(found) == list(expected) == ["decision", "margin", "runner_up", "flips"]
    assert list(found["decision"]) == KEYS
    assert found["flips"] == expected["flips"]
    assert found["flips"][0]["at"] == pytest.approx(1000)
    assert found["margin"] == 1


def test_a_price_of_a_millionth_and_a_model_named_on(knn, work):
    (work / "on.csv").write_text("query,on,off\nSort in C.,1,0\nWrite an ode.,0,1\n")
    (work / "on.yaml").write_text(
        "models:\n  - {name: 'on', price: {input: 1e-6, output: 1e-6}, expected_output_tokens: 9}\n"
        "  - {name: 'off'}\n"
    )
    assert ModelPool.from_yaml("on.yaml").spec("on").price.input == 1e-6
    knn("build", "on.csv", "--out", "on", "--k", 1)
    found = knn("route", "Sort in C.", "--pool", "on.yaml", "--router", "on", "--json").json
    assert found["model"] == "on"
    assert found["costs"] == {"on": pytest.approx((10 / 4 + 9) * 1e-12), "off": None}
