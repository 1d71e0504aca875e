"""The estimator that blends what works: tasks, surface, and what is near."""

from __future__ import annotations

from .blending import Blend, FittedBlend

__all__ = ["Blend", "FittedBlend"]
