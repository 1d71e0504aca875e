"""TF-IDF rows of texts: made by scikit-learn once, then without it.

The settings are those of arXiv 2405.00467: words that are in 5 to 95 percent of the texts, as they
are written. The paper lets a language model's tokenizer find the words; here they are runs of at
least two word characters, scikit-learn's own rule. With tf the number of times that a word is in
the text, and df the share of the n texts that hold it,

    row = tf * (ln((1 + n) / (1 + n * df)) + 1), divided by its length.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError, MissingExtraError

__all__ = ["Words", "check_train_extra"]

_LEAST, _MOST = 0.05, 0.95
"""The share of the texts that a word is in."""

_WORD = re.compile(r"(?u)\b\w\w+\b")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Words:
    """The words that texts are told apart by; `v` of them."""

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float64]
    """How rare each word is; shape (v,)."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Words:
        """Find the words of these texts, and of no others.

        Raises:
            EstimatorError: No word is in enough of the texts, and not in nearly all.
            MissingExtraError: scikit-learn is not installed.
        """
        check_train_extra()
        from sklearn.feature_extraction.text import TfidfVectorizer

        machine = TfidfVectorizer(min_df=_LEAST, max_df=_MOST, lowercase=False)
        try:
            machine.fit(texts)
        except ValueError as error:  # "no terms remain", "empty vocabulary"
            raise EstimatorError(
                f"no word is in {_LEAST:.0%} to {_MOST:.0%} of the {len(texts):,} texts, so TF-IDF "
                'cannot tell them apart; give more texts, or features="embedding"'
            ) from error
        words = tuple(str(word) for word in machine.get_feature_names_out())
        return cls(vocabulary=words, idf=np.asarray(machine.idf_, dtype=np.float64))

    def rows(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """A row of length one for each text, zero where it holds none of the words; (q, v).

        Example:
            >>> words = Words(vocabulary=("blue", "red"), idf=np.array([1.0, 1.0]))
            >>> words.rows(["red red red blue, blue blue blue", "Green"]).tolist()
            [[0.8, 0.6], [0.0, 0.0]]
        """
        place = {word: column for column, word in enumerate(self.vocabulary)}
        rows = np.zeros((len(texts), len(place)))
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text):
                column = place.get(word)
                if column is not None:
                    row[column] += 1.0
        rows *= self.idf
        lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        return rows / np.where(lengths > 0, lengths, 1.0)

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """What is saved; `from_arrays` reads it."""
        text = json.dumps(self.vocabulary, ensure_ascii=False)
        return {"vocabulary": np.frombuffer(text.encode(), dtype=np.uint8), "idf": self.idf}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Words:
        """The same again, from its arrays.

        Raises:
            EstimatorError: They are missing, damaged, or do not belong together.

        Example:
            >>> words = Words(vocabulary=("blue", "red"), idf=np.array([1.0, 2.0]))
            >>> Words.from_arrays(words.arrays).vocabulary
            ('blue', 'red')
        """
        text, idf = arrays.get("vocabulary"), arrays.get("idf")
        words = None if text is None else _list_of_words(text)
        if words is None or idf is None or idf.shape != (len(words),):
            found = "no list of words" if words is None else f"{len(words)} words"
            shape = "none" if idf is None else str(idf.shape)
            raise EstimatorError(
                f"the arrays `vocabulary` and `idf` hold {found} and numbers of shape {shape}; "
                "there must be a number for each word: fit the router anew"
            )
        return cls(vocabulary=words, idf=idf.astype(np.float64))


def check_train_extra() -> None:
    """Refuse to go on without scikit-learn.

    Raises:
        MissingExtraError: It is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError('Clusters(features="tfidf")', extra="train")


def _list_of_words(text: NDArray[np.generic]) -> tuple[str, ...] | None:
    try:
        words = json.loads(text.astype(np.uint8).tobytes())
    except ValueError:
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)
