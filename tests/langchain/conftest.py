"""The chat model that routes among three stubs, and a log of its runs."""

import pytest
import routed_chats
from run_log import RunLog


@pytest.fixture
def models():
    return routed_chats.stubs()


@pytest.fixture
def chat(models):
    return routed_chats.routed(models)


@pytest.fixture
def log():
    return RunLog()
