import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PolicyError
from knnrouter.policies import BestScore, Candidates, RandomAmongTop

NAN = float("nan")
SCORES = st.lists(
    st.one_of(st.just(NAN), st.integers(0, 1_000_000).map(lambda n: n / 1e6)),
    min_size=1,
    max_size=7,
).filter(lambda scores: any(score == score for score in scores))


def candidates(*scores, names=None):
    names = names or tuple(f"m{place}" for place in range(len(scores)))
    return Candidates(models=names, scores=scores, costs=(1.0,) * len(scores))


def lot(seed, top):
    """The rule, told again: a hash of the seed, and of the names and thousandths of the best."""
    written = "[{}, [{}]]".format(
        seed, ", ".join(f"[{json.dumps(name)}, {round(1000 * score)}]" for name, score in top)
    )
    return int(hashlib.sha256(written.encode()).hexdigest()[:16], 16) % len(top)


def twin(asked, threshold, top, seed):
    known = [
        (name, score)
        for name, score in zip(asked.models, asked.scores, strict=True)
        if score == score
    ]
    order = sorted(known, key=lambda pair: -pair[1])  # stable: ties by place
    if order[0][1] > threshold:
        return order[0][0]
    return order[:top][lot(seed, order[:top])][0]


@given(SCORES, st.integers(0, 100).map(lambda n: n / 100), st.integers(1, 8), st.integers(0, 9))
def test_agrees_with_its_twin(scores, threshold, top, seed):
    asked = candidates(*scores)
    policy = RandomAmongTop(threshold=threshold, top=top, seed=seed)
    choice = policy(asked)
    assert choice.ranking[0] == twin(asked, threshold, top, seed)
    assert sorted(choice.ranking) == sorted(asked.models)
    assert policy(asked) == choice


@given(SCORES, st.integers(0, 9))
def test_never_draws_what_has_no_score(scores, seed):
    choice = RandomAmongTop(threshold=1.0, top=9, seed=seed)(candidates(*scores))
    unknown = {f"m{place}" for place, score in enumerate(scores) if score != score}
    known = len(scores) - len(unknown)
    assert set(choice.ranking[known:]) == unknown


def test_the_rest_follows_by_score():
    choice = RandomAmongTop(seed=3)(candidates(0.1, 0.5, 0.4, 0.3, 0.2))
    first, *rest = choice.ranking
    assert rest == [name for name in ("m1", "m2", "m3", "m4", "m0") if name != first]


@pytest.mark.parametrize(("highest", "code"), [(0.6, "random_among_top"), (0.61, "best_score")])
def test_draws_at_the_threshold_and_below(highest, code):
    choice = RandomAmongTop()(candidates(highest, 0.2, 0.1))
    assert choice.reason_code == code
    if code == "best_score":
        assert choice == BestScore()(candidates(highest, 0.2, 0.1))
    else:
        assert choice.reason == "no expected score is above 0.6; drawn among the best 3: m0, m1, m2"
        assert not choice.fallback


def test_a_sum_that_ends_beside_the_threshold_is_at_it():
    assert 0.1 + 0.2 > 0.3
    choice = RandomAmongTop(threshold=0.3)(candidates(0.1 + 0.2, 0.1))
    assert choice.reason_code == "random_among_top"


def test_every_one_of_the_best_gets_its_share():
    drawn = Counter(
        RandomAmongTop()(candidates(0.3 + n / 3e4, 0.2, 0.1, 0.05 + n / 5e4)).ranking[0]
        for n in range(3_000)
    )
    assert set(drawn) <= {"m0", "m1", "m2", "m3"}
    assert drawn["m0"] / 3_000 == pytest.approx(1 / 3, abs=0.08)  # scores alike draw alike


def test_noise_far_below_a_thousandth_draws_the_same():
    for n in range(200):
        score = 0.2002 + n / 1_000  # not at the border of a thousandth
        one = RandomAmongTop()(candidates(score, 0.2003, 0.1001))
        other = RandomAmongTop()(candidates(score + 1e-7, 0.2003 - 1e-7, 0.1001))
        assert one.ranking == other.ranking


def test_the_place_of_a_model_in_the_pool_does_not_matter():
    names, scores = ("a", "b", "c", "d"), (0.5, 0.4, 0.3, 0.2)
    for seed in range(20):
        policy = RandomAmongTop(seed=seed)
        there = policy(candidates(*scores, names=names))
        back = policy(candidates(*scores[::-1], names=names[::-1]))
        assert there.ranking == back.ranking


def test_seeds_draw_other_lots():
    asked = candidates(0.5, 0.4, 0.3)
    first = {RandomAmongTop(seed=seed)(asked).ranking[0] for seed in range(20)}
    assert first == {"m0", "m1", "m2"}


def test_all_faults_at_once():
    with pytest.raises(PolicyError) as caught:
        RandomAmongTop(threshold=1.5, top=0, seed=True)
    assert str(caught.value) == (
        "RandomAmongTop: threshold is 1.5; give a number between 0 and 1; top is 0; give a whole "
        "number of at least 1; seed is True; give a whole number of at least 0"
    )


@pytest.mark.parametrize("top", [2.5, float("nan"), float("inf"), "3", None])
def test_top_is_a_whole_number(top):
    with pytest.raises(PolicyError, match=r"top is .*; give a whole number of at least 1"):
        RandomAmongTop(top=top)


def test_a_whole_number_that_was_read_from_text():
    assert RandomAmongTop(top=2.0) == RandomAmongTop(top=2)
    assert repr(RandomAmongTop(top=2.0)).endswith("top=2, seed=0)")
