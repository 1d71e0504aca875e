"""Guards and limits around a policy: what stands within them, and the same around another one."""

from __future__ import annotations

from dataclasses import replace

from .base import Policy
from .rules import Guarded, MaxLatency

__all__ = ["innermost", "reframed"]


def innermost(policy: Policy) -> Policy:
    """The policy within all guards and limits.

    Example:
        >>> from knnrouter.policies import BestScore
        >>> innermost(MaxLatency(ms=500, policy=BestScore()))
        BestScore()
    """
    while isinstance(policy, Guarded | MaxLatency):
        policy = policy.policy
    return policy


def reframed(policy: Policy, inner: Policy) -> Policy:
    """The same guards and limits around another policy.

    Example:
        >>> from knnrouter.policies import BestScore, ScoreMinusCost
        >>> reframed(MaxLatency(ms=500, policy=BestScore()), ScoreMinusCost(cost_weight=20))
        MaxLatency(ms=500, policy=ScoreMinusCost(cost_weight=20))
    """
    if isinstance(policy, Guarded | MaxLatency):
        return replace(policy, policy=reframed(policy.policy, inner))
    return inner
