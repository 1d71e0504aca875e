"""What a router knows at one moment; never changed, only replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .choosing import Chooser
from .estimators import Evidence, FittedEstimator
from .lineup import Lineup
from .policies import Policy
from .task_routing.routing import KeptBenchmark

__all__ = ["State"]


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Evidence, what was learned from it, and who may answer.

    A router takes its state once for each call, so that no call ever sees parts of two.
    """

    evidence: Evidence
    """The outcomes, their vectors, and an index over these."""

    estimator: FittedEstimator
    """What was learned from the evidence."""

    lineup: Lineup
    """The pool against the evidence."""

    def chooser(self, policy: str | Policy | None) -> Chooser:
        """A policy over the lineup; None is the lineup's own.

        Raises:
            PolicyError: The policy is unknown or wrongly set.
            UnknownModelError: It names a model that is not in the pool.
        """
        if policy is None:
            return self._usual
        return Chooser(lineup=self.lineup, policy=self.lineup.guarded(policy))

    @cached_property
    def _usual(self) -> Chooser:
        return Chooser(lineup=self.lineup, policy=self.lineup.policy)

    @property
    def tasks(self) -> KeptBenchmark:
        """The evidence as tasks; of several threads that ask first, one makes it."""
        kept: KeptBenchmark = vars(self).setdefault("_tasks", KeptBenchmark(self.evidence))
        return kept
