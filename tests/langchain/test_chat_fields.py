"""Mistakes in the fields of the chat model are told when it is made."""

import pytest
from chat_stubs import StubChat
from pydantic import ValidationError

from langchain_llmrouter import ChatKNNRouter


def test_a_missing_router_is_named():
    with pytest.raises(ValidationError, match=r"router\s+Field required"):
        ChatKNNRouter(models={"small": StubChat()})
