"""LangChain's own tests of chat models, on the router and on the stub that it routes to."""

import pytest
from chat_stubs import StubChat
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from knnrouter import RecordSet, Router
from langchain_llmrouter import ChatKNNRouter

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

ROUTER = Router.fit(
    RecordSet.from_rows(
        [
            {"query": "What is the weather in Paris?", "stub-a": 1, "stub-b": 0},
            {"query": "Write a sonnet on the sea.", "stub-a": 0, "stub-b": 1},
        ]
    )
)


class _Stub:
    chat_model_class = StubChat
    chat_model_params = {"model": "stub-a"}
    model_override_value = "stub-b"


class _Routed:
    chat_model_class = ChatKNNRouter
    chat_model_params = {
        "router": ROUTER,
        "models": {"stub-a": StubChat(model="stub-a"), "stub-b": StubChat(model="stub-b")},
    }
    model_override_value = "stub-b"


class TestStubUnit(_Stub, ChatModelUnitTests): ...


class TestStubIntegration(_Stub, ChatModelIntegrationTests): ...


class TestRouterUnit(_Routed, ChatModelUnitTests): ...


class TestRouterIntegration(_Routed, ChatModelIntegrationTests): ...
