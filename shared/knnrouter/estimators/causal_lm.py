"""A language model that writes, as one token, how good a weak model's answer will be.

The causal-LM classifier of Ong et al. 2024 (RouteLLM, arXiv 2406.18665): five tokens, [[1]] to
[[5]], join the vocabulary, and the model is fine-tuned to write the one that rates the weak model's
answer. P(strong) = 1 - P(rating >= 4), over the softmax of the five tokens where it would write
next: the strong model is needed where the weak one's answer would be poor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.embedders.base import head_and_tail
from knnrouter.errors import EstimatorError

from .ballots import exact_scores
from .base import Evidence
from .encoders.backbone import Backbone, seeded
from .encoders.fitted import FittedTransformer, frozen_weights, opened, reopened
from .encoders.network import Layers, free, last_vectors
from .encoders.objectives import class_loss
from .encoders.pairs import Pair, log_sum_exp, wrong_names
from .encoders.settings import TuningSettings
from .encoders.tokens import LONGEST_TOKEN, cut
from .encoders.training import Examples, Told, belonging, fine_tune
from .surroundings import Surroundings

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Module, Parameter

__all__ = ["CausalLM", "FittedCausalLM", "ratings"]

_RATINGS = ("[[1]]", "[[2]]", "[[3]]", "[[4]]", "[[5]]")
_ASKED = "Rate the answer of a small language model, from 1 (useless) to 5 (right). The query:\n"
_THEN = "\nThe rating:"
_LEAST = 8
"""How many tokens of a text must fit beside the question."""


@dataclass(frozen=True, kw_only=True)
class CausalLM(TuningSettings):
    """A language model, fine-tuned to rate the weak model's answer before it is written.

    It learns from the rows that measured the weak model; see `ratings`. `scores` of the two models
    are P(strong) and 1 - P(strong), other models' are NaN. The authors fine-tuned Llama-3-8B with
    batches of 8 and a learning rate of 1e-6 for some 2,000 steps, which needs a GPU. All of the
    model is saved with the router, in single precision: 32 GB of an 8B model.

    Attributes:
        strong: The model to ask where the weak one's answer would be poor.
        weak: The model whose answers are rated.
        backbone: The folder of a causal language model, or its name on the Hugging Face hub.
        threshold: From which rating on the weak model's answer will do, 2 to 5.
        max_length: How many tokens are read, those of the question to the language model included;
            of longer texts head and tail.
        train_layers: How many of the last layers are trained, beside the output layer, which always
            is; "all" trains everything.
        epochs: As the rest of the settings, see `EncoderMultiLabel`.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> CausalLM(strong="large", weak="small", backbone="./llama").threshold
        4
    """

    kind: ClassVar[str] = "causal_lm"
    strong: str
    weak: str
    epochs: int = 2
    batch: int = 8
    learning_rate: float = 1e-6
    max_length: int = 512
    threshold: int = 4

    def _wrong(self) -> Iterator[str]:
        yield from wrong_names(self.strong, self.weak)
        yield from super()._wrong()
        if type(self.threshold) is not int or self.threshold not in range(2, 6):
            yield f"threshold is {self.threshold!r}; give one of the ratings 2, 3, 4 and 5"

    def fit(self, evidence: Evidence, *, seed: int = 0, told: Told | None = None) -> FittedCausalLM:
        """Fine-tune on the texts of the rows that measured the weak model.

        Args:
            evidence: Its records keep their texts.
            seed: Draws the rows held out, the order of the rows, and what dropout drops.
            told: Is told how many training steps are done, and of how many.

        Raises:
            EstimatorError: The records do not have the two models, or no row measured the weak one;
                there is a row without text; or the backbone cannot be read, or reads too few
                tokens.
            MissingExtraError: torch or transformers is not installed.
        """
        backbone, texts = opened(self, evidence, family="causal_lm")
        pair = Pair.of(evidence.records, strong=self.strong, weak=self.weak)
        writer = _Writer.fresh(backbone, train_layers=self.train_layers)
        examples = Examples(
            ids=_questions(backbone.tokenizer, texts, self.max_length),
            targets=writer.tokens_of(ratings(exact_scores(evidence.records)[:, [pair.weak]])),
            weights=evidence.records.weights,
            groups=belonging(evidence.records),
        ).known()
        if len(examples.ids) == 0:
            raise EstimatorError(
                f"no row of the records measured {self.weak!r}, so there is nothing to learn from; "
                "give records in which the weak model answered"
            )
        losses = fine_tune(writer, examples, class_loss, self.recipe(seed), told=told)
        arrays = frozen_weights(backbone, [writer.trained])
        return self.restore(evidence, {**arrays, "losses": losses[None]})

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedCausalLM:
        """What `fit` gave, from its settings and arrays; the backbone's folder is not needed.

        Raises:
            EstimatorError: An array is missing, or does not fit the transformer; or the records do
                not have the two models.
            MissingExtraError: torch or transformers is not installed.
        """
        backbone, _ = reopened(self, arrays, family="causal_lm")
        pair = Pair.of(evidence.records, strong=self.strong, weak=self.weak)
        return FittedCausalLM(
            estimator=self,
            surroundings=Surroundings(records=evidence.records),
            tokenizer=backbone.tokenizer,
            answering=(_Rater(writer=_Writer.of(backbone)),),
            pair=pair,
            threshold=self.threshold,
            arrays=dict(arrays),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCausalLM(FittedTransformer):
    """A language model that can be asked how good the weak model's answer will be."""

    pair: Pair
    threshold: int

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of the question that is put about each text."""
        return _questions(self.tokenizer, texts, self.estimator.max_length)

    def meaning(
        self, logits: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The odds of a rating below the threshold against one that reaches it."""
        below = self.threshold - 1
        odds = log_sum_exp(logits[:, :below]) - log_sum_exp(logits[:, below:])
        return self.pair.win_rates(odds)


