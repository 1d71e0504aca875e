"""Figures show the report's own numbers, and nothing covers anything else."""

import contextlib
import functools
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from reports import HOSTILE, REPORTS, large, made, reported, small

from knnrouter.errors import EvaluationError, MissingExtraError
from knnrouter.evaluation import figures

matplotlib = pytest.importorskip("matplotlib")

EVERY = [getattr(figures, name) for name in figures.__all__]


@pytest.fixture(scope="module")
def report():
    return large()


def texts(figure):
    """All texts of a figure that are seen, with the boxes they fill, in pixels."""
    from matplotlib.text import Text

    figure.canvas.draw()
    beyond = set()  # matplotlib keeps labels of ticks that are out of sight
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    found = [each for each in figure.findobj(Text) if each.get_text() and each.get_visible()]
    found = [each for each in found if each not in beyond]
    return [(each.get_text(), each.get_window_extent()) for each in found]


def line(figure, label):
    (found,) = [each for each in figure.axes[0].get_lines() if each.get_label() == label]
    return found.get_xydata()


class TestNumbers:
    def test_the_plane_holds_every_model_the_router_and_the_oracle(self, report):
        figure = figures.cost_quality(report)
        best = report.best_single
        others = [each for each in report.singles if each.name != best.name]
        assert line(figure, "other models").tolist() == [
            [1000 * each.cost, each.quality] for each in others
        ]
        assert line(figure, "best single model").tolist() == [[1000 * best.cost, best.quality]]
        (oracle,) = [
            each for each in report.references if each.name.startswith("best model of each q")
        ]
        assert line(figure, "best of each query").tolist() == [[1000 * oracle.cost, oracle.quality]]
        curve = [[1000 * each.cost, each.quality] for each in report.curve.points]
        assert line(figure, "routing at all prices").tolist() == curve
        names = {text for text, _ in texts(figure)}
        assert {"routing", "oracle", "gpt-4-1106-preview"} <= names

    def test_the_dashed_line_is_the_hull_of_the_models(self, report):
        costs, reached = line(figures.cost_quality(report), "models mixed at random").T
        for _, cost, quality in report.curve.hull:
            place = abs(costs - 1000 * cost).argmin()
            assert costs[place] == pytest.approx(1000 * cost)
            assert reached[place] == pytest.approx(quality)

    def test_the_interval_of_routing_is_drawn(self, report):
        (container,) = figures.cost_quality(report).axes[0].containers
        across, up = (part.get_segments()[0] for part in container[2])
        assert across[:, 0].tolist() == pytest.approx(
            [1000 * report.cost.low, 1000 * report.cost.high]
        )
        assert up[:, 1].tolist() == pytest.approx([report.quality.low, report.quality.high])

    def test_the_axis_of_costs_is_logarithmic_where_they_are_far_apart(self, report):
        assert figures.cost_quality(report).axes[0].get_xscale() == "log"
        alike = made(models=("a", "b"), rows=60)
        alike.costs[:] = 0.001
        assert figures.cost_quality(reported(alike)).axes[0].get_xscale() == "linear"

    def test_without_costs_the_qualities_stand_alone(self):
        report = reported(made(priced=False))
        names = [text for text, _ in texts(figures.cost_quality(report))]
        assert "routing" in names
        for value in (report.quality.estimate, report.best_single.quality):
            assert f"{value:.3f}" in names
        oracle = max(each.quality for each in report.references)
        assert names[names.index("best model of each query")] and f"{oracle:.3f}" in names

    def test_advantages_are_those_of_the_references(self, report):
        axes = figures.advantages(report).axes[0]
        drawn = [each.get_xdata() for each in axes.get_lines()]
        points = sorted(xs[0] for xs in drawn if len(xs) == 1)
        assert points == pytest.approx(sorted(each.ahead.estimate for each in report.references))

    def test_shares_are_lengths_of_bars(self, report):
        bars = figures.selection_shares(report).axes[0].patches
        wanted = sorted(report.behavior.shares.values(), reverse=True)
        assert [bar.get_width() for bar in bars] == pytest.approx(wanted)
        place = sorted(
            report.behavior.shares, key=lambda each: -report.behavior.shares[each]
        ).index(report.best_single.name)
        assert [bool(bar.get_hatch()) for bar in bars] == [n == place for n in range(len(bars))]

    def test_many_models_share_a_bar(self):
        report = REPORTS["many"]()
        bars = figures.selection_shares(report).axes[0].patches
        assert len(bars) == 15
        assert sum(bar.get_width() for bar in bars) == pytest.approx(1)

    def test_bins_are_points(self, report):
        drawn = line(figures.reliability(report), "measured").tolist()
        assert drawn == [[each.expected, each.measured] for each in report.reliability.bins]

    def test_regret_is_a_bar_and_what_is_won_a_point(self, report):
        figure = figures.regret_by_similarity(report)
        heights = [bar.get_height() for bar in figure.axes[0].patches]
        assert heights == [each.regret for each in report.by_similarity]
        won = line(figure, "won over the best single model")[:, 1].tolist()
        assert won == [each.ahead for each in report.by_similarity]
        assert any(re.fullmatch(r"\.3\d–\.\d\d", text) for text, _ in texts(figure))

    def test_the_curve_of_a_pair_and_its_chance(self):
        report = small()
        figure = figures.pair_curve(report)
        drawn = line(figure, "by the expected advantage").tolist()
        wanted = zip(report.pair.shares, report.pair.quality, strict=True)
        assert drawn == [list(each) for each in wanted]
        qualities = {each.name: each.quality for each in report.singles}
        assert line(figure, "at random")[:, 1].tolist() == [
            qualities[report.pair.weak],
            qualities[report.pair.strong],
        ]
        here = [[report.behavior.shares[report.pair.strong], report.quality.estimate]]
        assert line(figure, "routing as it is").tolist() == here

    def test_a_row_of_the_heatmap_is_a_task(self, report):
        names = [text for text, _ in texts(figures.task_heatmap(report))]
        task = max(report.tasks, key=lambda task: task.n)
        start = names.index(f"{task.task} ({task.n})")
        assert start >= 0
        row = [task.quality, *(task.scores[each.name] for each in report.singles), task.oracle]
        written = [f"{value:.2f}".removeprefix("0").replace("1.00", "1.0") for value in row]
        assert any(names[place : place + len(written)] == written for place in range(len(names))), (
            written
        )

    def test_the_heatmap_frames_who_got_most_of_a_task(self, report):
        axes = figures.task_heatmap(report).axes[0]
        frames = [each for each in axes.patches if not each.get_fill()]
        assert len(frames) == len(report.tasks)
        models = [each.name for each in report.singles]
        tasks = sorted(report.tasks, key=lambda task: -task.n)
        for frame, task in zip(frames, tasks, strict=True):
            name = models[round(frame.get_x() + 0.46) - 1]
            assert task.shares[name] == max(task.shares.values())

    def test_colors_of_the_heatmap_say_better_or_worse(self, report):
        from matplotlib.colors import to_hex

        axes = figures.task_heatmap(report).axes[0]
        cells = {
            (round(each.get_x() + 0.5), round(each.get_y() + 0.5)): each.get_facecolor()
            for each in axes.patches
            if each.get_fill()
        }
        tasks = sorted(report.tasks, key=lambda task: -task.n)
        for row, task in enumerate(tasks):
            *color, depth = cells[0, row]
            ahead = task.quality - task.single
            assert depth == pytest.approx(0.6 * min(1, abs(ahead) / 0.15))
            assert ahead == 0 or (to_hex(color) == "#3d8fd1") == (ahead > 0)

    def test_the_largest_tasks_only(self):
        figure = figures.task_heatmap(REPORTS["many"](), most=5)
        assert len(figure.axes[0].get_yticks()) == 5


