"""LlamaIndex's embeddings as the embedder of a router."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from knnrouter.embedders.base import unit_rows
from knnrouter.serving import Lazy, ServiceEmbedder, stated_id

__all__ = ["LlamaIndexEmbedder"]

_NAMES = ("model_name", "model", "deployment_name", "azure_deployment")
"""Where LlamaIndex's classes keep the name of their model."""
_NAMELESS = ("unknown",)
"""What they hold where nobody gave a name."""
_PROBE = "Which rows does a query have?"
_ALIKE = 0.01  # distance of unit rows; services return slightly different ones for the same text


class LlamaIndexEmbedder(ServiceEmbedder):
    """Embeds with any LlamaIndex embedding.

    Queries and evidence are compared with each other, so both are embedded as texts, by
    `get_text_embedding_batch`: many models embed a text in another way than a query, and only texts
    can be sent many at once. Blank texts are not sent, for services refuse them; they have rows of
    zeros.

    Args:
        embed_model: The embedding; called from several threads at once if the router is.
        dim: Length of a row, `d`, at least 1; None measures it with one call, once, when it is
            first needed.
        id: A name that changes when the embedding changes: a saved router refuses to load with an
            embedder of another id. None: the class and its model's name, where it keeps one.

    Raises:
        EmbedderError: `dim` is below 1, or `id` is blank, or not given and nothing tells it.
        TypeError: `embed_model` is none.

    Example:
        >>> from llama_index.core import MockEmbedding
        >>> embedder = LlamaIndexEmbedder(MockEmbedding(embed_dim=4), id="mock-4")
        >>> embedder.embed(["What is 2 + 2?", ""]).tolist()
        [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self, embed_model: BaseEmbedding, *, dim: int | None = None, id: str | None = None
    ) -> None:
        if not isinstance(embed_model, BaseEmbedding):
            raise TypeError(
                f"embed_model is of type {type(embed_model).__name__}; give an embedding of "
                "LlamaIndex, or a function to knnrouter.embedders.FunctionEmbedder"
            )
        super().__init__(
            embed_model.get_text_embedding_batch,
            dim=dim,
            id=stated_id(embed_model, _NAMES, unset=_NAMELESS) if id is None else id,
        )
        self._embed_model = embed_model
        self._alike = Lazy(self._embeds_alike)

    def row(self, embedding: Sequence[float]) -> NDArray[np.float32] | None:
        """The row of a query whose embedding is known, as `embed` makes it of the query's text.

        Args:
            embedding: What `get_query_embedding` of the same model gave for the query.

        Returns:
            Its unit row, shape (d,). None where it cannot stand for the text's: it has another
            length, or the model embeds queries in another way than texts, which is measured with
            one text, once.

        Example:
            >>> from llama_index.core import MockEmbedding
            >>> embedder = LlamaIndexEmbedder(MockEmbedding(embed_dim=4), id="mock-4")
            >>> embedder.row([0, 7, 0, 0]).tolist(), embedder.row([0, 7, 0])
            ([0.0, 1.0, 0.0, 0.0], None)
        """
        if len(embedding) != self.dim or not np.isfinite(embedding).all():
            return None
        (row,) = unit_rows([embedding], count=1, dim=self.dim, source=self._source)
        return row if row.any() and self._alike.get() else None

    def _embeds_alike(self) -> bool:
        rows = [
            self._embed_model.get_text_embedding(_PROBE),
            self._embed_model.get_query_embedding(_PROBE),
        ]
        text, query = unit_rows(rows, count=2, dim=self.dim, source=self._source)
        return bool(np.linalg.norm(text - query) <= _ALIKE)
