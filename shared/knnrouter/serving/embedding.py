"""What embedders made of a framework's embeddings have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from knnrouter.embedders.base import checked_texts, unit_rows
from knnrouter.errors import EmbedderError
from knnrouter.yaml_files.secrets import looks_secret

from .lazy import Lazy

__all__ = ["ServiceEmbedder", "stated_id"]

_SIZES = ("dimensions", "output_dimensionality")
"""Where embeddings keep a length that rows are cut to."""


class ServiceEmbedder:
    """Embeds with a service whose dimension only its answers tell.

    Blank texts are not sent, for services refuse them; they have rows of zeros.

    Args:
        fn: Takes a list of texts, gives a row of numbers for each; called from several threads at
            once if the router is.
        dim: Length of a row, `d`, at least 1; None measures it with one call, once, when it is
            first needed.
        id: A name that changes when the embedding changes.

    Raises:
        EmbedderError: `dim` is below 1, or `id` is blank.

    Example:
        >>> embedder = ServiceEmbedder(lambda texts: [[3, 4]] * len(texts), dim=None, id="same-2")
        >>> embedder.embed(["Why?", " "]).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
        True
    """

    id: str

    def __init__(
        self, fn: Callable[[list[str]], npt.ArrayLike], *, dim: int | None, id: str
    ) -> None:
        if dim is not None and (not isinstance(dim, int) or dim < 1):
            raise EmbedderError(
                f"dim is {dim!r}; it must be a whole number, 1 or more: the length of the rows; "
                "leave it out to have it measured"
            )
        if not isinstance(id, str) or not id.strip():
            raise EmbedderError(
                f"id is {id!r}; it must name the embeddings and their version, such as "
                "'my-embeddings-v2': saved routers are matched by it"
            )
        self.id = id
        self._fn = fn
        self._dim = Lazy(self._measured if dim is None else lambda: dim)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"

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
            found = self._fn([asked[place] for place in told])
            rows[told] = unit_rows(found, count=len(told), dim=self.dim, source=self._source)
        return rows

    @property
    def _source(self) -> str:
        return f"embedder {self.id!r}"

    def _measured(self) -> int:
        rows: object = self._fn(["dimension"])
        try:
            dim = len(rows[0])  # type: ignore[index] # whatever came back
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


def stated_id(embeddings: object, names: Sequence[str], *, unset: Collection[str] = ()) -> str:
    """The id of embeddings that keep the name of their model: the class, that name, its size.

    Args:
        embeddings: The embeddings of a framework.
        names: The attributes in which the framework's classes keep the name.
        unset: Values that stand there where nothing was set.

    Raises:
        EmbedderError: None of the attributes holds a name.

    Example:
        >>> from types import SimpleNamespace
        >>> stated_id(SimpleNamespace(model="small-v2", dimensions=256), ("model", "model_name"))
        'SimpleNamespace:small-v2:256'
    """
    kind = type(embeddings).__name__
    found = dict.fromkeys(_stated(embeddings, names, unset))
    if not found:
        raise EmbedderError(
            f"nothing tells which embeddings these {kind} are: {', '.join(names)} hold no name; "
            "give id=, a text that changes when the embeddings change"
        )
    sizes = [getattr(embeddings, name, None) for name in _SIZES]
    return ":".join([kind, *found, *(str(size) for size in sizes if isinstance(size, int))])


def _stated(embeddings: object, names: Sequence[str], unset: Collection[str]) -> Iterator[str]:
    """The names of the model; defaults of the class only where nothing else is set."""
    fields = getattr(type(embeddings), "model_fields", {})
    found = {name: getattr(embeddings, name, None) for name in names}
    texts = {
        name: value
        for name, value in found.items()
        if isinstance(value, str)
        and value.strip()
        and value not in unset
        and not looks_secret(value)
    }
    stated = [
        value
        for name, value in texts.items()
        if name not in fields or value != fields[name].default
    ]
    yield from stated or texts.values()
