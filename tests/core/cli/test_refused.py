"""What the command refuses: one message, exit code 2, and nothing lost that was saved before."""

import json
import os
import re

import numpy as np
import pytest

from knnrouter import Router, read_records
from knnrouter.embedders import FunctionEmbedder

HEAD = "query,a,b\n"

BAD_FILES = {
    "empty": (b"", "bad.csv: the file is empty; give at least one row"),
    "header alone": (HEAD.encode(), "bad.csv: "),
    "truncated json": (b'[{"query": "x", "a": 1, "b": 0}, {"que', "bad.csv"),
    "truncated parquet": (b"PAR1\x15\x04", "bad.csv"),
    "Latin-1": (HEAD.encode() + b"M\xfcnchen?,1,0\n", "--encoding"),
    "a missing column": (b"text,a,b\nx,1,0\n", "query"),
    "a word for a score": (HEAD.encode() + b"x,good,0\n", "bad.csv:2: .*'good'"),
    "a score above one": (HEAD.encode() + b"x,5,0\n", "bad.csv:2: .*scale"),
    "a negative cost": (b"query,a,b,a|cost\nx,1,0,-2\n", "bad.csv:2: .*-2"),
    "nothing measured": (HEAD.encode() + b"x,nan,nan\ny,,\n", "not one score is measured|measured"),
    "no models": (b"query,task\nx,math\n", "no model"),
    "duplicate ids": (b"id,query,a,b\n1,x,1,0\n1,y,1,0\n", "'1'"),
}


def _contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


@pytest.mark.parametrize("name", BAD_FILES)
def test_benchmark_files(knn, work, name):
    content, message = BAD_FILES[name]
    (work / "bad.csv").write_bytes(content)
    before = _contents(work / "router")
    ran = knn("build", "bad.csv", "--out", "router", code=2)
    assert re.search(message, ran.err), ran.err
    assert ran.err.startswith("error: ")
    assert ran.out == ""
    assert _contents(work / "router") == before


def test_all_bad_rows_are_named_at_once(knn, work):
    rows = "".join(f"x{number},{'1' if number < 30 else 'good'},0\n" for number in range(60))
    (work / "bad.csv").write_text(HEAD + rows)
    ran = knn("build", "bad.csv", "--out", "new", code=2)
    assert ran.err.count("bad.csv:") == 20
    assert "30 in all" in ran.err
    assert not (work / "new").exists()


def test_no_such_file(knn, work):
    assert "no.csv: no such file" in knn("build", "no.csv", "--out", "new", code=2).err


BAD_POOLS = {
    "duplicate keys": ("models: [{name: coder, name: poet}]\n", "p.yaml:1:.* twice"),
    "unknown key": ("models:\n  - {name: coder, prize: 1}\n", "p.yaml:2:19: .*did you mean price"),
    "unquoted on": ("models: [{name: on}, {name: b}]\n", "p.yaml:1:11: .*write 'on'"),
    "a secret": (
        "models: [{name: a, params: {api_key: hunter2}}]\n",
        r"p.yaml:1:.*api_key is a secret.*\$\{NAME\}",
    ),
    "a python tag": ("models: !!python/object:os.system {}\n", "p.yaml:1:.*tag .* is refused"),
    "one alias for two": (
        "models: [{name: coder, aliases: [x]}, {name: poet, aliases: [x]}]\n",
        "two models have the alias 'x', 'coder' and 'poet'",
    ),
    "no models": ("models: []\n", "p.yaml:1:"),
    "empty": ("", "p.yaml: it is empty"),
    "not utf-8": ("models: [{name: \udcff}]\n", "p.yaml:1:17: the byte 0xff is not UTF-8"),
    "unknown policy": (
        "router: {policy: {kind: cheapest}, index: router}\nmodels: [{name: coder}]\n",
        "unknown policy 'cheapest'",
    ),
    "a policy of an unknown model": (
        "router: {policy: 'threshold:strong=a,weak=coder,threshold=0.5', index: router}\n"
        "models: [{name: coder}, {name: poet}]\n",
        "the pool has no model 'a'",
    ),
}