def ratings(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores in [0, 1] as ratings 1 to 5, in equal steps; NaN where not measured.

    A wrong answer is rated 1, a right one 5, and from 0.625 on the rating is at least 4.

    Example:
        >>> ratings(np.array([0.0, 0.5, 0.62, 0.63, 1.0])).tolist()
        [1.0, 3.0, 3.0, 4.0, 5.0]
    """
    found: NDArray[np.float64] = 1.0 + np.floor(4.0 * scores + 0.5)
    return found


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Writer:
    """A language model whose vocabulary has the ratings, and what it would write next."""

    backbone: Backbone
    rating_tokens: tuple[int, ...]

    @classmethod
    def fresh(cls, backbone: Backbone, *, train_layers: Layers) -> _Writer:
        """One to be trained; the ratings start as the mean of all tokens where they are new."""
        model, tokenizer = backbone.model, backbone.tokenizer
        known = tokenizer.get_vocab_size(with_added_tokens=True)
        tokenizer.add_special_tokens(list(_RATINGS))
        writer = cls.of(backbone)
        rows = max(model.config.vocab_size, *(token + 1 for token in writer.rating_tokens))
        if rows > model.config.vocab_size:
            with seeded(0):
                model.resize_token_embeddings(rows, mean_resizing=False)
        new = [token for token in writer.rating_tokens if token >= known]
        for embeddings in (model.get_input_embeddings(), model.get_output_embeddings()):
            weight = embeddings.weight.data
            weight[new] = weight[:known].mean(dim=0)
        trained = free(model, train_layers)
        for name, each in model.named_parameters():
            each.requires_grad_(name in trained or each is writer.output)
        return writer

    @classmethod
    def of(cls, backbone: Backbone) -> _Writer:
        """One whose tokenizer has the ratings.

        Raises:
            EstimatorError: It has not.
        """
        found = [backbone.tokenizer.token_to_id(rating) for rating in _RATINGS]
        tokens = tuple(token for token in found if token is not None)
        if len(tokens) < len(_RATINGS):
            raise EstimatorError(
                f"the tokenizer lacks the tokens {', '.join(_RATINGS)}; fit the router anew"
            )
        return cls(backbone=backbone, rating_tokens=tokens)

    @property
    def output(self) -> Parameter:
        """The output layer's weight."""
        return self.backbone.model.get_output_embeddings().weight

    @property
    def modules(self) -> tuple[Module, ...]:
        """All its parts."""
        return (self.backbone.model,)

    @property
    def trained(self) -> dict[str, Tensor]:
        """What is trained, by name."""
        named = self.backbone.model.named_parameters()
        return {name: each for name, each in named if each.requires_grad}

    @property
    def body_parameters(self) -> list[Parameter]:
        """What is trained, but for the output layer."""
        return [each for each in self.trained.values() if each is not self.output]

    @property
    def head_parameters(self) -> list[Parameter]:
        """The output layer's."""
        return [self.output]

    def logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """How readily it would write each token after these; shape (b, vocabulary)."""
        import torch

        read, mask = last_vectors(self.backbone, ids)
        last = read[torch.arange(len(read), device=read.device), mask.sum(dim=1) - 1]
        logits: Tensor = self.backbone.model.get_output_embeddings()(last)
        return logits

    def tokens_of(self, rated: NDArray[np.float64]) -> NDArray[np.float64]:
        """The tokens of ratings; NaN where there is none."""
        tokens = np.array([np.nan, *self.rating_tokens])
        found: NDArray[np.float64] = tokens[np.nan_to_num(rated).astype(np.int64)]
        return found


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Rater:
    """What a writer says of the ratings alone."""

    writer: _Writer

    @property
    def outputs(self) -> int:
        return len(_RATINGS)

    def logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        return self.writer.logits(ids)[:, list(self.writer.rating_tokens)]


def _questions(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """The tokens of the question about each text, up to where the rating is written."""
    whole = tokenizer.encode(_ASKED)
    start = whole.special_tokens_mask.index(0)
    before = whole.ids[:start] + tokenizer.encode(_ASKED, add_special_tokens=False).ids
    after = tokenizer.encode(_THEN, add_special_tokens=False).ids
    room = max_length - len(before) - len(after)
    if room < _LEAST:
        least = len(before) + len(after) + _LEAST
        raise EstimatorError(
            f"max_length is {max_length}; the question to the language model alone takes "
            f"{least - _LEAST} tokens: give at least {least}"
        )
    short = [head_and_tail(text, room * LONGEST_TOKEN) for text in texts]
    encoded = tokenizer.encode_batch(short, add_special_tokens=False)
    return [[*before, *cut(each.ids, room), *after] for each in encoded]
