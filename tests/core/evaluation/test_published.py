"""On the real benchmark files the measures give the published figures."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import read_records
from knnrouter.evaluation import (
    aiq,
    apgr,
    cpt,
    hull,
    oracle_costs,
    query_oracle,
    random,
    strong_fraction_curve,
    task_means,
    task_oracle,
)

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "routerdc").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


class TestRouteLLM:
    """arXiv 2406.18665: the rows of its tables that need no trained router."""

    @pytest.fixture(scope="class", params=["mmlu", "gsm8k"])
    @classmethod
    def pair(cls, request):
        folder = DATA / "routellm" / request.param
        records = read_records(folder)
        lines = (folder / "contaminated_prompts.jsonl").read_text("utf-8").splitlines()
        contaminated = {json.loads(line)["eval_prompt"] for line in lines}
        kept = [row for row, text in enumerate(records.queries) if text not in contaminated]
        scores = records.select(kept).scores.astype(np.float64)
        weak, strong = (scores[:, records.models.index(name)] for name in (WEAK, STRONG))
        return request.param, weak, strong

    def test_endpoints(self, pair):
        name, weak, strong = pair
        rows, low, high, either = {
            "mmlu": (14_037, 68.091, 80.587, 85.873),
            "gsm8k": (1_307, 63.734, 85.769, 92.961),
        }[name]
        assert len(weak) == rows
        assert 100 * weak.mean() == pytest.approx(low, abs=5e-4)
        assert 100 * strong.mean() == pytest.approx(high, abs=5e-4)
        best = query_oracle(np.column_stack([weak, strong]))
        assert 100 * best.mean() == pytest.approx(either, abs=5e-4)

    def test_a_random_router_has_one_half(self, pair):
        _, weak, strong = pair
        curves = [
            strong_fraction_curve(np.random.default_rng(seed).random(len(weak)), weak, strong)
            for seed in range(100)
        ]
        found = np.array([[apgr(each), cpt(each, 0.5), cpt(each, 0.8)] for each in curves])
        error = found.std(axis=0, ddof=1) / 10
        assert (error < 0.005).all()
        assert abs(found[:, 0].mean() - 0.5) < 3 * error[0]
        assert found[:, 1:].mean(axis=0) == pytest.approx([0.5, 0.8], abs=0.015)

    def test_the_oracle_order(self, pair):
        name, weak, strong = pair
        curve = strong_fraction_curve(strong - weak, weak, strong)
        area, half, most = {"mmlu": (1.268, 6.25, 10.0), "gsm8k": (1.115, 11.02, 17.63)}[name]
        # Queries are tied at three values; how a router breaks the ties moves the area a little.
        order = np.argsort(np.argsort(strong - weak, kind="stable")).astype(float)
        untied = strong_fraction_curve(order, weak, strong)
        assert apgr(untied) == pytest.approx(area, abs=5e-3)
        assert [100 * cpt(untied, part) for part in (0.5, 0.8)] == pytest.approx(
            [half, most], abs=0.1
        )
        assert apgr(curve) > 1


class TestRouterDC:
    """arXiv 2409.19886, the rows of single models, the oracles' and a random model's."""

    SETS = ("MMLU", "GSM8K", "CMMLU", "ARC-C", "HE", "PreAlg", "MBPP", "C-Eval")
    FILES = (
        "mmlu_test",
        "gsm8k-test",
        "cmmlu_test",
        "arc_challenge_test",
        "humaneval_test",
        "MATH_prealgebra",
        "mbpp",
        "ceval",
    )
    PROBABILITIES = ("MMLU", "CMMLU", "ARC-C", "C-Eval")
    SINGLE = {
        "mistralai/Mistral-7B-v0.1": (62.14, 36.71, 43.83, 49.43, 28.98, 24.80, 37.90, 46.43),
        "meta-math/MetaMath-Mistral-7B": (59.86, 69.63, 43.83, 48.30, 29.80, 39.15, 37.74, 45.17),
        "itpossible/Chinese-Mistral-7B-v0.1": (
            *(57.42, 41.03, 49.67, 43.47, 21.43, 18.48, 29.64, 48.44),
        ),
        "HuggingFaceH4/zephyr-7b-beta": (59.81, 33.00, 42.82, 57.95, 22.04, 20.78, 31.14, 44.87),
        "cognitivecomputations/dolphin-2.6-mistral-7b": (
            *(60.53, 52.38, 43.71, 52.56, 45.10, 29.28, 44.86, 45.10),
        ),
        "meta-llama/Meta-Llama-3-8B": (64.59, 47.76, 51.77, 49.43, 26.73, 27.67, 43.02, 52.01),
        "cognitivecomputations/dolphin-2.9-llama3-8b": (
            *(59.46, 69.81, 44.72, 49.43, 49.39, 39.72, 47.34, 44.80),
        ),
    }
    ORACLE = (85.26, 83.32, 79.63, 72.44, 66.94, 67.05, 62.40, 81.58)
    BEST_OF_SET = (64.59, 69.81, 51.77, 57.95, 49.39, 39.72, 47.34, 52.01)
    RANDOM = (60.54, 50.05, 45.76, 50.08, 31.92, 28.56, 38.81, 46.69)

    @pytest.fixture(scope="class")
    @classmethod
    def read(cls):
        parts, tasks, models = [], [], None
        for name, file in zip(cls.SETS, cls.FILES, strict=True):
            threshold = 0.0 if name in cls.PROBABILITIES else None
            records = read_records(DATA / "routerdc" / f"{file}.json", threshold=threshold)
            models = models or records.models
            assert records.models == models
            parts.append(records.scores)
            tasks += [name] * len(records)
        return np.concatenate(parts).astype(np.float64), tasks, models

    def percent(self, values, tasks):
        names, means = task_means(values, tasks)
        assert names == self.SETS
        return 100 * means

    def test_single_models(self, read):
        scores, tasks, models = read
        assert set(models) == set(self.SINGLE)
        found = self.percent(scores, tasks).T
        for name, row in zip(models, found, strict=True):
            np.testing.assert_allclose(row, self.SINGLE[name], atol=0.0051, err_msg=name)

    def test_averages_in_and_out_of_distribution(self, read):
        scores, tasks, models = read
        found = self.percent(scores[:, models.index(list(self.SINGLE)[-1])], tasks)
        assert found[:5].mean() == pytest.approx(54.56, abs=0.0051)
        assert found[5:].mean() == pytest.approx(43.95, abs=0.0051)

    @pytest.mark.parametrize("row", ["ORACLE", "BEST_OF_SET", "RANDOM"])
    def test_references(self, read, row):
        scores, tasks, _ = read
        chosen = {
            "ORACLE": query_oracle(scores),
            "BEST_OF_SET": task_oracle(scores, tasks),
            "RANDOM": random(scores),
        }[row]
        np.testing.assert_allclose(self.percent(chosen, tasks), getattr(self, row), atol=0.0051)


class TestRouterBench:
    """arXiv 2403.12031, the test file of ARC challenge: accuracy and USD a query."""

    SINGLE = {
        "gpt-4-1106-preview": (0.9567, 0.005065),
        "claude-v1": (0.9203, 0.004052),
        "zero-one-ai/Yi-34B-Chat": (0.9180, 0.000404),
        "mistralai/mixtral-8x7b-chat": (0.8633, 0.000303),
        "claude-instant-v1": (0.8428, 0.000405),
        "gpt-3.5-turbo-1106": (0.8420, 0.000506),
        "meta/llama-2-70b-chat": (0.8178, 0.000455),
        "mistralai/mistral-7b-chat": (0.6697, 0.000101),
        "meta/code-llama-instruct-34b-chat": (0.6606, 0.000392),
        "WizardLM/WizardLM-13B-V1.2": (0.6492, 0.000151),
        "claude-v2": (0.6264, 0.004060),
    }

    @pytest.fixture(scope="class")
    @classmethod
    def read(cls):
        return read_records(DATA / "routerbench" / "arc_challenge_test.csv")

    def test_single_models(self, read):
        quality, cost = np.nanmean(read.scores, axis=0), read.costs.mean(axis=0)
        found = dict(zip(read.models, zip(quality, cost, strict=True), strict=True))
        assert found.keys() == self.SINGLE.keys()
        for name, (accuracy, usd) in self.SINGLE.items():
            assert found[name][0] == pytest.approx(accuracy, abs=5.1e-5), name
            assert found[name][1] == pytest.approx(usd, abs=1e-6), name

    def test_the_oracle(self, read):
        known = ~np.isnan(read.scores).any(axis=1)
        assert known.sum() == 445 - 8
        scores, costs = read.scores[known].astype(np.float64), read.costs[known]
        assert query_oracle(scores).mean() == pytest.approx(0.9886, abs=5e-5)
        assert oracle_costs(scores, costs).mean() == pytest.approx(0.000216, abs=5e-7)
        free = oracle_costs(scores, costs, unsolved="free")
        assert (free == 0).sum() == (scores == 0).all(axis=1).sum() == 5

    def test_the_zero_router(self):
        names, points = list(self.SINGLE), np.array(list(self.SINGLE.values()))
        zero = hull(points[:, 1], points[:, 0])
        assert [names[column] for column in zero.columns] == [
            "mistralai/mistral-7b-chat",
            "mistralai/mixtral-8x7b-chat",
            "zero-one-ai/Yi-34B-Chat",
            "gpt-4-1106-preview",
        ]
        # Trapezoids of widths 202, 101 and 4,661 millionths of a dollar.
        area = 202 * (0.6697 + 0.8633) / 2 + 101 * (0.8633 + 0.9180) / 2
        area += 4661 * (0.9180 + 0.9567) / 2
        assert aiq(zero) == pytest.approx(area / 4964)
        assert aiq(zero, normalization="max") == pytest.approx(area / 5065)
