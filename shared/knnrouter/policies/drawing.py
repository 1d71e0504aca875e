"""A draw among the best where no model is expected to do well; the same query draws the same."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from .base import Candidates, Choice, ranked
from .checks import SLACK, number_fault, refuse

__all__ = ["RandomAmongTop"]

_DIGITS = 3
"""Of the scores that a draw depends on: embedding in batches moves scores far less than this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomAmongTop:
    """The highest expected score; where that is too low, one of the best, drawn by lot.

    The policy "Random" of Srivatsa, Maurya & Kochmar 2024 (arXiv 2405.00467), with its threshold of
    0.6 and its three models. It spreads the queries on which nobody is trusted over several models.
    That cannot raise the expected score; it shows in the log what each of them would have done.

    The lot depends on `seed` and on the names and scores, in thousandths, of the models among which
    it is drawn, and on nothing else: the same estimates give the same decision everywhere. A model
    without a score is never drawn.

    Attributes:
        threshold: A lot is drawn where the highest score is not above this, in [0, 1].
        top: Among how many of the best it is drawn, a whole number of at least 1.
        seed: Another one draws other lots, a whole number of at least 0.

    Raises:
        PolicyError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> four = Candidates(models=("a", "b", "c", "d"), scores=(0.5, 0.2, 0.4, 0.3),
        ...                   costs=(1.0,) * 4)
        >>> [RandomAmongTop(seed=seed)(four).ranking[0] for seed in (0, 3, 8)]
        ['c', 'a', 'd']
        >>> RandomAmongTop(threshold=0.45)(four).ranking
        ('a', 'c', 'd', 'b')
    """

    threshold: float = 0.6
    top: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        refuse(
            self,
            number_fault("threshold", self.threshold, least=0.0, most=1.0),
            number_fault("top", self.top, least=1, whole=True),
            number_fault("seed", self.seed, least=0, whole=True),
        )
        for name in ("top", "seed"):  # text is read as 3.0
            object.__setattr__(self, name, int(getattr(self, name)))

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank by score; where a lot is drawn, the one that was drawn comes first."""
        ranking = ranked(candidates, candidates.scores)
        scores = dict(zip(candidates.models, candidates.scores, strict=True))
        top = [name for name in ranking[: self.top] if not math.isnan(scores[name])]
        if not top or scores[top[0]] > self.threshold + SLACK:
            return Choice(ranking=ranking, reason="best expected score", reason_code="best_score")
        drawn = top[self._lot([(name, scores[name]) for name in top])]
        return Choice(
            ranking=(drawn, *(name for name in ranking if name != drawn)),
            reason=(
                f"no expected score is above {self.threshold:g}; drawn among the best "
                f"{len(top)}: {', '.join(top)}"
            ),
            reason_code="random_among_top",
        )

    def _lot(self, among: list[tuple[str, float]]) -> int:
        """A place among them, from a hash of the seed, the names and the scores."""
        told = [[name, round(score * 10**_DIGITS)] for name, score in among]
        digest = hashlib.sha256(json.dumps([self.seed, told]).encode()).digest()
        return int.from_bytes(digest[:8], "big") % len(among)
