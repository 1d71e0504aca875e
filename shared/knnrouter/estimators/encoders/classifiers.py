"""Fine-tuned classifiers: the chance that each model is right, read from the text itself.

The systems of Srivatsa, Maurya & Kochmar 2024 (arXiv 2405.00467): a multi-label classifier, one
transformer with one sigmoid a model, and separate ones, a transformer for each model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.ballots import exact_scores, shrunk_means
from knnrouter.estimators.base import Evidence
from knnrouter.estimators.surroundings import Surroundings

from .backbone import Backbone, check_extra
from .fitted import FittedTransformer, frozen_weights, opened, trained_parts
from .network import Network
from .objectives import balanced, score_loss
from .settings import EncoderSettings
from .tokens import token_ids
from .training import Examples, Told, belonging, fine_tune

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EncoderMultiLabel", "EncoderSeparate", "FittedClassifiers"]

_SHARE = 0.01
"""The first guess of a share of right answers is kept so far from none and all."""


@dataclass(frozen=True, kw_only=True)
class _Classifiers(EncoderSettings):
    """What the two have in common."""

    balance: bool = False

    def _wrong(self) -> Iterator[str]:
        yield from super()._wrong()
        if not isinstance(self.balance, bool):
            yield f"balance is {self.balance!r}; give true or false"

    def fit(
        self, evidence: Evidence, *, seed: int = 0, told: Told | None = None
    ) -> FittedClassifiers:
        """Fine-tune on the texts and scores of the evidence.

        Args:
            evidence: Its records keep their texts.
            seed: Draws the rows held out, the order of the rows, and what dropout drops.
            told: Is told how many training steps are done, and of how many.

        Raises:
            EstimatorError: There is no row, or a row without text; or the backbone cannot be read,
                or reads fewer tokens than `max_length`.
            MissingExtraError: torch or transformers is not installed.
        """
        backbone, texts = opened(self, evidence, family="encoder")
        ids = token_ids(backbone.tokenizer, texts, self.max_length)
        lessons = _Lessons.of(evidence, ids, balance=self.balance)
        networks, losses = [], []
        parts = self._parts(lessons.measured)
        for place, columns in enumerate(parts):
            bias, examples, right = lessons.about(columns)
            network = Network.fresh(backbone, bias, train=self.train_layers, pooling=self.pooling)
            recipe = self.recipe(seed, self.head_learning_rate)
            objective = partial(score_loss, right=right)
            heard = None if told is None else partial(_told_in_all, told, place, len(parts))
            losses.append(fine_tune(network, examples, objective, recipe, told=heard))
            networks.append(network.trained)
        arrays: dict[str, NDArray[np.generic]] = {
            **frozen_weights(backbone, networks),
            "columns": lessons.measured.astype(np.int32),
            "losses": np.array(losses),
        }
        return self.restore(evidence, arrays)

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedClassifiers:
        """What `fit` gave, from its settings and arrays; the backbone's folder is not needed.

        Raises:
            EstimatorError: An array is missing, or does not fit the records or the transformer.
            MissingExtraError: torch or transformers is not installed.
        """
        check_extra(type(self).__name__)
        columns = _columns(arrays, len(evidence.records.models))
        frozen, trained = trained_parts(arrays, len(self._parts(columns)))
        backbone = Backbone.restored(arrays, frozen, trained[0], family="encoder")
        return FittedClassifiers(
            estimator=self,
            surroundings=Surroundings(records=evidence.records),
            tokenizer=backbone.tokenizer,
            answering=tuple(
                Network.restored(backbone, part, pooling=self.pooling) for part in trained
            ),
            columns=columns,
            arrays=dict(arrays),
        )

    def _parts(self, columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The columns that each transformer is about."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class EncoderMultiLabel(_Classifiers):
    """One fine-tuned transformer with one sigmoid a model.

    It learns the scores by their cross-entropy, and starts from each model's mean. A score that was
    not measured counts nothing, and a model that was never measured gets NaN. Rows weigh what they
    stand for. The authors fine-tuned RoBERTa-base (first token, 128 tokens, batches of 128, a
    learning rate of 2e-5, 10 epochs on GSM8K and 5 on MMLU); the defaults are theirs but for the
    batch, which suits thousands of rows rather than tens of thousands, and the pooling.

    Attributes:
        backbone: The folder of a transformer, or its name on the Hugging Face hub. It is read when
            the estimator is fitted, and never again: what was learned holds all of it.
        epochs: How often every row is read, at least 1. The best epoch on the rows held out is
            kept, so that more epochs cost time rather than quality.
        batch: Rows a step, at least 1.
        learning_rate: Of the transformer, above 0.
        head_learning_rate: Of the linear layer on top, which starts from nothing, above 0.
        max_length: How many tokens of a text are read, at least 8; of longer ones head and tail.
        train_layers: How many of the transformer's last layers are trained; the rest stays as it
            was, which saves time and memory. 0 trains the linear layer only; "all" everything.
        pooling: What stands for the text: the "mean" of the last layer's vectors, which suits
            sentence transformers, or the "first", which BERT and RoBERTa use.
        holdout: The share of texts that choose the epoch, 0 to 0.5. With 0, or fewer than twenty
            texts, the last epoch is taken.
        balance: Whether right answers of models that are rarely right count more, so that those of
            each model weigh alike together (`pos_weight`, the authors' weighted variant). The
            scores are then no chances to be right: such models look better than they are.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> EncoderMultiLabel(backbone="./minilm", epochs=3).max_length
        128
        >>> EncoderMultiLabel(backbone="./minilm", epochs=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: epochs is 0; give a whole number of at least 1
    """

    kind: ClassVar[str] = "encoder_multi_label"

    def _parts(self, columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [columns]


@dataclass(frozen=True, kw_only=True)
class EncoderSeparate(_Classifiers):
    """A fine-tuned transformer of its own for each model.

    As `EncoderMultiLabel`, whose settings it has, with one model to learn about at a time. What is
    not trained is in memory, and on disk, once for all: with `train_layers=2`, each model adds its
    own last two layers. The text is still read once a model, so time grows with the models.

    Example:
        >>> EncoderSeparate(backbone="./minilm", train_layers=2).epochs
        5
    """

    kind: ClassVar[str] = "encoder_separate"

    def _parts(self, columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return list(columns[:, None])


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedClassifiers(FittedTransformer):
    """Classifiers that can be asked for the chance of each model to be right."""

    columns: NDArray[np.int64]
    """The models that were measured, to which the outputs belong."""

    def meaning(self, logits: NDArray[np.float64]) -> tuple[NDArray[np.float64], None]:
        """A sigmoid of each output; NaN for models that were never measured."""
        scores = np.full((len(logits), len(self.surroundings.records.models)), np.nan)
        scores[:, self.columns] = 0.5 * (1.0 + np.tanh(logits / 2))  # without overflow
        return scores, None


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Lessons:
    """What is to be learned of all models."""

    examples: Examples
    measured: NDArray[np.int64]
    """The columns of models that were measured."""
    bias: NDArray[np.float64]
    """The log-odds of each model's mean; shape (m,)."""
    right: NDArray[np.float64]
    """How much a right answer counts; shape (m,)."""

    @classmethod
    def of(cls, evidence: Evidence, ids: list[list[int]], *, balance: bool) -> _Lessons:
        records = evidence.records
        scores = exact_scores(records)
        counts = records.weights[:, None] * ~np.isnan(scores)
        sums, totals = np.nansum(counts * np.nan_to_num(scores), axis=0), counts.sum(axis=0)
        means = shrunk_means(sums, totals, sums.sum() / totals.sum()).clip(_SHARE, 1 - _SHARE)
        right = balanced(scores, records.weights) if balance else np.ones(len(means))
        return cls(
            examples=Examples(
                ids=ids,
                targets=scores,
                weights=records.weights,
                groups=belonging(records),
            ),
            measured=np.flatnonzero(totals > 0),
            bias=np.log(means / (1 - means)) + np.log(right),
            right=right,
        )

    def about(self, columns: NDArray[np.int64]) -> tuple[NDArray[np.float64], Examples, Tensor]:
        """The bias, the examples and the weight of right answers of some models."""
        import torch

        some = replace(self.examples, targets=self.examples.targets[:, columns]).known()
        right = torch.as_tensor(self.right[columns], dtype=torch.float32)
        return self.bias[columns], some, right


def _told_in_all(told: Told, place: int, parts: int, done: int, total: int) -> None:
    """Tell of one of several transformers, taking the others to be as much work."""
    told(place * total + done, parts * total)


def _columns(arrays: Mapping[str, NDArray[np.generic]], models: int) -> NDArray[np.int64]:
    found = np.asarray(arrays.get("columns", ()))
    if found.ndim != 1 or not set(found.tolist() or [-1]) <= set(range(models)):
        raise EstimatorError(
            f"the array `columns` must number those of {models} models that were measured; it is "
            f"{found.tolist()}; fit the router anew"
        )
    return found.astype(np.int64)