@functools.cache
def measurements(name):
    """Each figure of a report: its size, its texts, and their boxes, shape (texts, 4)."""
    report, found = REPORTS[name](), []
    for draw in EVERY:
        with contextlib.suppress(EvaluationError):
            figure = draw(report)
            shown = texts_quietly(figure)
            boxes = np.array([box.extents for _, box in shown])
            found.append((figure.bbox.size, [text for text, _ in shown], boxes))
    return found


@pytest.fixture(params=REPORTS)
def measured(request):
    return measurements(request.param)


class TestSpace:
    def test_every_text_lies_within_the_figure(self, measured):
        for size, shown, boxes in measured:
            outside = (boxes[:, :2] < -1).any(axis=1) | (boxes[:, 2:] > size + 1).any(axis=1)
            assert [shown[place] for place in np.flatnonzero(outside)] == []

    def test_no_text_covers_another(self, measured):
        for _, shown, boxes in measured:
            low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
            high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
            covers = np.triu(((high - low) > (1.5, 3)).all(axis=2), k=1)
            assert [(shown[one], shown[other]) for one, other in np.argwhere(covers)] == []


class TestManners:
    def test_no_setting_of_matplotlib_changes_and_no_window_opens(self, report):
        before = dict(matplotlib.rcParams)
        for draw in EVERY[:2]:
            draw(report)
        assert dict(matplotlib.rcParams) == before
        code = (
            "import sys; from knnrouter.evaluation import figures\n"
            "assert not [name for name in sys.modules if name.startswith('matplotlib')]\n"
            "from reports import large\n"
            "figures.selection_shares(large())\n"
            "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
        )
        path = {"PYTHONPATH": ":".join(sys.path)}
        subprocess.run([sys.executable, "-c", code], env=path, check=True, timeout=60)

    def test_a_users_style_changes_nothing(self, report):
        plain = figures.selection_shares(report)
        with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30}):
            styled = figures.selection_shares(report)
        sizes = [label.get_size() for label in styled.axes[0].get_yticklabels()]
        assert sizes == [label.get_size() for label in plain.axes[0].get_yticklabels()]
        assert styled.axes[0].get_facecolor() == plain.axes[0].get_facecolor()

    def test_names_are_no_formulas(self):
        report = REPORTS["hostile"]()
        shown = [text for text, _ in texts_quietly(figures.selection_shares(report))]
        assert HOSTILE[4] in shown

    def test_without_matplotlib_the_extra_is_named(self, report, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'knnrouter\[plots\]'"):
            figures.cost_quality(report)

    def test_what_is_not_known_cannot_be_drawn(self, report):
        bare = REPORTS["bare"]()
        for draw, what in (
            (figures.reliability, "no expected scores"),
            (figures.regret_by_similarity, "no similarities"),
        ):
            with pytest.raises(EvaluationError, match=what):
                draw(bare)
        with pytest.raises(EvaluationError, match="no pair of models"):
            figures.pair_curve(report)


def texts_quietly(figure):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font")
        return texts(figure)
