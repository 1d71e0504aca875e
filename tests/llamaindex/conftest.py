"""The LLM that routes among three stubs, what listeners are told, and a saved router."""

import asyncio

import pytest
import routed_chats
import routed_llms
from llama_index.core import Settings
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from pydantic import Field

POOL_YAML = """
version: 1
router: {index: router}
models: [{name: coder}, {name: clerk}, {name: poet}]
"""


@pytest.fixture(autouse=True)
def _settings():
    """What a test sets for all is taken back."""
    before = dict(vars(Settings))
    yield
    vars(Settings).clear()
    vars(Settings).update(before)


@pytest.fixture(autouse=True)
def _no_loop():
    """Where a thread never had an event loop, LlamaIndex makes one and leaves it open."""
    asyncio.set_event_loop(None)


class Events(BaseEventHandler):
    """Keeps all that is told."""

    told: list = Field(default_factory=list)

    def handle(self, event, **kwargs):
        self.told.append(event)

    def of(self, *names):
        return [event for event in self.told if event.class_name() in names]

    def names(self, *starts):
        names = [event.class_name() for event in self.told]
        return [name for name in names if name.startswith(starts or "")]


@pytest.fixture
def events():
    handler, dispatcher = Events(), get_dispatcher()
    dispatcher.add_event_handler(handler)
    yield handler
    dispatcher.event_handlers.remove(handler)


@pytest.fixture
def models():
    return routed_llms.stubs()


@pytest.fixture
def llm(models):
    return routed_llms.routed(models)


@pytest.fixture
def pool_file(tmp_path):
    """A pool.yaml, and its saved router."""
    routed_chats.evidence().save(tmp_path / "router")
    (tmp_path / "pool.yaml").write_text(POOL_YAML)
    return tmp_path / "pool.yaml"
