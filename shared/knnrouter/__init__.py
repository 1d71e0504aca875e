"""Pick the right language model for each query, from measured evidence."""

from __future__ import annotations

__all__: list[str] = []
