"""A transformer of the sentence-transformers library as the embedder; an extra."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from knnrouter.embedders.base import checked_texts, head_and_tail, unit_rows
from knnrouter.errors import EmbedderError, MissingExtraError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

__all__ = ["SentenceTransformerEmbedder"]

_Backend = Literal["torch", "onnx", "openvino"]
_WEIGHTS: dict[str, tuple[str, ...]] = {  # by backend: what to hash, the first that is there
    "torch": ("*.safetensors", "*.bin"),
    "onnx": ("*.onnx", "*.safetensors", "*.bin"),
    "openvino": ("openvino*.bin", "*.safetensors", "*.bin"),
}
_LONGEST_TOKEN = 40  # characters a token; beyond this many for each, a text is cut unread


class SentenceTransformerEmbedder:
    """Runs a sentence-transformers model: slower than word vectors, and reads word order.

    Needs the extra `sentence-transformers`. The model is loaded when it is first asked for a
    row, a dimension or its id; once, also from several threads, which then take turns. Rows
    of a text agree to about 1e-6 between batches, not to the bit.

    Args:
        name_or_path: A folder with a model, or its name on the Hugging Face hub.
        backend: What runs it: `"torch"`, `"onnx"` or `"openvino"`.

    Raises:
        EmbedderError: If the backend is another.
        MissingExtraError: If sentence-transformers is not installed.
    """

    def __init__(self, name_or_path: str | Path, backend: _Backend = "torch") -> None:
        if backend not in get_args(_Backend):
            raise EmbedderError(
                f"backend is {backend!r}; it must be one of {', '.join(get_args(_Backend))}: "
                "'torch' runs everywhere"
            )
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtraError("SentenceTransformerEmbedder", extra="sentence-transformers")
        self._name = str(name_or_path)
        self._backend = backend
        self._lock = threading.RLock()  # the tokenizers of transformers are not thread-safe
        self._model: SentenceTransformer | None = None
        self._id = ""

    def __repr__(self) -> str:
        return f"SentenceTransformerEmbedder({self._name!r}, backend={self._backend!r})"

    @property
    def id(self) -> str:
        """The model's last name, its dimension, and 12 digits of the hash of its weights."""
        with self._lock:
            if not self._id:
                digest = _content_hash(_folder_of(self._name), self._backend)
                self._id = f"{Path(self._name).name}-{self.dim}-{digest[:12]}"
            return self._id

    @property
    def dim(self) -> int:
        """Length of a row, `d`."""
        model: Any = self.model
        try:
            return int(model.get_embedding_dimension())
        except AttributeError:  # its name up to sentence-transformers 5.1
            return int(model.get_sentence_embedding_dimension())

    @property
    def model(self) -> SentenceTransformer:
        """The model itself, loaded when first asked for.

        Raises:
            EmbedderError: If there is no such model.
        """
        with self._lock:
            if self._model is None:
                self._model = _loaded(self._name, self._backend)
            return self._model

    def clip(self, text: str) -> str:
        """The part of a text that is read.

        Args:
            text: Any text.

        Returns:
            `text`, the same object, if the model's own window of tokens holds it; else its
            head and its tail, half a window each, with a line break between.
        """
        model: Any = self.model
        if not isinstance(model.max_seq_length, int):
            return text
        tokenizer = model.tokenizer
        window = model.max_seq_length - tokenizer.num_special_tokens_to_add()
        with self._lock:
            return _clipped(text, window, tokenizer)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: `n` texts, possibly none; longer ones are clipped.

        Returns:
            Unit rows, shape (n, d).

        Raises:
            EmbedderError: If `texts` is one bare text, or holds something else than text; or
                if there is no such model.
        """
        asked = [self.clip(text) for text in checked_texts(texts)]
        if not asked:
            return np.zeros((0, self.dim), np.float32)
        with self._lock:
            rows = self.model.encode(asked, convert_to_numpy=True, show_progress_bar=False)
        return unit_rows(rows, count=len(asked), dim=self.dim, source=f"model {self._name!r}")


def _loaded(name: str, backend: _Backend) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(name, backend=backend)
    except (OSError, ValueError) as error:
        raise EmbedderError(
            f"model {name!r} cannot be loaded with backend {backend!r} ({error}); it must be a "
            "folder with a sentence-transformers model, or a name on the Hugging Face hub: "
            "check the spelling, and the network where it is not on disk yet"
        ) from error


def _folder_of(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    return Path(snapshot_download(repository, local_files_only=True))


def _content_hash(folder: Path, backend: _Backend) -> str:
    """Sha256 of the weight files, one after the other in the order of their paths."""
    for pattern in _WEIGHTS[backend]:
        if files := sorted(folder.rglob(pattern)):
            found = hashlib.sha256()
            for file in files:
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        found.update(block)
            return found.hexdigest()
    raise EmbedderError(
        f"no weights in {folder}; the embedder's id is the hash of one of "
        f"{', '.join(_WEIGHTS[backend])}: is this the folder of a whole model?"
    )


def _clipped(text: str, window: int, tokenizer: PreTrainedTokenizerBase) -> str:
    """Head and tail of a text that has more than `window` tokens, else the text itself."""
    text = head_and_tail(text, window * _LONGEST_TOKEN)
    offsets = _offsets(text, tokenizer)
    if len(offsets) <= window:
        return text
    clipped, budget, excess = text, window, 0
    while budget > 1:  # a cut within a word may cost a token more than counted
        head, tail = offsets[: budget // 2 + budget % 2], offsets[-(budget // 2) :]
        clipped = f"{text[: head[-1][1]]}\n{text[tail[0][0] :]}"
        excess = len(_offsets(clipped, tokenizer)) - window
        if excess <= 0:
            break
        budget -= excess
    return clipped


def _offsets(text: str, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, int]]:
    """Where each token of a text begins and ends."""
    found: list[tuple[int, int]] = tokenizer(
        text,
        add_special_tokens=False,
        return_offsets_mapping=True,
        truncation=False,
        verbose=False,
    )["offset_mapping"]
    return found
