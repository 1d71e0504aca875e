"""The chat model that routes among three stubs, a log of its runs, and a saved router."""

import time

import pytest
import routed_chats
from run_log import RunLog

from knnrouter import Router

POOL_YAML = """
version: 1
router: {index: router}
models: [{name: coder}, {name: clerk}, {name: poet}]
"""


@pytest.fixture
def models():
    return routed_chats.stubs()


@pytest.fixture
def chat(models):
    return routed_chats.routed(models)


@pytest.fixture
def log():
    return RunLog()


class Saved:
    """A pool.yaml and its saved router; `loads` has an entry for each time it was loaded."""

    def __init__(self, path):
        self.path, self.loads, self.delay = path, [], 0.0


@pytest.fixture
def saved(tmp_path, monkeypatch):
    routed_chats.evidence().save(tmp_path / "router")
    (tmp_path / "pool.yaml").write_text(POOL_YAML)
    made, load = Saved(tmp_path / "pool.yaml"), Router.load

    def counted(folder, **options):
        made.loads.append(folder)
        time.sleep(made.delay)
        return load(folder, **options)

    monkeypatch.setattr(Router, "load", counted)
    return made
