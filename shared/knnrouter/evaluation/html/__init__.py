"""A report as one HTML page that needs nothing else: no network, no script, no other file.

The figures are those of `evaluation.figures`, drawn into the page; so it takes the extra `plots`.
"""

from __future__ import annotations

from .assembly import page

__all__ = ["page"]
