"""Agents of stub models: a tool, models that call it, and every way to run them."""

import asyncio

from chat_stubs import StubChat
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import Field
from routed_chats import CODE


@tool
def look(place: str) -> str:
    """Look around; what is found is about code, whatever was asked."""
    return CODE


class LoopChat(StubChat):
    """Calls the first tool `rounds` times a turn; fails at the calls `fails_at`, the first is 1."""

    rounds: int = 1
    fails_at: tuple[int, ...] = ()
    found: list = Field(default_factory=list, exclude=True, repr=False)

    def _answer(self, messages, kwargs):
        asked = max(place for place, each in enumerate(messages) if isinstance(each, HumanMessage))
        results = [each for each in messages[asked:] if isinstance(each, ToolMessage)]
        calls = len(results) < self.rounds
        shown = [each for each in messages if not (calls and each in results)]
        if len(self.seen) + 1 in self.fails_at:
            self.seen.append({"messages": list(messages), "arguments": kwargs})
            raise ConnectionError("down for now")
        answer = super()._answer(shown, kwargs)
        self.seen[-1]["messages"] = list(messages)
        return answer


def invoke(agent, given, config=None, **arguments):
    return agent.invoke(_state(given), config, **arguments)


def ainvoke(agent, given, config=None, **arguments):
    return asyncio.run(agent.ainvoke(_state(given), config, **arguments))


def _tokens(parts):
    return [(message.text, metadata["langgraph_node"]) for message, metadata in parts]


def tokens(agent, given, config=None, **arguments):
    return _tokens(agent.stream(_state(given), config, stream_mode="messages", **arguments))


def atokens(agent, given, config=None, **arguments):
    async def call():
        parts = agent.astream(_state(given), config, stream_mode="messages", **arguments)
        return [part async for part in parts]

    return _tokens(asyncio.run(call()))


def _state(given):
    """What a user says, as the state of an agent; anything but a text as it is."""
    return {"messages": [HumanMessage(given)]} if isinstance(given, str) else given


WAYS = (invoke, ainvoke)


def answers(state):
    """The messages of the models in the last turn."""
    messages = state["messages"]
    asked = max(place for place, each in enumerate(messages) if each.type == "human")
    return [each for each in messages[asked:] if each.type == "ai"]


def stamps(state):
    return [each.response_metadata["knnrouter"] for each in answers(state)]


def who(state):
    """Which models answered in the last turn."""
    return [each.response_metadata["model_name"] for each in answers(state)]
