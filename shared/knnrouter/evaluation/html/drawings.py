"""Figures inside the page: SVG whose letters are letters and whose colors follow the page's."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from knnrouter.evaluation.figures.canvas import COLORS, WIDTH, settings

from .elements import Markup, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawing"]

_SPACES = re.compile(r"\{[^}]*\}")
_COLOR = re.compile("|".join(map(re.escape, COLORS.values())), re.IGNORECASE)
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font:\s*([\d.]+)px[^;]*;?")
_NAMES = {color: name for name, color in COLORS.items()}


def drawing(figure: Figure, *, name: str, title: str, about: str) -> Markup:
    """A figure as an element of the page.

    Args:
        figure: What `evaluation.figures` drew.
        name: Starts all its ids, which no other drawing of the page may share.
        title: What it shows, in a few words.
        about: What one sees there, for those who do not.
    """
    with settings():
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(file.getvalue())
    for element in list(root):
        if _local(element.tag) == "metadata":
            root.remove(element)
    _clean(root, name)
    width, height = root.attrib["viewBox"].split()[2:]
    wide = ' class="wide"' if float(width) > 72 * WIDTH + 1 else ""
    inside = "".join(ElementTree.tostring(each, encoding="unicode") for each in root)
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img"{wide} '
        f'style="--width: {float(width):.0f}px" aria-labelledby="{name}-title {name}-about">'
        f'<title id="{name}-title">{words(title)}</title>'
        f'<desc id="{name}-about">{words(about)}</desc>{inside}</svg>'
    )


def _local(tag: str) -> str:
    return _SPACES.sub("", tag)


def _clean(root: ElementTree.Element, name: str) -> None:
    """Drop what only matplotlib needs; make ids those of this drawing, and colors the page's."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used |= set(_REFERENCE.findall(value))
            if _local(key) == "href":
                used.add(value.removeprefix("#"))
    for element in root.iter():
        element.tag = _local(element.tag)
        for child in [each for each in element if _local(each.tag) == "style"]:
            element.remove(child)  # it would hold for the whole page
        element.attrib = {
            _local(key): _value(_local(key), value, name)
            for key, value in element.attrib.items()
            if key != "id" or value in used
        }


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    if key == "style":
        value = _FONT.sub(r"font-size: \1px;", value)
    return _COLOR.sub(lambda found: f"var(--{_NAMES[found[0].lower()]})", value)
