"""pytest itself, run on files of routing tests: what is collected, run and printed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import knnrouter

pytest_plugins = ("pytester",)

PLUGIN = "knnrouter.assertions.plugin"

TESTS = """\
    tests:
      - {prompt: Sort a list in C., one_of: coder}
      - {name: verse stays with the poet, prompt: Write a poem on the sea., never: poet}
      - {file: results.csv, quality: {at_least: 0.6}}
      - {prompt: Hi., never: poett}
    """


@pytest.fixture
def run(pytester, folder, monkeypatch):
    """Runs pytest in this process, in the folder, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*args, start=folder):
        monkeypatch.chdir(start)
        return pytester.runpytest_inprocess(
            "-p", PLUGIN, "--strict-markers", "--rootdir", str(start), *map(str, args)
        )

    return run


def test_one_item_a_test(run, write):
    write(TESTS)
    result = run("-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            'routing_tests.yaml::one_of coder: "Sort a list in C." PASSED*',
            "routing_tests.yaml::verse stays with the poet FAILED*",
            "routing_tests.yaml::quality at_least 0.6: results.csv PASSED*",
            'routing_tests.yaml::never poett: "Hi." FAILED*',
        ]
    )


def test_what_a_failure_prints(run, write):
    write(TESTS)
    result = run()
    result.stdout.fnmatch_lines(
        [
            "*_ routing_tests.yaml:4: verse stays with the poet _*",
            "1 of 1 prompts went elsewhere",
            "",
            '  prompt    "Write a poem on the sea."',
            "  wanted    any model but poet",
            "  got       poet, score 1.000 ± 0.444",
            "  reason    best expected score *best_score*",
            "  ranking   model  score          cost, USD",
            "            poet   1.000 ± 0.444  0.001000   chosen, never",
            "            coder  0.000 ± * 0.002000",
            "  evidence  similarity  poet  coder  task   query",
            '            0.*  1.00  0.00   verse  "Write a sonnet on the sea."',
            '*_ routing_tests.yaml:6: never poett: "Hi." _*',
            "routing_tests.yaml:6:19: tests[[]3[]].never[[]0[]]: the pool has no model 'poett'; *",
            "*= short test summary info =*",
            "FAILED routing_tests.yaml::verse stays with the poet - Failed: 1 of 1 prom*",
        ]
    )
    printed = result.stdout.str()
    assert "Traceback" not in printed
    assert "During handling" not in printed
    assert ".py" not in printed.partition("FAILURES")[2]


def test_other_names_of_files(run, write):
    test = "tests: [{prompt: Hi., one_of: [coder, poet]}]"
    for name in ("routing_tests_law.yaml", "law.routing_tests.yaml", "routing_tests.yaml"):
        write(test, name=name)
    for name in ("law.yaml", "routing_tests.yml", "my_routing_tests.yaml", "routing_tests.txt"):
        write("not even YAML: [", name=name)
    result = run("-q")
    result.assert_outcomes(passed=3)


def test_a_bad_file_is_an_error_of_collection_that_reads_well(run, write):
    write("tests: [{prompt: Hi., one_off: coder}, {prompt: Hi.}]")
    write("tests: [{prompt: Hi., one_of: coder}]", name="routing_tests_good.yaml")
    result = run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR collecting routing_tests.yaml _*",
            "2 problems:",
            "  routing_tests.yaml:2:23: tests[[]0[]].one_off: unknown key; did you mean one_of?",
            "  routing_tests.yaml:2:40: tests[[]1[]]: it asserts nothing; state one of one_of, *",
            "ERROR routing_tests.yaml",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert ".py" not in result.stdout.str().partition("ERRORS")[2]


def test_a_router_that_is_not_there(run, write):
    write("tests: [{prompt: Hi., one_of: a}, {prompt: Hi., never: a}]", head="router: ./gone")
    result = run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of routing_tests.yaml:2: one_of a:*",
            "there is no folder *gone; make one with: knnrouter build*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert ".py" not in result.stdout.str().partition("ERRORS")[2]


