"""LangChain's embeddings as the embedder of a router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from knnrouter.embedders.base import checked_texts, unit_rows
from knnrouter.errors import EmbedderError
from knnrouter.pool.secrets import looks_secret
from knnrouter.serving import Lazy

__all__ = ["LangChainEmbedder"]

_NAMES = ("model", "model_name", "model_id", "deployment")
"""Where LangChain's classes keep the name of their model."""
_SIZES = ("dimensions", "output_dimensionality")
"""Where they keep a length that rows are cut to."""


class LangChainEmbedder:
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

    id: str

    def __init__(
        self, embeddings: Embeddings, *, dim: int | None = None, id: str | None = None
    ) -> None:
        if not isinstance(embeddings, Embeddings):
            raise TypeError(
                f"embeddings is of type {type(embeddings).__name__}; give LangChain embeddings, "
                "or a function to knnrouter.embedders.FunctionEmbedder"
            )
        if dim is not None and (not isinstance(dim, int) or dim < 1):
            raise EmbedderError(
                f"dim is {dim!r}; it must be a whole number, 1 or more: the length of the rows; "
                "leave it out to have it measured"
            )
        self.id = _derived_id(embeddings) if id is None else _checked_id(id)
        self._embeddings = embeddings
        self._dim = Lazy(self._measured if dim is None else lambda: dim)

    def __repr__(self) -> str:
        return f"LangChainEmbedder(id={self.id!r})"

    @property
    def dim(self) -> int:
        """Length of a row, `d`; unless it was given, the first to ask measures it.

        Raises:
            EmbedderError: What came back for one text is not one row.
        """
        return self._dim.get()

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts, and scale the rows to norm 1.

        Args:
            texts: `n` texts, possibly none.

        Returns:
            Unit rows, shape (n, d); rows of zeros stay, and are those of blank texts.

        Raises:
            EmbedderError: `texts` is not a sequence of texts, or what came back is not a row of
                `d` finite numbers for each; it tells what came back.
        """
        asked = checked_texts(texts)
        rows = np.zeros((len(asked), self.dim), np.float32)
        told = [place for place, text in enumerate(asked) if text.strip()]
        if told:
            found = self._embeddings.embed_documents([asked[place] for place in told])
            rows[told] = unit_rows(found, count=len(told), dim=self.dim, source=self._source)
        return rows

    @property
    def _source(self) -> str:
        return f"embedder {self.id!r}"

    def _measured(self) -> int:
        rows = self._embeddings.embed_documents(["dimension"])
        try:
            dim = len(rows[0])
        except (IndexError, TypeError) as error:
            raise EmbedderError(self._no_row(rows)) from error
        if dim < 1:
            raise EmbedderError(self._no_row(rows))
        return dim

    def _no_row(self, rows: object) -> str:
        return (
            f"{self._source}: 1 text came back as {rows!r:.60}; it must be a list with one row of "
            "numbers: use embeddings that give one"
        )


def _checked_id(id: object) -> str:
    if isinstance(id, str) and id.strip():
        return id
    raise EmbedderError(
        f"id is {id!r}; it must name the embeddings and their version, such as "
        "'my-embeddings-v2': saved routers are matched by it"
    )


def _derived_id(embeddings: Embeddings) -> str:
    kind = type(embeddings).__name__
    names = dict.fromkeys(_stated(embeddings))
    if not names:
        raise EmbedderError(
            f"nothing tells which embeddings these {kind} are: {', '.join(_NAMES)} hold no name; "
            "give id=, a text that changes when the embeddings change"
        )
    sizes = [getattr(embeddings, name, None) for name in _SIZES]
    return ":".join([kind, *names, *(str(size) for size in sizes if isinstance(size, int))])


def _stated(embeddings: Embeddings) -> Iterator[str]:
    """The names of the model; defaults of the class only where nothing else is set."""
    fields = getattr(type(embeddings), "model_fields", {})
    found = {name: getattr(embeddings, name, None) for name in _NAMES}
    texts = {
        name: value
        for name, value in found.items()
        if isinstance(value, str) and value.strip() and not looks_secret(value)
    }
    stated = [
        value
        for name, value in texts.items()
        if name not in fields or value != fields[name].default
    ]
    yield from stated or texts.values()
