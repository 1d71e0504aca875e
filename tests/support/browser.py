"""Pages in headless Chromium, run as a program: what it says, what it draws, what a probe finds."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Seen", "chromium", "look"]

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-extensions", "--disable-sync", "--hide-scrollbars"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the browser itself calls nobody either
    "--enable-logging=stderr",
)

_PROBE = """
const sizes = () => ({
  inner: innerWidth,
  scroll: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
});
const box = (element) => {
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return [left, top, right, bottom];
};
const size = (text) => {
  const {a, b} = text.getScreenCTM();
  return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
};
const found = {closed: sizes()};
found.figures = [...document.querySelectorAll("figure svg")].map((svg) => ({
  name: svg.querySelector("title").textContent,
  box: box(svg),
  texts: [...svg.querySelectorAll("text")].map((text) => ({
    text: text.textContent, box: box(text), size: size(text),
  })),
}));
const heading = document.querySelector("h1");
found.top = {text: heading.textContent, box: box(heading)};
found.headings = [...document.querySelectorAll("h1, h2, h3")].map(
  (each) => [each.tagName, each.textContent]);
found.background = getComputedStyle(document.body).backgroundColor;
found.color = getComputedStyle(heading).color;
found.letters = getComputedStyle(document.querySelector("figure text")).fill;
document.querySelectorAll("details").forEach((each) => { each.open = true; });
found.opened = sizes();
found.requests = performance.getEntriesByType("resource").map((each) => each.name);
found.scripts = document.querySelectorAll("script:not([data-probe])").length;
const told = document.createElement("pre");
told.id = "probe";
told.textContent = JSON.stringify(found);
parent.document.body.append(told);
"""


@dataclass(frozen=True)
class Seen:
    """What came of opening a page."""

    console: tuple[str, ...]
    """What was written to the console: errors, and what the page's own policy forbade."""

    found: dict[str, Any]
    """What the probe found; empty where there was none."""


def chromium() -> str | None:
    """The program, where it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def look(
    page: str,
    folder: Path,
    *,
    width: int = 1280,
    dark: bool = False,
    probe: bool = False,
    picture: Path | None = None,
) -> Seen:
    """Open a page.

    Args:
        page: Its HTML.
        folder: An empty one, for the page and the browser's profile.
        width: Of the window; with a probe, of the frame.
        dark: Whether the reader prefers the dark.
        probe: Whether to measure the page, by a script in a copy whose policy allows it.
        picture: Where to write what is seen.
    """
    file = folder / "page.html"
    file.write_text(_probed(page, width) if probe else page, encoding="utf-8")
    task = f"--screenshot={picture}" if picture else "--dump-dom"
    done = subprocess.run(
        [
            *(str(chromium()), *_FLAGS, task, f"--window-size={width},900"),
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    return Seen(
        console=tuple(re.findall(r"CONSOLE:?\d*\S* (.*)", done.stderr)),
        found=json.loads(html.unescape(told[1])) if told else {},
    )


def _probed(page: str, width: int) -> str:
    """The page with the probe at its end, and without the policy that would forbid it.

    It stands in a frame, for windows are never as narrow as a phone.
    """
    free, count = re.subn(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", page)
    if count > 1 or "</body>" not in free:
        raise AssertionError(f"{count} policies, or no end of the body")
    listens = f'addEventListener("load", () => {{{_PROBE}}});'
    inside = free.replace("</body>", f"<script data-probe>{listens}</script></body>")
    return (
        '<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<body><iframe style="border: 0; width: {width}px; height: 900px" '
        f'srcdoc="{html.escape(inside)}"></iframe></body>'
    )
