"""The page as text: whole, escaped, the same each time, and true to the report."""

import html
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from reports import HOSTILE, REPORTS

from knnrouter.errors import MissingExtraError
from knnrouter.evaluation import Interval
from knnrouter.evaluation.figures.canvas import COLORS
from knnrouter.evaluation.html import page

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Reads a page, and finds what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.elements, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another element")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title", "desc"):
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(text for _, text in self.texts if text)


@pytest.fixture(scope="module")
def reports():
    return {name: make() for name, make in REPORTS.items()}


@pytest.fixture(scope="module")
def pages(reports):
    return {name: page(report) for name, report in reports.items()}


@pytest.fixture(params=REPORTS)
def read(request, pages):
    return Reader(pages[request.param])


class TestWhole:
    def test_every_element_is_closed(self, read):
        assert read.wrong == []

    def test_ids_are_unique_and_references_lead_to_them(self, read):
        ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
        assert len(set(ids)) == len(ids)
        named = set()
        for _, attributes in read.elements:
            named |= set((attributes.get("aria-labelledby") or "").split())
            named |= {(attributes.get("href") or "#").removeprefix("#")} - {""}
            for value in attributes.values():
                named |= set(re.findall(r"url\(#([^)]+)\)", value or ""))
        assert named
        assert named <= set(ids)

    def test_it_needs_nothing_from_outside(self, read, pages):
        tags = {tag for tag, _ in read.elements}
        assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        for tag, attributes in read.elements:
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            assert not set(attributes) & {"src", "srcset", "action"}
            assert (attributes.get("href") or "#").startswith("#")
        (policy,) = [each for each in read.all("meta") if "http-equiv" in each]
        assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert not any("@import" in text or "url(http" in text for text in pages.values())

    def test_headings_go_down_step_by_step(self, read):
        levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))

    def test_figures_and_tables_say_what_they_are(self, read):
        for svg in read.all("svg"):
            assert svg["role"] == "img"
        count = len(read.all("svg"))
        assert len(read.all("desc")) == len(read.all("figure")) == count > 0
        assert len(read.all("caption")) == len(read.all("table")) > 0
        assert all(cell["scope"] in ("row", "col") for cell in read.all("th"))

    def test_no_figure_is_nan(self, read):
        assert not re.search(r"\bnan\b|\binf\b|NaN", read.text)


class TestAnswer:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("pays", "Routing pays"),
            ("does not pay", "Routing does not pay"),
            ("cannot tell", "Cannot tell yet"),
        ],
    )
    def test_the_verdict_comes_first(self, reports, answer, said):
        report = reports["small"]
        shown = page(replace(report, verdict=replace(report.verdict, answer=answer)))
        text = Reader(shown).text
        assert text.startswith("Does routing pay? ")
        assert said in text[:60]
        assert text.index(said) < text.index("Key figures")

    def test_the_verdicts_own_words_stand_below(self, reports, pages):
        why = reports["large"].verdict.text
        assert f"{why[0].upper()}{why[1:]}." in Reader(pages["large"]).text

    def test_title_and_date_are_shown_and_escaped(self, reports):
        shown = page(reports["small"], title="Q&A <2026>", date="2026-11-22")
        assert "<title>Q&amp;A &lt;2026&gt; " in shown
        assert Reader(shown).text.startswith("Q&A <2026>")
        assert shown.count("2026-11-22") == 2

    def test_key_figures_are_the_reports(self, reports, pages):
        report, text = reports["large"], Reader(pages["large"]).text
        assert f"Quality {report.quality.estimate:.3f} 95 % interval" in text
        ahead = f"{report.verdict.quality.estimate:+.4f}".replace("-", "−")
        assert f"Ahead of the best single model {ahead} 95 % interval" in text
        assert f"Cost per 1,000 queries ${1000 * report.cost.estimate:.2f} " in text
        saved = 1 - report.cost.estimate / report.best_single.cost
        assert f"{100 * saved:.0f} % less than gpt-4-1106-preview alone" in text
        assert f"Gap to the oracle closed {100 * report.ratios.oracle_gap_closed:.0f} %" in text

    def test_a_model_for_nothing_has_a_cost_that_is_known(self, reports):
        found = reports["large"]
        free = replace(found, best_single=replace(found.best_single, cost=0.0))
        text = Reader(page(free)).text
        assert f"{found.best_single.name} alone is free" in text
        assert "cost is not known" not in text

    def test_without_costs_there_is_no_figure_of_costs(self, pages):
        text = Reader(pages["bare"]).text
        assert "Cost per 1,000 queries" not in text
        assert "Costs are not known" in text
        assert "cost per 1,000" not in text

    def test_the_same_cost_is_neither_more_nor_less(self, reports):
        report = reports["large"]
        for times, said in ((1 + 1e-12, "as much as"), (1.2, "20 % more than"), (0.5, "50 % less")):
            spent = times * report.best_single.cost
            text = Reader(page(replace(report, cost=Interval(spent, spent, spent)))).text
            assert f"Cost per 1,000 queries ${1000 * spent:.2f} {said}" in text

    def test_a_collapse_is_said(self, reports):
        report = reports["small"]
        behavior = replace(report.behavior, collapsed=True)
        assert "The router has collapsed" in page(replace(report, behavior=behavior))
        behavior = replace(report.behavior, collapsed=False)
        assert "The router has collapsed" not in page(replace(report, behavior=behavior))


