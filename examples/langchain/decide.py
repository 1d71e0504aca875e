"""`KNNRouter`: a decision inside a chain, and LangChain's RouterRunnable led by it.

Run it with `python examples/langchain/decide.py`. It needs no OPENAI_API_KEY: no model is asked.

Offline it prints:

    poet ('poet', 'coder') best expected score
    coder for ada
    rhyming: Write a haiku on the sun.
"""

from __future__ import annotations

from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RouterRunnable, RunnableLambda, RunnablePassthrough
from parts import fitted

from langchain_llmrouter import KNNRouter


def compiling(text: str) -> str:
    """Stand in for a chain that writes code."""
    return f"compiling: {text}"


def rhyming(text: str) -> str:
    """Stand in for a chain that writes verse."""
    return f"rhyming: {text}"


def main() -> None:
    """Decide on a prompt, beside an input, and for a RouterRunnable."""
    decide = KNNRouter(router=fitted())

    decision = (ChatPromptTemplate.from_template("Write {what}.") | decide).invoke(
        {"what": "a limerick on the sun"}
    )
    print(decision.model, decision.ranking, decision.reason)

    state = RunnablePassthrough.assign(route=decide).invoke(
        {"question": "Sort a list in C.", "user": "ada"}
    )
    print(state["route"].model, "for", state["user"])

    chains = {"coder": RunnableLambda(compiling), "poet": RunnableLambda(rhyming)}
    dispatched = {
        "key": decide.name_only(),
        "input": RunnablePassthrough(),
    } | RouterRunnable(chains)
    print(dispatched.invoke("Write a haiku on the sun."))


if __name__ == "__main__":
    main()
