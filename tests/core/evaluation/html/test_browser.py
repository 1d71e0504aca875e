"""The page in headless Chromium: silent, offline, readable on a phone and in the dark."""

import functools
import itertools

import numpy as np
import pytest
from browser import look
from reports import REPORTS

from knnrouter.evaluation.html import page

image = pytest.importorskip("PIL.Image", reason="matplotlib, which brings it, is not installed")
pytestmark = pytest.mark.usefixtures("browser")

PHONE, DESK = 360, 1280


@pytest.fixture(scope="module")
def pages():
    return {name: page(REPORTS[name]()) for name in ("large", "hostile")}


@pytest.fixture(scope="module")
def opened(pages, tmp_path_factory):
    """What a probe finds on a page in a window; each is opened once, in whatever order."""

    @functools.cache
    def look_once(name, width, dark):
        folder = tmp_path_factory.mktemp("browser")
        return look(pages[name], folder, width=width, dark=dark, probe=True)

    return look_once


@pytest.fixture(
    params=[
        ("large", PHONE, False),
        ("large", DESK, True),
        ("hostile", PHONE, True),
        ("hostile", DESK, False),
    ],
    ids=lambda param: f"{param[0]}-{param[1]}-{'dark' if param[2] else 'light'}",
)
def seen(request, opened):
    """A page in a window."""
    found = opened(*request.param)
    assert found.found["closed"]["inner"] == request.param[1]
    return found


class TestProbe:
    def test_all_sections_are_there(self, seen):
        assert [heading for _, heading in seen.found["headings"][1:10]] == [
            "Key figures",
            "Quality and cost",
            "By task",
            "Regret by similarity",
            "Routing beside its references",
            "Who gets the queries",
            "Can expected scores be believed?",
            "Worst routed queries",
            "All measures",
        ]
        assert seen.found["headings"][-1][1] == "How this was computed"
        assert len(seen.found["figures"]) == 6

    def test_it_is_quiet_and_asks_nobody(self, seen):
        assert seen.console == ()
        assert seen.found["requests"] == []
        assert seen.found["scripts"] == 0

    def test_nothing_is_wider_than_the_window(self, seen):
        for sizes in (seen.found["closed"], seen.found["opened"]):
            assert sizes["scroll"] <= sizes["inner"]

    def test_the_verdict_is_seen_first(self, seen):
        top = seen.found["top"]
        assert any(said in top["text"] for said in ("Routing pays", "does not pay", "Cannot tell"))
        assert top["box"][3] < 200
        assert seen.found["headings"][0] == ["H1", top["text"]]

    def test_letters_in_figures_can_be_read(self, seen):
        sizes = [text["size"] for figure in seen.found["figures"] for text in figure["texts"]]
        assert len(sizes) > 20
        assert min(sizes) >= 9

    def test_letters_in_figures_cover_no_others_and_lie_within(self, seen):
        for figure in seen.found["figures"]:
            left, top, right, bottom = figure["box"]
            for text in figure["texts"]:
                x0, y0, x1, y1 = text["box"]
                inside = x0 > left - 2 and y0 > top - 4 and x1 < right + 2 and y1 < bottom + 4
                assert inside, (figure["name"], text, figure["box"])
            for one, other in itertools.combinations(figure["texts"], 2):
                low = np.maximum(one["box"][:2], other["box"][:2])
                high = np.minimum(one["box"][2:], other["box"][2:])
                covers = ((high - low) > (2, 5)).all()
                assert not covers, (figure["name"], one["text"], other["text"], high - low)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_as_it_is_it_says_nothing_and_looks_as_wished(pages, tmp_path, dark):
    picture = tmp_path / "page.png"
    opened = look(pages["large"], tmp_path, width=PHONE, dark=dark, picture=picture)
    assert opened.console == ()
    with image.open(picture) as drawn:
        pixels = np.asarray(drawn.convert("L"), dtype=np.float64)
    assert pixels.shape[1] == PHONE
    corner = pixels[2, 2]
    assert corner < 40 if dark else corner > 220
    most = np.median(pixels)
    assert most < 60 if dark else most > 220
    assert pixels.std() > 15, "something is written on it"


def test_the_probe_finds_what_is_wrong(tmp_path):
    bad = (
        "<!DOCTYPE html><html><body><h1>Title</h1><figure><svg viewBox='0 0 400 40' width='200'>"
        "<title>t</title><text x='0' y='20' font-size='10'>one</text>"
        "<text x='2' y='20' font-size='10'>two</text></svg></figure>"
        "<img src='http://example.invalid/a.png'><p style='width:3000px'>wide</p>"
        "<script>console.error('boom')</script></body></html>"
    )
    opened = look(bad, tmp_path, probe=True)
    assert any("boom" in line for line in opened.console)
    assert opened.found["requests"] == ["http://example.invalid/a.png"]
    assert opened.found["closed"]["scroll"] > 3000
    assert [text["size"] for text in opened.found["figures"][0]["texts"]] == [5, 5]
    assert opened.found["scripts"] == 1