@pytest.mark.parametrize("command", ["validate", "route", "route --router", "build"])
@pytest.mark.parametrize("name", BAD_POOLS)
def test_pools(knn, work, name, command):
    content, message = BAD_POOLS[name]
    (work / "p.yaml").write_bytes(content.encode("utf-8", "surrogateescape"))
    before = _contents(work / "router")
    words = {
        "validate": ["validate", "p.yaml"],
        "route": ["route", "Sort in C.", "--pool", "p.yaml"],
        "route --router": ["route", "Sort in C.", "--pool", "p.yaml", "--router", "router"],
        "build": ["build", "results.csv", "--out", "router", "--pool", "p.yaml"],
    }
    ran = knn(*words[command], code=2)
    assert re.search(message, ran.err), ran.err
    assert "hunter2" not in ran.err + ran.out
    assert _contents(work / "router") == before


def _letters(texts):
    counts = [[text.lower().count(chr(97 + place)) for place in range(26)] for text in texts]
    rows = np.array(counts, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def _files(folder):
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


@pytest.mark.parametrize("role", ["manifest", "records", "scores", "costs", "vectors", "index"])
@pytest.mark.parametrize("fault", ["missing", "flipped", "cut"])
def test_damaged_folders(knn, work, role, fault):
    [path] = [work / "router" / name for name in _files("router") if name.startswith(role)]
    if fault == "missing":
        path.unlink()
    elif fault == "flipped":
        _flip(path)
    else:
        path.write_bytes(path.read_bytes()[:-7])
    before = _contents(work / "router")
    ran = knn("route", "Sort in C.", "--router", "router", code=2)
    assert ran.err.startswith("error: ")
    assert path.name in ran.err or "manifest" in ran.err
    if role == "index":
        assert "inspect --repair" in ran.err or "--repair" in ran.err
    assert ran.out == ""
    assert _contents(work / "router") == before


def test_a_folder_of_another_embedder_or_a_newer_format(knn, work):
    letters = FunctionEmbedder(_letters, dim=26, id="letters")
    Router.fit(read_records("results.csv"), embedder=letters).save("other")
    ran = knn("route", "x", "--router", "other", code=2)
    assert "the saved vectors come from the embedder 'letters'" in ran.err
    path = work / "router" / "manifest.json"
    newer = json.loads(path.read_text()) | {"format_version": 99}
    path.write_text(json.dumps(newer))
    ran = knn("route", "x", "--router", "router", code=2)
    assert "99" in ran.err
    before = _contents(work / "router")
    ran = knn("build", "results.csv", "--out", "router", code=2)
    assert "99" in ran.err
    assert _contents(work / "router") == before


@pytest.mark.parametrize("command", ["route", "explain", "inspect", "validate"])
def test_no_router_there(knn, work, command):
    (work / "empty").mkdir()
    for folder in ("nowhere", "empty", "results.csv"):
        words = {
            "route": ["route", "x", "--router", folder],
            "explain": ["explain", "x", "--router", folder],
            "inspect": ["inspect", folder],
            "validate": ["validate", "pool.yaml", "--router", folder],
        }
        ran = knn(*words[command], code=2)
        assert folder in ran.err
        assert "knnrouter build FILE --out" in ran.err


def test_places_that_may_not_be_read(knn, work):
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    (work / "pool.yaml").chmod(0)
    ran = knn("route", "x", "--pool", "pool.yaml", code=2)
    assert "pool.yaml: cannot be read: Permission denied" in ran.err


def test_files_that_are_folders(knn, work):
    ran = knn("route", "--messages", "router", code=2)
    assert ran.err == "error: router: Is a directory; check that it is there, and who may use it\n"
    assert "this is a folder" in knn("route", "x", "--pool", "router", code=2).err
    assert "the folder holds no benchmark" in knn("build", "router", "--out", "new", code=2).err