def test_collecting_needs_no_router(run, write):
    write("tests: [{prompt: Hi., one_of: a}]", head="router: ./gone")
    result = run("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(['routing_tests.yaml::one_of a: "Hi."'])


def test_started_elsewhere_paths_are_relative_to_the_file(run, write, tmp_path, folder):
    path = write(TESTS)
    result = run(path, start=tmp_path)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*_ project/routing_tests.yaml:4: verse stays with the poet _*"])
    away = tmp_path / "away"
    away.mkdir()
    result = run(path, start=away)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines([f"*{path}:6:19: tests*"])


def test_items_are_chosen_by_name_and_by_marker(run, write, folder):
    path = write(TESTS)
    (folder / "test_mine.py").write_text("def test_mine(): pass\n")
    run("-k", "verse").assert_outcomes(failed=1, deselected=4)
    run("-m", "knnrouter").assert_outcomes(passed=2, failed=2, deselected=1)
    run("-m", "not knnrouter").assert_outcomes(passed=1, deselected=4)
    run(f"{path}::verse stays with the poet").assert_outcomes(failed=1)
    run(f'{path}::one_of coder: "Sort a list in C."').assert_outcomes(passed=1)


def test_two_files_have_a_router_each(run, write):
    write("tests: [{prompt: Write a poem on the sea., one_of: poet}]")
    head = "pool: pool.yaml\npolicy: score_minus_cost:cost_weight=1e6"
    write(
        "tests: [{prompt: Sort a list in C., one_of: poet}]", head=head, name="routing_tests_2.yaml"
    )
    run().assert_outcomes(passed=2)


HOOK = """\
from knnrouter import RecordSet, Router
from knnrouter.embedders import FunctionEmbedder

def pytest_knnrouter_router(path, config):
    assert path.name == "routing_tests.yaml"
    embedder = FunctionEmbedder(lambda texts: [[len(t), 1] for t in texts], dim=2, id="length")
    rows = [{"query": "a", "short": 1, "long": 0}, {"query": "a" * 99, "short": 0, "long": 1}]
    return Router.fit(RecordSet.from_rows(rows), embedder=embedder)
"""


def test_a_router_of_ones_own(run, write, folder):
    (folder / "conftest.py").write_text(HOOK)
    write("tests: [{prompt: Hm, one_of: short}, {prompt: Tell me all about it, one_of: long}]")
    run().assert_outcomes(passed=2)
    (folder / "conftest.py").write_text("def pytest_knnrouter_router(): return 3\n")
    result = run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["pytest_knnrouter_router returned 3; return a Router, or None*"])


def test_warnings_that_are_errors_are_told_as_messages(run, write, folder):
    (folder / "pool.yaml").write_text(
        "router: {index: ./router}\nmodels: [{name: coder}, {name: new}, {name: poet}]\n"
    )
    write("tests: [{prompt: Sort a list in C., one_of: coder}]")
    run("-W", "default").assert_outcomes(passed=1, warnings=1)
    result = run("-W", "error")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["new: no records, so no vote will choose it; *"])
    assert ".py" not in result.stdout.str().partition("ERRORS")[2]


def test_faults_of_our_own_keep_their_traceback(run, write, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("knnrouter.assertions.engine.asked", fail)
    write("tests: [{prompt: Hi., one_of: coder}]")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*ZeroDivisionError: ours", "*test_plugin.py:*: ZeroDivisionError"]
    )


def fresh(folder, *args, **environ):
    """What a pytest in a process of its own prints, and then the packages that it has imported."""
    code = (
        "import sys, pytest; code = pytest.main(sys.argv[1:]); "
        "print(*sorted({name.split('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    environ |= os.environ | {"PYTHONPATH": str(Path(knnrouter.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, args)],
        cwd=folder,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_nothing_heavy_is_imported_where_there_is_no_such_file(tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    done = fresh(tmp_path, "-p", PLUGIN, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert {"knnrouter", "pytest"} <= set(loaded)
    assert not {"numpy", "faiss", "pydantic", "yaml", "pyarrow", "model2vec"} & set(loaded)


def test_beside_the_plugins_of_others(write, folder):
    """Where this project is installed with its entry point, the plugin is found by it."""
    write(TESTS)
    installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    given = () if installed else ("-p", PLUGIN)
    done = fresh(folder, *given, "-q", "-o", "asyncio_default_fixture_loop_scope=function")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 2 passed" in done.stdout
    assert "FAILED routing_tests.yaml::verse stays with the poet" in done.stdout
