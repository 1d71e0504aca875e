"""What turns texts into rows that can be compared, and the check of such rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from knnrouter.errors import EmbedderError

__all__ = ["Embedder", "checked_rows", "checked_texts", "head_and_tail", "unit_rows"]

_UNIT_TOLERANCE = 1e-3  # float16 models round a unit norm by up to this much


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit rows; anything with these three names is one.

    An embedder with a window may also have `clip(text) -> str`: `text` itself (the same
    object) when it fits, else its head and tail. The decision then says what was left out.
    """

    @property
    def id(self) -> str:
        """Name, dimension and content in one string; two embedders that differ have two ids."""

    @property
    def dim(self) -> int:
        """Length of a row, `d`."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: `n` texts, possibly none.

        Returns:
            Unit rows, shape (n, d); a row of zeros for a text that the embedder knows
            nothing of. No NaN.
        """


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list, once each of them is a `str`.

    Args:
        texts: Any sequence of texts, but not one bare text.

    Returns:
        The same texts.

    Raises:
        EmbedderError: If `texts` is a single text, or holds something else than text.

    Example:
        >>> checked_texts(("a", "b"))
        ['a', 'b']
    """
    if isinstance(texts, str):
        raise EmbedderError(
            f"embed() got one text, {texts[:40]!r}, which it would read letter by letter; "
            "it takes a list of texts: embed([text])"
        )
    found = list(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise EmbedderError(
                f"texts[{place}] is {text!r:.60}, a {type(text).__name__}; only str can be "
                "embedded: turn it into text, or leave it out"
            )
    return found


def checked_rows(
    rows: npt.ArrayLike, *, count: int, dim: int, source: str
) -> npt.NDArray[np.float32]:
    """The rows of an embedder, once they are what the protocol promises.

    Args:
        rows: What `embed` returned.
        count: How many texts it was given, `n`.
        dim: The embedder's stated dimension, `d`.
        source: Who made the rows; the error's subject.

    Returns:
        The rows as float32, C-ordered; shape (n, d). They are not scaled.

    Raises:
        EmbedderError: If the shape is another, a value is not finite, or a row has neither
            norm 1 (within 1e-3) nor norm 0. It tells what came back.

    Example:
        >>> checked_rows([[0.6, 0.8], [0, 0]], count=2, dim=2, source="mine")
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    found = _finite_rows(rows, count=count, dim=dim, source=source).astype(np.float32, order="C")
    norms = np.linalg.norm(found, axis=1)
    wrong = np.flatnonzero((norms != 0) & (np.abs(norms - 1) > _UNIT_TOLERANCE))
    if wrong.size:
        raise EmbedderError(
            f"{source}: row {wrong[0]} has norm {norms[wrong[0]]:.6g} ({wrong.size} of {count} "
            "rows like this); rows have norm 1, or 0 where nothing is known of the text: divide "
            "each row by its norm"
        )
    return found


def unit_rows(rows: npt.ArrayLike, *, count: int, dim: int, source: str) -> npt.NDArray[np.float32]:
    """Rows of any length, scaled to norm 1; rows of zeros stay.

    Args:
        rows: Finite numbers, shape (n, d).
        count: How many rows there should be, `n`.
        dim: How long each should be, `d`.
        source: Who made the rows; the error's subject.

    Returns:
        Unit rows as float32, C-ordered; shape (n, d).

    Raises:
        EmbedderError: If the shape is another, or a value is not finite.

    Example:
        >>> unit_rows([[3, 4], [0, 0]], count=2, dim=2, source="mine")
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    found = _finite_rows(rows, count=count, dim=dim, source=source).astype(np.float64)
    largest = np.abs(found).max(axis=1, keepdims=True, initial=0)
    found /= np.where(largest == 0, 1, largest)  # so that no square over- or underflows
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(norms == 0, 1, norms)).astype(np.float32)


def _finite_rows(rows: npt.ArrayLike, *, count: int, dim: int, source: str) -> npt.NDArray[Any]:
    found = _as_numbers(rows, source)
    if found.shape != (count, dim):
        texts = "1 text" if count == 1 else f"{count} texts"
        raise EmbedderError(
            f"{source}: {texts} came back as an array of shape {found.shape}; it must be "
            f"({count}, {dim}), a row for each text: return one, or state the right dimension"
        )
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if bad.size:
        raise EmbedderError(
            f"{source}: row {bad[0]} holds NaN or infinity ({bad.size} of {count} rows like "
            "this); values must be finite: return zeros for a text that nothing is known of"
        )
    return found


def _as_numbers(rows: npt.ArrayLike, source: str) -> npt.NDArray[Any]:
    try:
        found = np.asarray(rows)
    except ValueError as error:  # rows of different lengths
        raise EmbedderError(
            f"{source}: what came back is not an array ({error}); return rows of one length"
        ) from error
    if found.dtype.kind not in "fiu":
        raise EmbedderError(
            f"{source}: a {type(rows).__name__} came back, of dtype {found.dtype}; it must hold "
            "real numbers: return a float array with a row for each text"
        )
    return found


def head_and_tail(text: str, window: int) -> str:
    r"""The text itself if it fits the window, else its first and last characters.

    Args:
        text: Any text.
        window: How many characters fit, at least 3.

    Returns:
        `text`, the same object, or two halves of it with a line break between, `window`
        characters in all.

    Example:
        >>> head_and_tail("abcdefghij", 5)
        'ab\nij'
    """
    if len(text) <= window:
        return text
    head, tail = window // 2, (window - 1) // 2
    return f"{text[:head]}\n{text[-tail:]}"
