"""`RunnableByModel`: a chain for each model, each with a prompt of its own.

Run it with `python examples/langchain/by_model.py`. Fakes answer, offline. For real models set
OPENAI_API_KEY, and install `langchain-openai` and the extra `[agents]`.

Offline it prints:

    coder: int main;
    poet: O sun!
"""

from __future__ import annotations

from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from parts import chat_models, fitted

from langchain_llmrouter import RunnableByModel


def main() -> None:
    """Let the chain of the chosen model answer."""
    models = chat_models(coder=[AIMessage("int main;")], poet=[AIMessage("O sun!")])
    code = ChatPromptTemplate.from_template("Answer with code only: {question}")
    verse = ChatPromptTemplate.from_template("Answer in verse: {question}")
    chain = RunnableByModel(
        router=fitted(),
        runnables={"coder": code | models["coder"], "poet": verse | models["poet"]},
    )
    for question in ("Sort a list in C.", "Write a limerick on the sun."):
        answer = chain.invoke({"question": question})
        print(f"{answer.response_metadata['knnrouter']['model']}: {answer.text}")


if __name__ == "__main__":
    main()
