"""The pages of the documentation, read into blocks; each `page` test runs once a page."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)``` *$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str | None
    """The file that the block is, from ```` ```yaml title="pool.yaml" ````."""
    text: str
    line: int
    """The line of the page that the text starts on, counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page and what stands in it."""

    path: Path
    text: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """The page without its blocks."""
        return _BLOCK.sub("", self.text)


def _read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    return Page(path=path, text=text, blocks=tuple(map(_block, _BLOCK.finditer(text))))


def _block(match: re.Match[str]) -> Block:
    title = re.search(r'title="([^"]+)"', match["info"])
    indent = len(match["indent"])
    return Block(
        language=match["language"],
        title=title[1] if title else None,
        text="".join(line[indent:] or "\n" for line in match["text"].splitlines(keepends=True)),
        line=match.string.count("\n", 0, match.start("text")) + 1,
    )


def _pages() -> list[Page]:
    tops = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    paths = [path for path in tops if path.exists()] + sorted(ROOT.glob("docs/**/*.md"))
    return [_read(path) for path in paths]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        pages = _pages()
        metafunc.parametrize("page", pages, ids=[page.name for page in pages])


@pytest.fixture(autouse=True)
def _no_loop() -> None:
    """Where a thread never had an event loop, LlamaIndex makes one and leaves it open."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """All pages, by their path in the repository."""
    return {page.name: page for page in _pages()}
