"""A router that was fitted on six rows and saved, and pytest run on files of tests beside it."""

from __future__ import annotations

import shutil
import textwrap

import pytest

from knnrouter import Router, read_records
from knnrouter.assertions import engine, rates  # noqa: F401  # inner runs find numpy imported
from knnrouter.estimators import KNN

RESULTS = """\
query,task,coder,poet,coder|cost,poet|cost
Reverse a linked list in C.,code,1,0,0.002,0.001
Sort an array of numbers in C.,code,1,0,0.002,0.001
Write a binary search in Python.,code,1,0.25,0.002,0.001
Write a sonnet on the sea.,verse,0,1,0.002,0.001
Write a haiku on the moon.,verse,0.5,1,0.002,0.001
Write an ode to the spring rain.,verse,0,1,0.002,0.001
"""

POOL = """\
version: 1
router: {index: ./router, default: poet}
models:
  - {name: coder, aliases: [coder-2], tags: [eu], capabilities: [tools]}
  - {name: poet}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with results.csv, the router of it, and its pool."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "results.csv").write_text(RESULTS, encoding="utf-8")
    (folder / "pool.yaml").write_text(POOL, encoding="utf-8")
    records = read_records(folder / "results.csv")
    Router.fit(records, estimator=KNN(k=1)).save(folder / "router")
    return folder


@pytest.fixture
def folder(built, tmp_path):
    """A copy of `built`, to write tests into."""
    copy = tmp_path / "project"
    shutil.copytree(built, copy)
    return copy


@pytest.fixture
def write(folder):
    """Writes a file of tests for the pool, and gives its path."""

    def write(tests, *, head="pool: pool.yaml", name="routing_tests.yaml"):
        path = folder / name
        path.write_text(f"{head}\n{textwrap.dedent(tests)}", encoding="utf-8")
        return path

    return write