class TestTables:
    def test_references_stand_with_their_intervals(self, reports, pages):
        text = Reader(pages["large"]).text.replace("−", "-")
        for each in reports["large"].references:
            ahead = each.ahead
            said = f"{ahead.estimate:+.4f} [{ahead.low:+.4f}, {ahead.high:+.4f}]"
            assert f"{each.name} {said.replace('+0.0000', '0.0000')} {each.quality:.3f} " in text

    def test_tasks_stand_with_every_model(self, reports, pages):
        text = Reader(pages["large"]).text
        task = reports["large"].tasks[3]
        numbers = [task.quality, task.single, task.oracle]
        row = f"{task.task} {task.n} " + " ".join(f"{value:.3f}" for value in numbers)
        assert row in text
        assert " ".join(f"{value:.3f}" for value in task.scores.values()) in text

    def test_worst_queries_stand_with_their_evidence(self, reports, pages):
        report, shown = reports["large"], Reader(pages["large"])
        assert len(report.worst) == 20
        opened = pages["large"].count('<div class="worst">')
        assert opened == 20
        worst = report.worst[0]
        assert worst.query in shown.text
        assert f"{worst.model} scored 0.00" in shown.text
        assert f"Query {worst.id}. Why {worst.model}: highest expected score." in shown.text
        assert "neighbor task similarity" in shown.text
        assert "n1 " in shown.text

    def test_the_evidence_shows_the_chosen_model_and_at_most_three_better_ones(self, reports):
        report = reports["large"]
        best = ("best-1", "best-2", "best-3", "best-4")
        worst = replace(report.worst[0], best=best)
        assert worst.neighbors
        shown = Reader(page(replace(report, worst=(worst,))))
        assert "neighbor task similarity " + " ".join((worst.model, *best[:3])) in shown.text
        assert shown.text.count("best-4") == shown.text.count("best-3") - 1  # named once, above

    def test_long_queries_are_cut_and_say_so(self, reports):
        report = reports["large"]
        worst = replace(report.worst[0], query="word " * 1000)
        text = Reader(page(replace(report, worst=(worst,)))).text
        assert "… and 3,000 more characters" in text
        assert text.count("word") < 450

    def test_boilerplate_at_the_start_of_all_is_left_out_of_the_list(self, reports):
        report = reports["large"]
        start = "Answer the following question with one letter and nothing else. "
        worst = tuple(
            replace(each, query=f"{start}{number} is what?")
            for number, each in enumerate(report.worst)
        )
        shown = Reader(page(replace(report, worst=worst)))
        heads = [text for tag, text in shown.texts if text.endswith("is what?") and tag == "bdi"]
        assert heads[3] == "…3 is what?"

    def test_no_worst_query_is_said(self, reports):
        text = page(replace(reports["large"], worst=()))
        assert "On no query did the choice score less than another model." in text

    def test_notes_are_listed(self, reports):
        text = Reader(page(replace(reports["small"], notes=("8 rows were left out",)))).text
        assert "Notes 8 rows were left out" in text
        assert "Notes" not in Reader(page(replace(reports["small"], notes=()))).text

    def test_what_is_not_known_is_said(self, pages):
        text = Reader(pages["bare"]).text
        assert "Expected scores are not known: only choices were evaluated." in text
        assert "Similarities are not known: no router was evaluated." in text

    def test_how_it_was_computed(self, reports, pages):
        text = Reader(pages["large"]).text
        assert "lies above 0 at no more cost, or above −0.01 at lower cost." in text
        assert "95 %, by paired bootstrap: each query is drawn again" in text
        assert "gpt-4-1106-preview, chosen on what taught the router" in text
        clustered = page(replace(reports["large"], clustered=True, basis="hindsight"))
        assert "whole groups of queries are drawn again" in clustered
        assert "chosen on these very queries, in hindsight" in clustered


