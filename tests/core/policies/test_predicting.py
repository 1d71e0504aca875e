import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PolicyError
from knnrouter.policies import BestScore, Candidates, Prediction

NAN = float("nan")
SCORE = st.integers(0, 1_000).map(lambda n: n / 1_000)


def candidates(*scores, names="abcdefg"):
    models = tuple(names[: len(scores)])
    return Candidates(models=models, scores=scores, costs=(1.0,) * len(scores))


def training(seed=0, n=60, m=4):
    rng = np.random.default_rng(seed)
    scores = rng.random((n, m))
    return scores, (rng.random((n, m)) < scores).astype(float)


def targets(scores, measured, order):
    """The paper's target, query by query: the first right model's score, 0.5 if none is right."""
    found = []
    for own, right in zip(scores, measured, strict=True):
        sure = [own[column] for column in order if right[column] > 0.5]
        found.append(sure[0] if sure else 0.5)
    return found


@pytest.mark.parametrize("order", ["listed", "sorted"])
def test_the_regression_is_the_least_squares_one(order):
    sklearn = pytest.importorskip("sklearn.linear_model", reason="the twin is scikit-learn's")
    scores, measured = training()
    columns = range(4)
    if order == "sorted":  # those that are right least often first
        columns = sorted(columns, key=lambda column: measured[:, column].sum())
        assert list(columns) != [0, 1, 2, 3]
    twin = sklearn.LinearRegression().fit(scores, targets(scores, measured, columns))
    found = Prediction.fit(scores, measured, "abcd", order=order)
    assert found.models == ("a", "b", "c", "d")
    assert found.coefficients == pytest.approx(twin.coef_.tolist())
    assert found.intercept == pytest.approx(twin.intercept_)
    asked = [0.1, 0.9, 0.4, 0.6]
    assert found.predicted(candidates(*asked)) == pytest.approx(twin.predict([asked])[0])


def test_sorted_and_listed_differ():
    scores, measured = training()
    listed, by_count = (
        Prediction.fit(scores, measured, "abcd", order=order) for order in ("listed", "sorted")
    )
    assert listed != by_count


def test_sorted_is_listed_after_sorting():
    scores, measured = training(1)
    order = np.argsort(measured.sum(axis=0), kind="stable")
    by_hand = Prediction.fit(
        scores[:, order], measured[:, order], "".join("abcd"[i] for i in order)
    )
    found = Prediction.fit(scores, measured, "abcd", order="sorted")
    factors = dict(zip(by_hand.models, by_hand.coefficients, strict=True))
    assert found.coefficients == pytest.approx([factors[name] for name in "abcd"])


def test_ties_in_the_number_of_right_answers_go_by_the_list():
    scores = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.6]])
    measured = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    assert Prediction.fit(scores, measured, "ab", order="sorted") == Prediction.fit(
        scores, measured, "ab"
    )


def test_nobody_right_is_a_half_and_not_measured_is_not_right():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.4, 0.8], [0.6, 0.7]])
    measured = np.array([[NAN, 1.0], [0.0, NAN], [0.6, 0.0], [0.5, 1.0]])
    found = Prediction.fit(scores, measured, "ab")
    design = np.column_stack([scores, np.ones(4)])
    solved, *_ = np.linalg.lstsq(design, [0.1, 0.5, 0.4, 0.7], rcond=None)
    assert (*found.coefficients, found.intercept) == pytest.approx(solved.tolist())
    stricter = Prediction.fit(scores, measured, "ab", right=0.7)
    solved, *_ = np.linalg.lstsq(design, [0.1, 0.5, 0.5, 0.7], rcond=None)
    assert (*stricter.coefficients, stricter.intercept) == pytest.approx(solved.tolist())


def test_queries_without_all_scores_are_left_out():
    scores, measured = training()
    some = scores.copy()
    some[::3, 1] = NAN
    whole = ~np.isnan(some).any(axis=1)
    assert Prediction.fit(some, measured, "abcd") == Prediction.fit(
        scores[whole], measured[whole], "abcd"
    )


def test_scores_that_say_the_same_twice():
    scores, measured = training(m=2)
    doubled = Prediction.fit(scores[:, [0, 1, 1]], measured[:, [0, 1, 1]], "abc")
    single = Prediction.fit(scores, measured, "ab")
    assert doubled.predicted(candidates(0.3, 0.6, 0.6)) == pytest.approx(
        single.predicted(candidates(0.3, 0.6))
    )


@given(st.lists(SCORE, min_size=3, max_size=3), st.lists(SCORE, min_size=3, max_size=3), SCORE)
def test_nearest_is_the_least_distance(scores, factors, intercept):
    policy = Prediction(
        models=list("abc"), coefficients=factors, intercept=intercept, rule="nearest"
    )
    predicted = sum(f * s for f, s in zip(factors, scores, strict=True)) + intercept
    choice = policy(candidates(*scores))
    distances = {name: abs(s - predicted) for name, s in zip("abc", scores, strict=True)}
    assert distances[choice.ranking[0]] == pytest.approx(min(distances.values()), abs=2e-9)
    assert [distances[name] for name in choice.ranking] == pytest.approx(
        sorted(distances.values()), abs=2e-9
    )
    assert choice.reason == f"expected score nearest to the predicted {predicted:.3f}"


