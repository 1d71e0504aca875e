"""The command, run in this process; and a router that it built, for all tests that read one."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import dataclass

import pytest

from knnrouter.cli import main

RESULTS = """\
query,task,coder,poet,coder|cost,poet|cost
Reverse a linked list in C.,code,1,0,0.002,0.001
Sort an array of numbers in C.,code,1,0,0.002,0.001
Write a binary search in Python.,code,1,0.25,0.002,0.001
Write a sonnet on the sea.,verse,0,1,0.002,0.001
Write a haiku on the moon.,verse,0.5,1,0.002,0.001
Write an ode to the spring rain.,verse,0,,0.002,
"""

POOL = """\
version: 1
router:
  index: ./router
  default: poet
models:
  - name: coder
    price: {input: 2, output: 4}
    capabilities: [tools]
    tags: [eu]
  - name: poet
    price: {input: 1e-6, output: 2}
"""


@dataclass(frozen=True)
class Ran:
    """What a run of the command left."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def knn(capsys, monkeypatch):
    """Runs `knnrouter` with arguments and standard input, and checks its exit code; None: any."""

    def run(*args, stdin=b"", code=0):
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(raw))))
        monkeypatch.setattr(sys, "argv", ["knnrouter", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert code is None or ended.value.code == code, (out, err)
        return Ran(ended.value.code, out, err)

    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with results.csv, pool.yaml and the router of the two; only for reading."""
    place = tmp_path_factory.mktemp("built")
    (place / "results.csv").write_text(RESULTS)
    (place / "pool.yaml").write_text(POOL)
    argv = ["knnrouter", "build", str(place / "results.csv"), "--out", str(place / "router")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*argv, "--k", "2", "--weights", "uniform", "--shrinkage", "0"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return place


@pytest.fixture
def work(built, tmp_path, monkeypatch):
    """The same folder as a copy of one's own, and the place where the command runs."""
    place = tmp_path / "work"
    shutil.copytree(built, place)
    monkeypatch.chdir(place)
    return place
