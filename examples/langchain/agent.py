"""`KNNRouterMiddleware`: an agent with a tool, whose model is chosen for each user turn.

Run it with `python examples/langchain/agent.py`; it needs the extra `[agents]`. Fakes answer,
offline. For real models set OPENAI_API_KEY, and install `langchain-openai`.

Offline it prints:

    ai, by poet: (calls a tool)
    tool: Rain in Oslo.
    ai, by poet: Rain falls on Oslo.
"""

from __future__ import annotations

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from parts import chat_models, fitted

from langchain_llmrouter import KNNRouterMiddleware


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


def main() -> None:
    """Ask for a verse that needs a tool."""
    asks = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Oslo"}, "id": "call-1"}])
    models = chat_models(
        coder=[AIMessage("int rain = 1;")], poet=[asks, AIMessage("Rain falls on Oslo.")]
    )
    routing = KNNRouterMiddleware(router=fitted(), models=models)
    agent = create_agent(models["coder"], tools=[weather], middleware=[routing])

    question = {"role": "user", "content": "Write a verse on the weather in Oslo."}
    for message in agent.invoke({"messages": [question]})["messages"][1:]:
        decision = message.response_metadata.get("knnrouter")
        who = message.type if decision is None else f"{message.type}, by {decision['answered_by']}"
        print(f"{who}: {message.text or '(calls a tool)'}")


if __name__ == "__main__":
    main()
