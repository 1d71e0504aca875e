"""`LangChainEmbedder`: a router on embeddings of your own.

Run it with `python examples/langchain/embeddings.py`. A fake counts letters, offline. For real
embeddings set OPENAI_API_KEY, and install `langchain-openai`.

Offline it prints:

    letters-1 has rows of 9 numbers
    poet
    coder
"""

from __future__ import annotations

import os

from langchain_core.embeddings import Embeddings
from parts import ROWS

from knnrouter import RecordSet, Router
from langchain_llmrouter import LangChainEmbedder


class Letters(Embeddings):
    """Counts a few letters of a text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts."""
        return [[float(text.lower().count(letter)) for letter in "acehmnort"] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Embed one text."""
        return self.embed_documents([text])[0]


def embedder() -> LangChainEmbedder:
    """OpenAI's embeddings where OPENAI_API_KEY is set, else letters."""
    if not os.environ.get("OPENAI_API_KEY"):
        return LangChainEmbedder(Letters(), id="letters-1")
    from langchain_openai import OpenAIEmbeddings

    return LangChainEmbedder(OpenAIEmbeddings(model="text-embedding-3-small"))


def main() -> None:
    """Fit a router on these embeddings, and ask it."""
    embeddings = embedder()
    print(f"{embeddings.id} has rows of {embeddings.dim} numbers")
    router = Router.fit(RecordSet.from_rows(ROWS), embedder=embeddings)
    print(router.route("A haiku on the moon and one on the sun.").model)
    print(router.route("Reverse an array in C.").model)


if __name__ == "__main__":
    main()
