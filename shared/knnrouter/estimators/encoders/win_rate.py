"""A fine-tuned transformer that says whether a strong model's answer beats a weak model's.

The BERT classifier of Ong et al. 2024 (RouteLLM, arXiv 2406.18665): three labels, "the strong one
wins", "tie", "the weak one wins"; and P(strong) = 1 - (P(tie) + P(the weak one wins)).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.base import Evidence
from knnrouter.estimators.surroundings import Surroundings
from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.records import RecordSet

from .fitted import FittedTransformer, frozen_weights, opened, reopened
from .network import Network
from .objectives import class_loss
from .pairs import Pair, log_sum_exp, wrong_names
from .settings import EncoderSettings
from .tokens import token_ids
from .training import Examples, Told, belonging, fine_tune

__all__ = ["EncoderWinRate", "FittedEncoderWinRate"]

_STRONG, _TIE, _WEAK = range(3)
_LABELS = 3


@dataclass(frozen=True, kw_only=True)
class EncoderWinRate(EncoderSettings):
    """One fine-tuned transformer with three labels: the strong one wins, tie, the weak one wins.

    It learns from the rows that measured both: the higher score wins, equal scores tie. So gold
    labels, a judge's scores and people's preferences are all evidence. It starts from the shares of
    the labels. `scores` of the two are P(strong) and 1 - P(strong), other models' are NaN; a tie
    counts for the weak one, as the authors have it, since its answer would have done. The defaults
    are the authors' (BERT-base, batches of 16, 512 tokens, a learning rate of 1e-5; they took some
    2,000 steps), but for the pooling.

    Attributes:
        strong: The model whose answers are expected to be better.
        weak: The other one.
        backbone: As the rest of the settings, see `EncoderMultiLabel`.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> EncoderWinRate(strong="large", weak="small", backbone="./minilm").max_length
        512
    """

    kind: ClassVar[str] = "encoder_win_rate"
    strong: str
    weak: str
    learning_rate: float = 1e-5
    max_length: int = 512

    def _wrong(self) -> Iterator[str]:
        yield from wrong_names(self.strong, self.weak)
        yield from super()._wrong()

    def fit(
        self, evidence: Evidence, *, seed: int = 0, told: Told | None = None
    ) -> FittedEncoderWinRate:
        """Fine-tune on the texts of the rows that measured both models.

        Args:
            evidence: Its records keep their texts.
            seed: Draws the rows held out, the order of the rows, and what dropout drops.
            told: Is told how many training steps are done, and of how many.

        Raises:
            EstimatorError: The records do not have the two models, or no row measured both; there
                is a row without text; or the backbone cannot be read, or reads fewer tokens than
                `max_length`.
            MissingExtraError: torch or transformers is not installed.
        """
        backbone, texts = opened(self, evidence, family="encoder")
        ids = token_ids(backbone.tokenizer, texts, self.max_length)
        labels = _labels(evidence.records, self.strong, self.weak)
        examples = Examples(
            ids=ids,
            targets=labels[:, None],
            weights=evidence.records.weights,
            groups=belonging(evidence.records),
        ).known()
        bias = _log_shares(examples)
        network = Network.fresh(backbone, bias, train=self.train_layers, pooling=self.pooling)
        recipe = self.recipe(seed, self.head_learning_rate)
        losses = fine_tune(network, examples, class_loss, recipe, told=told)
        arrays = frozen_weights(backbone, [network.trained])
        return self.restore(evidence, {**arrays, "losses": losses[None]})

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedEncoderWinRate:
        """What `fit` gave, from its settings and arrays; the backbone's folder is not needed.

        Raises:
            EstimatorError: An array is missing, or does not fit the transformer; or the records do
                not have the two models.
            MissingExtraError: torch or transformers is not installed.
        """
        backbone, trained = reopened(self, arrays, family="encoder")
        pair = Pair.of(evidence.records, strong=self.strong, weak=self.weak)
        return FittedEncoderWinRate(
            estimator=self,
            surroundings=Surroundings(records=evidence.records),
            tokenizer=backbone.tokenizer,
            answering=(Network.restored(backbone, trained, pooling=self.pooling),),
            pair=pair,
            arrays=dict(arrays),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedEncoderWinRate(FittedTransformer):
    """A transformer that can be asked who wins."""

    pair: Pair

    def meaning(
        self, logits: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The odds of "the strong one wins" against the other two labels."""
        rest = log_sum_exp(logits[:, [_TIE, _WEAK]])
        return self.pair.win_rates(logits[:, _STRONG] - rest)


def _labels(records: RecordSet, strong: str, weak: str) -> NDArray[np.float64]:
    """The label of each row; NaN where not both were measured; shape (n,)."""
    pair = Pair.of(records, strong=strong, weak=weak)
    battles = Battles.of(records)
    low, high = sorted((pair.strong, pair.weak))
    fought = battles.where((battles.first == low) & (battles.second == high))
    if len(fought) == 0:
        raise EstimatorError(
            f"no row of the records measured both {strong!r} and {weak!r}, so there is nothing to "
            "learn from; give records in which both answered the same queries"
        )
    won = fought.outcomes if pair.strong == low else 1.0 - fought.outcomes
    labels = np.full(len(records), np.nan)
    labels[fought.rows] = np.select([won == 1.0, won == 0.5], [_STRONG, _TIE], default=_WEAK)
    return labels


def _log_shares(examples: Examples) -> NDArray[np.float64]:
    """The logarithm of the share of each label, each counted once more than it was met."""
    labels = examples.targets[:, 0].astype(np.int64)
    counts = np.bincount(labels, weights=examples.weights, minlength=_LABELS) + 1.0
    shares: NDArray[np.float64] = np.log(counts / counts.sum())
    return shares