@given(
    st.lists(st.one_of(SCORE, st.just(NAN)), min_size=1, max_size=5),
    st.lists(st.integers(-30, 30).map(lambda n: n / 10), min_size=5, max_size=5),
    st.integers(-30, 30).map(lambda n: n / 10),
)
def test_the_papers_rule_is_the_best_score(scores, factors, intercept):
    """One prediction is taken from every score, so argmax(score - predicted) is argmax(score)."""
    asked = candidates(*scores)
    policy = Prediction(
        models=list(asked.models), coefficients=factors[: len(scores)], intercept=intercept,
    )  # fmt: skip
    assert policy(asked).ranking == BestScore()(asked).ranking
    if not any(map(math.isnan, scores)):
        predicted = policy.predicted(asked)
        above = [score - predicted for score in scores]
        assert policy(asked).ranking[0] == asked.models[above.index(max(above))]
        assert policy(asked).reason.startswith("expected score highest above the predicted ")


def test_the_papers_sorted_rule_is_the_best_score_too():
    scores, measured = training()
    policies = [
        Prediction.fit(scores, measured, "abcd", order=order) for order in ("listed", "sorted")
    ]
    for row in scores.tolist():
        asked = candidates(*row)
        assert {policy(asked).ranking for policy in policies} == {BestScore()(asked).ranking}


def test_what_sinks_sorted_prediction_in_the_papers_code():
    """It finds the choice in the listed order and reads it in the sorted one: another model's."""
    accuracy = {  # of arXiv 2405.00467 on GSM8K, in its order
        "gemma-7b-it": 36.85,
        "gemma-7b": 71.11,
        "llama2-13b-chat": 46.70,
        "metamath-7b": 67.55,
        "mistral-7b-inst": 50.42,
        "mistral-7b-lm": 59.74,
    }
    listed = list(accuracy)
    by_count = sorted(listed, key=accuracy.get)
    assert by_count[listed.index("metamath-7b")] == "mistral-7b-lm"  # 59.59 was published
    mmlu = {
        "gemma-7b-it": 49.28,
        "gemma-7b": 63.86,
        "llama2-13b-chat": 50.52,
        "llama2-7b-lm": 48.37,
        "metamath-7b": 42.29,
        "mistral-7b-inst": 51.63,
        "mistral-7b-lm": 62.09,
    }
    by_count = sorted(mmlu, key=mmlu.get)
    assert by_count[list(mmlu).index("gemma-7b")] == "llama2-7b-lm"  # 48.37 was published


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_the_candidates_does_not_matter(order):
    policy = Prediction(
        models=list("abc"), coefficients=[0.5, 0.1, 0.2], intercept=0.1, rule="nearest"
    )
    scores = (0.3, 0.9, 0.6)
    asked = candidates(*(scores[i] for i in order), names="".join("abc"[i] for i in order))
    # Predicted: 0.15 + 0.09 + 0.12 + 0.1 = 0.46.
    assert policy(asked).ranking == ("c", "a", "b")


def test_a_model_that_may_not_answer_or_cannot_be_judged():
    policy = Prediction(
        models=list("abc"), coefficients=[0.5, 0.1, 0.2], intercept=0.1, rule="nearest"
    )
    for asked in (candidates(0.3, 0.9), candidates(0.3, NAN, 0.9)):
        choice = policy(asked)
        assert choice.ranking == BestScore()(asked).ranking
        assert (choice.reason_code, choice.fallback) == ("prediction_incomplete", True)
    assert not policy(candidates(0.3, 0.9, 0.6)).fallback


def test_models_that_the_regression_does_not_know_come_last_by_score():
    policy = Prediction(models=list("ab"), coefficients=[0.0, 0.0], intercept=5.0, rule="nearest")
    assert policy(candidates(0.3, 0.2, 0.8, 0.9, NAN)).ranking == ("a", "b", "d", "c", "e")


def test_all_faults_at_once():
    with pytest.raises(PolicyError) as caught:
        Prediction(models=["a", "a"], coefficients=[1], intercept=NAN, rule="best")
    assert str(caught.value) == (
        "Prediction: models is ('a', 'a'); give a list of names, each once; coefficients is (1,); "
        "give a list of numbers, one for each of 2 models; intercept is nan; give a number; rule "
        "is 'best'; give one of above, nearest"
    )


@pytest.mark.parametrize("models", ["ab", [], [1, 2], None])
def test_models_are_a_list_of_names(models):
    with pytest.raises(PolicyError, match=r"models is .*; give a list of names, each once"):
        Prediction(models=models, coefficients=[1, 2], intercept=0)


def test_tables_that_do_not_fit():
    with pytest.raises(PolicyError) as caught:
        Prediction.fit(np.zeros((3, 2)), np.zeros((2, 2)), "ab", order="shuffled")
    assert str(caught.value) == (
        "Prediction: estimated has shape (3, 2), measured (2, 2), for 2 models; give one row a "
        "training query and one column a model in both; order is 'shuffled'; give one of listed, "
        "sorted"
    )
    with pytest.raises(
        PolicyError, match="none of 2 queries has an expected score for all of a, b"
    ):
        Prediction.fit([[NAN, 1], [NAN, 0]], np.zeros((2, 2)), "ab")
