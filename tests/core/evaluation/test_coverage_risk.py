import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import coverage_risk

SIMILARITY = st.floats(-1, 1).map(lambda value: round(value, 6))
ROWS = st.lists(
    st.tuples(SIMILARITY, st.floats(-1, 1), st.sampled_from("abcdefg"), st.floats(0.5, 3)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(ROWS)
def test_each_point_is_what_selecting_its_queries_gives(rows):
    rows = [*rows, *((0.5, 0.1, task, 1.0) for task in "abcde")]
    near, loss, tasks, weights = map(list, zip(*rows, strict=True))
    curve = coverage_risk(near, loss, tasks, weights=weights, draws=10)
    assert len(curve.thresholds) == len(curve.coverages) == len(curve.risks) == len(curve.bounds)
    assert curve.coverages[0] == 1.0
    for place, threshold in enumerate(curve.thresholds):
        kept = [(w, x) for s, x, w in zip(near, loss, weights, strict=True) if s >= threshold]
        total = sum(w for w, _ in kept)
        assert curve.coverages[place] == pytest.approx(total / sum(weights))
        assert curve.risks[place] == pytest.approx(sum(w * x for w, x in kept) / total, abs=1e-9)
    assert max(near) < curve.thresholds[-1] + 0.01 + 1e-9


def test_thresholds_are_the_hundredths_that_people_type():
    curve = coverage_risk([0.29, 0.57, 0.58, 0.3, 0.3], [0.0] * 5, list("abcde"), draws=2)
    assert curve.thresholds.tolist() == [step / 100 for step in range(29, 59)]
    assert curve.coverages.tolist()[:3] == [1.0, 0.8, 0.4]
    assert curve.coverages.tolist()[-2:] == [0.4, 0.2]


def flat(count, tasks=10, loss=0.0, seed=0):
    """Queries of several tasks, similarities from 0.2 to 0.8."""
    near = np.random.default_rng(seed).uniform(0.2, 0.8, size=count)
    return near, np.full(count, loss), [f"t{row % tasks}" for row in range(count)]


def test_a_loss_that_never_varies_is_its_own_bound():
    curve = coverage_risk(*flat(1000, loss=0.25))
    known = ~np.isnan(curve.bounds)
    assert curve.bounds[known] == pytest.approx(0.25)
    assert known.sum() > 50


def test_no_bound_where_too_little_is_covered():
    curve = coverage_risk(*flat(1000))
    assert (np.isnan(curve.bounds) == (curve.coverages < 0.1)).all()  # a tenth of all
    curve = coverage_risk(*flat(100))
    assert (np.isnan(curve.bounds) == (curve.coverages < 0.3)).all()  # 30 queries
    near, loss, tasks = flat(1000)
    few = np.where(np.isin(tasks, ["t0", "t1", "t2", "t3"]), 0.9, near)
    curve = coverage_risk(few, loss, tasks)
    assert np.isnan(curve.bounds[curve.thresholds > 0.8]).all()  # 400 queries, but of four tasks
    assert not np.isnan(curve.bounds[curve.thresholds < 0.7]).any()


def test_one_threshold_has_the_bound_of_student():
    """With one threshold and many alike tasks the bound is the classical one for a mean."""
    from scipy.stats import t

    random = np.random.default_rng(4)
    means = random.normal(0.1, 0.05, size=12)
    loss = np.repeat(means, 50)
    tasks = np.repeat(np.arange(12), 50).tolist()
    curve = coverage_risk(np.full(600, 0.505), loss, tasks, draws=4096)
    error = means.std(ddof=1) / np.sqrt(12)
    student = means.mean() + t.ppf(0.95, 11) * error
    assert curve.risks.tolist() == pytest.approx([means.mean()])
    assert curve.bounds[0] == pytest.approx(student, abs=0.15 * error)


def test_bounds_rise_with_confidence_and_need_more_tasks():
    near, loss, tasks = flat(600, tasks=6)
    loss = np.random.default_rng(1).normal(size=600)
    one, other = (coverage_risk(near, loss, tasks, confidence=each) for each in (0.8, 0.95))
    known = ~np.isnan(one.bounds)
    assert (one.bounds[known] < other.bounds[known]).all()
    with pytest.raises(EvaluationError, match=r"there are 6 tasks; .* of 0\.99 takes at least 7"):
        coverage_risk(near, loss, tasks, confidence=0.99)


def test_tasks_that_agree_prove_no_more_than_their_queries():
    """Each of ten tasks loses on two of ten queries: no spread of tasks, but one of queries."""
    tasks = [f"t{row % 10}" for row in range(100)]
    loss = [float(row // 10 < 2) for row in range(100)]
    curve = coverage_risk([0.505] * 100, loss, tasks)
    assert curve.bounds[0] == pytest.approx(0.2 + 1.644854 * np.sqrt(0.2 * 0.8 / 100))


def slow_bounds(covered, loss, tasks, *, draws, seed):
    """The docstring of `coverage_risk`, a step at a time: of tasks, and whether these set it."""
    names = list(dict.fromkeys(tasks))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(draws, len(names)))
    points, greatest = [], np.full(draws, -np.inf)
    for kept in covered:
        sums, counts = (
            np.array([values[kept & (tasks == name)].sum() for name in names])
            for values in (loss, np.ones(len(loss)))
        )
        risk, groups = sums.sum() / counts.sum(), (counts > 0).sum()
        residuals, scale = sums - risk * counts, np.sqrt(groups / (groups - 1)) / counts.sum()
        for draw, sign in enumerate(signs):
            deviation = (sign * residuals).sum() / counts.sum()
            own = scale * np.sqrt(((sign * residuals - deviation * counts) ** 2).sum())
            greatest[draw] = max(greatest[draw], deviation / own)
        of_queries = 1.644854 * loss[kept].std() / np.sqrt(kept.sum())
        points.append((risk, scale * np.sqrt((residuals**2).sum()), of_queries))
    factor = np.sort(greatest)[math.ceil(0.95 * (draws - 1))]
    return [
        (risk + max(factor * error, of_queries), factor * error > of_queries)
        for risk, error, of_queries in points
    ]


def test_bounds_equal_a_slow_twin():
    """Two thresholds; the upper one covers five of eight tasks, so the errors scale differently."""
    decided = set()
    for seed in range(6):
        random = np.random.default_rng(seed)
        tasks = np.repeat(np.arange(8), 40)
        near = np.where((tasks < 5) & (random.random(320) < 0.5), 0.805, 0.305)
        luck = np.arange(320) % 10 / 10 if seed % 2 else random.random(320)
        loss = (luck < 0.25 + 0.1 * (tasks == 0)).astype(float)  # else tasks nearly agree
        curve = coverage_risk(near, loss, tasks.tolist(), draws=99, seed=seed)
        expected = slow_bounds([near > 0, near > 0.5], loss, tasks, draws=99, seed=seed)
        assert curve.bounds[[0, -1]] == pytest.approx([bound for bound, _ in expected], abs=1e-6)
        decided |= {by_tasks for _, by_tasks in expected}
    assert decided == {True, False}


def losses(random, tasks, per_task=60):
    """Tasks differ by 0.05, and what is lost falls by 0.1 as similarity rises by 0.5."""
    near = random.uniform(0.2, 0.9, size=(tasks, per_task))
    mean = 0.05 - 0.2 * (near - 0.55) + random.normal(0.0, 0.05, size=(tasks, 1))
    loss = (random.random(near.shape) < 0.3 + mean) - 0.3
    return near.ravel(), loss.ravel(), np.repeat(np.arange(tasks), per_task).tolist()


def true_mean(thresholds):
    """Of all tasks: similarities are spread evenly up to 0.9."""
    return 0.05 - 0.2 * ((thresholds + 0.9) / 2 - 0.55)


@pytest.mark.parametrize("tasks", [6, 14])
def test_the_bounds_hold_together_nineteen_times_of_twenty(tasks):
    missed = 0
    for seed in range(300):
        curve = coverage_risk(*losses(np.random.default_rng(seed), tasks), draws=200, seed=seed)
        known = ~np.isnan(curve.bounds)
        missed += (true_mean(curve.thresholds[known]) > curve.bounds[known]).any()
    assert 2 <= missed <= 26  # 15 are meant; four standard deviations are 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"similarity": [0.1]}, "shapes"),
        ({"loss": [0.0, float("nan"), 0.0, 0.0, 0.0]}, "1 of 5 values of loss are not finite"),
        ({"clusters": ["a"]}, "there are 1 tasks for 5 queries"),
        ({"clusters": list("abcda")}, r"there are 4 tasks; .* takes at least 5: give records of"),
        ({"confidence": 1.0}, "confidence is 1.0; give a share above 0 and below 1"),
    ],
)
def test_bad_input(change, message):
    good = {"similarity": [0.5] * 5, "loss": [0.0] * 5, "clusters": list("abcde")}
    with pytest.raises(EvaluationError, match=message):
        coverage_risk(**good | change)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"similarity": [2.0] + [0.5] * 49}, "similarity goes from 0.5 to 2; give cosines"),
        ({"weights": [0.0] + [1.0] * 49}, "weights go down to 0; give numbers above 0"),
        ({"draws": 0}, "draws is 0; give 1 or more"),
    ],
)
def test_numbers_out_of_range(changed, message):
    given = {"similarity": [0.5] * 50, "loss": [0.0] * 50, "clusters": list("abcde") * 10} | changed
    with pytest.raises(EvaluationError, match=message):
        coverage_risk(**given)