class TestHostileTexts:
    def test_markup_in_names_is_text(self, pages):
        assert "<script>" not in pages["hostile"]
        assert html.escape(HOSTILE[0]) in pages["hostile"]
        read = Reader(pages["hostile"])
        assert HOSTILE[0] in read.text
        assert not any("onload" in attributes for _, attributes in read.elements)

    def test_what_turns_or_breaks_text_is_replaced(self, pages):
        for character in ("\x00", "\u202e", "\ud83d"):
            assert character not in pages["hostile"]
        assert pages["hostile"].encode("utf-8").decode("utf-8") == pages["hostile"]

    def test_other_scripts_are_kept(self, pages):
        assert HOSTILE[2] in pages["hostile"]
        assert HOSTILE[3] in pages["hostile"]

    def test_colors_as_text_stay_text(self, reports):
        report = reports["small"]
        named = replace(report, notes=(COLORS["ink"],))
        assert COLORS["ink"] in Reader(page(named)).text


class TestSameness:
    def test_the_same_report_gives_the_same_bytes(self, reports, pages):
        assert page(reports["large"]) == pages["large"]
        assert page(REPORTS["large"]()) == pages["large"]

    def test_a_users_style_changes_nothing(self, reports, pages):
        matplotlib = pytest.importorskip("matplotlib")
        with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
            assert page(reports["small"]) == pages["small"]

    def test_the_report_writes_it(self, reports, pages, tmp_path):
        file = tmp_path / "report.html"
        assert reports["hostile"].to_html(file) == pages["hostile"]
        assert file.read_text(encoding="utf-8") == pages["hostile"]

    def test_without_matplotlib_the_extra_is_named(self, reports, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
        with pytest.raises(MissingExtraError, match="plots"):
            page(reports["small"])


def luminance(color):
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(color, below, depth):
    """What is seen of a color that is so opaque."""
    mixed = [
        round(depth * int(color[n : n + 2], 16) + (1 - depth) * int(below[n : n + 2], 16))
        for n in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in mixed)


STYLE = files("knnrouter.evaluation.html").joinpath("page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in STYLE.split("@media")[:2]
)


class TestColors:
    def test_the_light_colors_are_those_of_the_figures(self):
        assert {name: LIGHT[name] for name in COLORS} == COLORS
        assert set(DARK) == set(LIGHT)

    @pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
    def test_letters_can_be_read(self, colors):
        for ground in ("page", "surface", "tint"):
            for letters in ("ink", "muted"):
                assert contrast(colors[letters], colors[ground]) >= 4.5, (letters, ground)
        for letters in ("routing", "best", "oracle", "single"):
            assert contrast(colors[letters], colors["surface"]) >= 4.5, letters
        for ground in ("better", "worse"):
            cell = over(colors[ground], colors["surface"], 0.6)
            assert contrast(colors["ink"], cell) >= 4.5, ground

    @pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
    def test_marks_stand_out(self, colors):
        for mark in ("routing", "best", "oracle", "single", "worse"):
            assert contrast(colors[mark], colors["surface"]) >= 2.5, mark

    def test_contrast_is_as_defined(self):
        assert contrast("#000000", "#ffffff") == pytest.approx(21)
        assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_color_of_a_figure_is_one_of_the_page(pages):
    for text in pages.values():
        figures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
        attributes = re.sub(r">[^<]*<", "><", figures)
        assert not re.search(r"#[0-9a-f]{6}\b", attributes)


def test_intervals_that_cannot_be_had(reports):
    report = reports["large"]
    nothing = Interval(math.nan, math.nan, math.nan)
    text = Reader(page(replace(report, against_mixture=nothing))).text
    assert "Ahead of a random mixture n/a" in text
