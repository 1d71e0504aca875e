"""`ChatKNNRouter`: an existing chain, with a router in place of its model.

Run it with `python examples/langchain/chat.py`. Fakes answer, offline. For real models set
OPENAI_API_KEY, and install `langchain-openai` and the extra `[agents]`.

Offline it prints:

    int main;
    O sun!
    poet leads ['poet', 'coder']: best expected score
    O sun!|
    coder answers, as it was told
"""

from __future__ import annotations

from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from parts import chat_models, fitted

from langchain_llmrouter import ChatKNNRouter


def main() -> None:
    """Ask a chain of two models."""
    models = chat_models(coder=[AIMessage("int main;")], poet=[AIMessage("O sun!")])
    model = ChatKNNRouter(router=fitted(), models=models)  # the line that changes

    prompt = ChatPromptTemplate.from_template("Write {what}.")
    chain = prompt | model | StrOutputParser()
    for text in chain.batch([{"what": "a quicksort in C"}, {"what": "a limerick on the sun"}]):
        print(text)

    answer = model.invoke("Write a limerick on the sun.")
    decision = answer.response_metadata["knnrouter"]
    print(f"{decision['model']} leads {decision['ranking']}: {decision['reason']}")

    for piece in chain.stream({"what": "a limerick on the sun"}):
        print(piece, end="|")
    print()

    answer = model.invoke("Write a limerick on the sun.", model="coder")
    print(answer.response_metadata["knnrouter"]["model"], "answers, as it was told")


if __name__ == "__main__":
    main()
