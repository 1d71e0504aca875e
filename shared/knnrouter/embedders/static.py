"""Static word vectors, shipped with the package: text in, unit rows out, without torch."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from knnrouter.embedders.base import checked_texts, head_and_tail
from knnrouter.errors import EmbedderError

if TYPE_CHECKING:
    from model2vec import StaticModel
    from tokenizers import Encoding, Tokenizer

__all__ = ["WINDOW", "StaticEmbedder"]

WINDOW = 4000
"""How many characters of a text are read; of a longer one, head and tail."""

_SHIPPED = Path(__file__).with_name("static_data")
_BATCH = 1024  # texts tokenized at a time: bounds the memory, not the speed


class StaticEmbedder:
    """The default embedder: the sum of a text's distinct word vectors, scaled to norm 1.

    **English only.** The vectors are distilled from all-MiniLM-L6-v2, an English model; texts
    in other languages get rows, but rows that say little. It knows words, not their order.

    A word that comes twice counts once, which routes better than the mean over all words (the
    table in docs/reference/embedders.md). Of a text above `WINDOW` characters, head and tail
    are read. The same text gives the same bits, alone or in a batch, from any thread.

    Attributes:
        id: Name, dimension, and 12 digits of the hash of the data.
        dim: Length of a row, `d`.

    Args:
        folder: A model that `scripts/distill_static.py` wrote; by default the shipped one.

    Raises:
        EmbedderError: If a data file is missing, or is not what was written.

    Example:
        >>> embedder = StaticEmbedder()
        >>> rows = embedder.embed(["a cat and a dog", "a dog and a cat", "bond yields"])
        >>> (rows @ rows[0] > 0.9).tolist()
        [True, True, False]
    """

    id: str
    dim: int

    def __init__(self, folder: str | Path | None = None) -> None:
        files = _Files(_SHIPPED if folder is None else Path(folder))
        self._tokenizer: Tokenizer = files.tokenizer()
        self._vectors = files.vectors()
        self.dim = self._vectors.shape[1]
        self.id = f"{files.name}-{self.dim}-{files.content_sha256[:12]}"
        files.check_sizes(self._tokenizer, self._vectors)

    def __repr__(self) -> str:
        return f"StaticEmbedder(id={self.id!r}, dim={self.dim})"

    def clip(self, text: str) -> str:
        """The part of a text that is read.

        Args:
            text: Any text.

        Returns:
            `text`, the same object, up to `WINDOW` characters; else that many, half of them
            from its head and half from its tail.
        """
        return head_and_tail(text, WINDOW)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: `n` texts, possibly none; longer ones are clipped.

        Returns:
            Unit rows, shape (n, d); a row of zeros for a text without any known word.

        Raises:
            EmbedderError: If `texts` is one bare text, or holds something else than text.
        """
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, token_ids in zip(rows, self._token_ids(texts), strict=True):
            if token_ids:
                distinct = list(dict.fromkeys(token_ids))
                np.add.reduce(self._vectors.take(distinct, axis=0), axis=0, out=row)
        norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        np.divide(rows, norms[:, None], out=rows, where=norms[:, None] > 0)
        return rows

    @cached_property
    def model(self) -> StaticModel:
        """The same vectors and tokenizer as a model2vec model, built when first asked for.

        Its own `encode` takes the mean over all words, and is not safe from several threads.
        """
        from model2vec import StaticModel
        from tokenizers import Tokenizer

        own = Tokenizer.from_str(self._tokenizer.to_str())  # `encode` changes its truncation
        return StaticModel(vectors=self._vectors, tokenizer=own, normalize=True)

    def _token_ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        if isinstance(texts, str):
            checked_texts(texts)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            try:
                encodings = self._encoded([head_and_tail(text, WINDOW) for text in batch])
            except TypeError:  # not text, or text with half a surrogate pair
                encodings = self._encoded([_well_formed(t) for t in checked_texts(batch)])
            for encoding in encodings:
                yield encoding.ids

    def _encoded(self, texts: list[str]) -> list[Encoding]:
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(
            texts, add_special_tokens=False
        )
        return encodings


def _well_formed(text: str) -> str:
    """The clipped text without lone surrogates, which UTF-8 has no bytes for."""
    return head_and_tail(text, WINDOW).encode("utf-8", "ignore").decode("utf-8")


class _Files:
    """The files of a folder, read once and checked against the hash that meta.json states."""

    name: str
    content_sha256: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        meta = self._meta()
        self.name, self.content_sha256 = meta["name"], meta["content_sha256"]
        self._content = {name: self._read(name) for name in meta["files"]}
        found = hashlib.sha256()
        for name, content in self._content.items():
            found.update(name.encode() + b"\0")
            found.update(content)
        if found.hexdigest() != self.content_sha256:
            raise self._damaged(
                f"the content hash is {found.hexdigest()[:12]}…, meta.json states "
                f"{self.content_sha256[:12]}…"
            )

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, a new one at each call."""
        from tokenizers import Tokenizer

        return Tokenizer.from_buffer(self._content["tokenizer.json"])

    def vectors(self) -> npt.NDArray[np.float32]:
        """Every token's vector, shape (v, d), read-only; int8 levels times their token's scale."""
        vectors = self._array("vectors.npy").astype(np.float32)
        if "scales.npy" in self._content:
            vectors *= self._array("scales.npy")[:, None]
        vectors.setflags(write=False)
        return vectors

    def check_sizes(self, tokenizer: Tokenizer, vectors: npt.NDArray[np.float32]) -> None:
        """Refuse vectors and a tokenizer that do not belong together."""
        if tokenizer.get_vocab_size() != len(vectors):
            raise self._damaged(
                f"{len(vectors)} vectors for {tokenizer.get_vocab_size()} tokens in tokenizer.json"
            )

    def _array(self, name: str) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.load(io.BytesIO(self._content[name]), allow_pickle=False)
        return array

    def _meta(self) -> Mapping[str, Any]:
        try:
            meta = json.loads(self._read("meta.json"))
        except ValueError as error:
            raise self._damaged(f"meta.json is not JSON ({error})") from error
        missing = {"name", "content_sha256", "files"} - set(meta)
        if missing:
            raise self._damaged(f"meta.json has no {', '.join(sorted(missing))}")
        return dict(meta)

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise self._damaged(f"{name} cannot be read ({error.strerror})") from error

    def _damaged(self, what: str) -> EmbedderError:
        remedy = (
            "install knnrouter again"
            if self._folder == _SHIPPED
            else "write the folder again with scripts/distill_static.py"
        )
        return EmbedderError(
            f"static vectors in {self._folder}: {what}; every file must be as it was written: "
            f"{remedy}"
        )
