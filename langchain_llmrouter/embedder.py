"""LangChain's embeddings as the embedder of a router."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from knnrouter.serving import ServiceEmbedder, stated_id

__all__ = ["LangChainEmbedder"]

_NAMES = ("model", "model_name", "model_id", "deployment")
"""Where LangChain's classes keep the name of their model."""


class LangChainEmbedder(ServiceEmbedder):
    """Embeds with any LangChain embeddings.

    Queries and evidence are compared with each other, so both are embedded as documents: many
    models embed a document in another way than a query. Blank texts are not sent, for services
    refuse them; they have rows of zeros.

    Args:
        embeddings: The embeddings; called from several threads at once if the router is.
        dim: Length of a row, `d`, at least 1; None measures it with one call, once, when it is
            first needed.
        id: A name that changes when the embedding changes: a saved router refuses to load with an
            embedder of another id. None: the class and its model's name, where it keeps one.

    Raises:
        EmbedderError: `dim` is below 1, or `id` is blank, or not given and nothing tells it.
        TypeError: `embeddings` are none.

    Example:
        >>> from langchain_core.embeddings import DeterministicFakeEmbedding
        >>> embedder = LangChainEmbedder(DeterministicFakeEmbedding(size=8), id="fake-8")
        >>> embedder.embed(["What is 2 + 2?", ""]).shape, embedder.dim
        ((2, 8), 8)
    """

    def __init__(
        self, embeddings: Embeddings, *, dim: int | None = None, id: str | None = None
    ) -> None:
        if not isinstance(embeddings, Embeddings):
            raise TypeError(
                f"embeddings is of type {type(embeddings).__name__}; give LangChain embeddings, "
                "or a function to knnrouter.embedders.FunctionEmbedder"
            )
        super().__init__(
            embeddings.embed_documents,
            dim=dim,
            id=stated_id(embeddings, _NAMES) if id is None else id,
        )
