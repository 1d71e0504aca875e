"""The page: what it is made of, in the order in which it is read."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from .answer import answer, key_figures
from .elements import Markup, words
from .measures import all_measures, method, notes
from .queries import worst_queries
from .sections import by_similarity, models, plane, references, reliable, tasks, threshold

if TYPE_CHECKING:
    from knnrouter.evaluation.report import Report

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may do with the page: show it, and ask nobody for anything."""

_COLUMNS = 12
"""With more models than these, their scores by task take the whole width."""


def page(report: Report, *, title: str = "Does routing pay?", date: str | None = None) -> str:
    """A report as one HTML page. The same report gives the same page.

    Args:
        report: What an evaluation found.
        title: The page's title.
        date: When that was, as it shall stand on the page; None: the page does not say.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    wide = len(report.singles) > _COLUMNS
    left = reliable if wide else tasks
    right, below = ([], [tasks(report)]) if wide else ([reliable(report)], [])
    parts = [
        answer(report, title=title, date=date),
        key_figures(report),
        _stack(plane(report), left(report), by_similarity(report)),
        _stack(references(report), models(report), *right, threshold(report)),
        *below,
        worst_queries(report),
        all_measures(report),
        notes(report),
        method(report, date=date),
    ]
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{words(_POLICY)}">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{words(title)} {words(report.verdict.answer)}</title>\n",
            f"<style>\n{_style()}</style>\n</head>\n<body>\n<main>\n",
            *(f"{part}\n" for part in parts if part),
            "</main>\n</body>\n</html>\n",
        )
    )


def _stack(*parts: Markup) -> Markup:
    """Sections below one another, in one of two columns where there is room."""
    return Markup(f'<div class="stack">{"".join(parts)}</div>')


def _style() -> Markup:
    return Markup(files(__package__).joinpath("page.css").read_text(encoding="utf-8"))
