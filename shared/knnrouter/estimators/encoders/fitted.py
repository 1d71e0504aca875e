"""Fine-tuned transformers that can be asked, and the arrays that they are kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.base import Estimates, Evidence
from knnrouter.estimators.surroundings import Surrounded, Surroundings
from knnrouter.estimators.texts import routing_texts
from knnrouter.neighbors import Neighbors

from .backbone import Backbone, Family, check_extra, packed, unpacked
from .network import answers
from .settings import TuningSettings
from .tokens import token_ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

__all__ = [
    "Answering",
    "FittedTransformer",
    "frozen_weights",
    "opened",
    "reopened",
    "trained_parts",
]

_TRAINED = "trained_"


class Answering(Protocol):
    """A fine-tuned transformer."""

    @property
    def outputs(self) -> int:
        """How many numbers it says of a text."""

    def logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """What it says of texts with these tokens; shape (b, o)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedTransformer(Surrounded):
    """One fine-tuned transformer or several, which read the text of a query.

    Kinds of estimators differ in what the numbers mean: see `meaning`.
    """

    estimator: TuningSettings
    tokenizer: Tokenizer = field(repr=False)
    answering: tuple[Answering, ...] = field(repr=False)
    arrays: Mapping[str, NDArray[np.generic]] = field(repr=False)
    """All that was learned; saved beside the settings."""

    @property
    def losses(self) -> NDArray[np.float64]:
        """The loss on the rows held out, before the first epoch and after each.

        Shape (transformers, epochs + 1); NaN where no row was held out. The least one is what was
        kept.
        """
        return self.arrays["losses"].astype(np.float64)

    def updated(self, evidence: Evidence) -> Self:
        """The same transformers, with other evidence to tell what queries cost.

        What they learned stays; to learn from new rows too, fit a router anew.

        Raises:
            EstimatorError: It has other models, of which nothing was learned.
        """
        known, models = self.surroundings.records.models, evidence.records.models
        if models != known:
            raise EstimatorError(
                f"{self.estimator.kind} learned of {', '.join(known)}, and the records are now of "
                f"{', '.join(models)}; fit the router anew"
            )
        return replace(self, surroundings=Surroundings(records=evidence.records))

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """Always an error: vectors are not texts.

        Raises:
            EstimatorError: Always.
        """
        raise EstimatorError(
            f"{type(self.estimator).__name__} reads texts and was given vectors only; ask it with "
            "estimate_texts, or through a Router"
        )

    def estimate_texts(
        self, texts: Sequence[str], vectors: NDArray[np.float32], neighbors: Neighbors
    ) -> Estimates:
        """What the transformers say of the texts; costs and the rest from the neighbors."""
        ids = self.read(texts)
        logits = [answers(each.logits, ids, each.outputs) for each in self.answering]
        scores, strengths = self.meaning(np.concatenate(logits, axis=1))
        return self.surroundings.estimates(scores, neighbors, strengths=strengths)

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens that the transformers are given for each text."""
        return token_ids(self.tokenizer, texts, self.estimator.max_length)

    def meaning(
        self, logits: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Scores (q, m), and strengths where there are any, from all outputs side by side."""
        raise NotImplementedError


def opened(
    settings: TuningSettings, evidence: Evidence, *, family: Family
) -> tuple[Backbone, list[str]]:
    """The transformer that the settings name, and the routing text of each row.

    Raises:
        EstimatorError: There is no row, or a row without text; or the transformer cannot be read,
            or reads fewer tokens than the settings ask for.
        MissingExtraError: torch or transformers is not installed.
    """
    if len(evidence.records) == 0:
        raise EstimatorError("the records have no row, so there is nothing to learn from")
    texts = routing_texts(evidence, settings.kind)
    check_extra(type(settings).__name__)
    backbone = Backbone.pretrained(settings.backbone, family=family)
    if settings.max_length > backbone.window:
        raise EstimatorError(
            f"max_length is {settings.max_length}; the backbone {settings.backbone!r} reads at "
            f"most {backbone.window} tokens: give max_length={backbone.window} or less"
        )
    return backbone, texts


def reopened(
    settings: TuningSettings, arrays: Mapping[str, NDArray[np.generic]], *, family: Family
) -> tuple[Backbone, dict[str, Tensor]]:
    """The one transformer that was fine-tuned, from its arrays, and what of it was trained.

    Raises:
        EstimatorError: An array is missing, or does not fit the transformer.
        MissingExtraError: torch or transformers is not installed.
    """
    check_extra(type(settings).__name__)
    frozen, (trained,) = trained_parts(arrays, 1)
    return Backbone.restored(arrays, frozen, trained, family=family), trained


def frozen_weights(
    backbone: Backbone, trained: Sequence[Mapping[str, Tensor]]
) -> dict[str, NDArray[np.uint8]]:
    """The arrays of a transformer, what is not trained, and what is, once for each time it was."""
    state = backbone.model.state_dict()
    names = set().union(*trained)
    tied = {each.data_ptr() for part in trained for each in part.values()}
    kept = {
        name: each
        for name, each in state.items()
        if name not in names and each.data_ptr() not in tied
    }
    parts = {f"{_TRAINED}{place}": packed(part) for place, part in enumerate(trained)}
    return {**backbone.arrays, "weights": packed(kept), **parts}


def trained_parts(
    arrays: Mapping[str, NDArray[np.generic]], count: int
) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """What was not trained, and what was, `count` times."""
    return unpacked(arrays, "weights"), [
        unpacked(arrays, f"{_TRAINED}{place}") for place in range(count)
    ]
