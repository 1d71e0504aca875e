"""Embedders: texts in, unit rows out.

`StaticEmbedder` ships with the package and needs no torch; `SentenceTransformerEmbedder` runs
a transformer (an extra); `FunctionEmbedder` wraps any function. Anything with `id`, `dim` and
`embed` is an `Embedder`.
"""

from __future__ import annotations

from knnrouter.embedders.base import Embedder, checked_rows
from knnrouter.embedders.function import FunctionEmbedder
from knnrouter.embedders.sentence_transformer import SentenceTransformerEmbedder
from knnrouter.embedders.static import StaticEmbedder
from knnrouter.errors import EmbedderError

__all__ = [
    "Embedder",
    "FunctionEmbedder",
    "SentenceTransformerEmbedder",
    "StaticEmbedder",
    "checked_rows",
    "resolve",
]


def resolve(embedder: str | Embedder) -> Embedder:
    """The embedder that a setting means.

    Args:
        embedder: `"static"`, or an embedder, which is returned as it is.

    Returns:
        An embedder.

    Raises:
        EmbedderError: If it is another word, or an object without `id`, `dim` and `embed`.

    Example:
        >>> resolve("static").dim
        256
    """
    if embedder == "static":
        return StaticEmbedder()
    if isinstance(embedder, str):
        raise EmbedderError(
            f"embedder is {embedder!r}; the only name is 'static': for a transformer pass "
            f"SentenceTransformerEmbedder({embedder!r}), for anything else an object with id, "
            "dim and embed"
        )
    if isinstance(embedder, type) or not isinstance(embedder, Embedder):
        raise EmbedderError(
            f"embedder is {embedder!r:.80}; it must be 'static' or an object with id, dim and "
            "embed(texts): see FunctionEmbedder to wrap a function"
        )
    return embedder
