"""An embedder out of any function that turns texts into rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from knnrouter.embedders.base import checked_texts, unit_rows
from knnrouter.errors import EmbedderError

__all__ = ["FunctionEmbedder"]


class FunctionEmbedder:
    """Wraps a function, such as a call to an embedding service, as an embedder.

    Args:
        fn: Takes a list of `n` texts, gives `n` rows of `dim` finite numbers, of any length
            (norm): lists, or any array. Called once for each `embed`, except for no texts;
            from several threads at once if the router is.
        dim: Length of a row, `d`; at least 1.
        id: A name that changes when the function's rows change: a saved router refuses to
            load with an embedder of another id.

    Raises:
        EmbedderError: If `dim` is below 1, or `id` is empty.

    Example:
        >>> import numpy as np
        >>> lengths = FunctionEmbedder(
        ...     lambda texts: [[len(t), t.count("x")] for t in texts], dim=2, id="lengths-2"
        ... )
        >>> lengths.embed(["xyyxyx", ""]).round(3)
        array([[0.894, 0.447],
               [0.   , 0.   ]], dtype=float32)
    """

    id: str
    dim: int

    def __init__(self, fn: Callable[[list[str]], npt.ArrayLike], dim: int, id: str) -> None:
        if not isinstance(dim, int) or dim < 1:
            raise EmbedderError(
                f"dim is {dim!r}; it must be a whole number, 1 or more: the length of the rows "
                "that the function returns"
            )
        if not isinstance(id, str) or not id.strip():
            raise EmbedderError(
                f"id is {id!r}; it must name the function and its version, such as "
                "'my-embeddings-v2': saved routers are matched by it"
            )
        self._fn = fn
        self.dim = dim
        self.id = id

    def __repr__(self) -> str:
        return f"FunctionEmbedder(id={self.id!r}, dim={self.dim})"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts with the function, and scale the rows to norm 1.

        Args:
            texts: `n` texts, possibly none.

        Returns:
            Unit rows, shape (n, d); rows of zeros stay.

        Raises:
            EmbedderError: If `texts` is not a sequence of texts, or if what the function
                returned is not `n` rows of `d` finite numbers; it tells what came back.
        """
        asked = checked_texts(texts)
        if not asked:
            return np.zeros((0, self.dim), np.float32)
        source = f"embedder {self.id!r}"
        return unit_rows(self._fn(asked), count=len(asked), dim=self.dim, source=source)
