"""The options of a call, as frameworks carry them."""

from types import SimpleNamespace

import pytest

from knnrouter.policies import BestScore
from knnrouter.serving import OPTION_IDS, RouteOptions, options_of

ALL = {
    "knnrouter_model": "small",
    "knnrouter_policy": "best_score",
    "knnrouter_allow": ["small"],
    "knnrouter_require": ["tools"],
    "knnrouter_tags": ["eu"],
}
SHORT = {
    "model": "small",
    "policy": "best_score",
    "allow": ["small"],
    "require": ["tools"],
    "tags": ["eu"],
}


@pytest.mark.parametrize("source", [ALL | {"thread_id": "7"}, SimpleNamespace(**ALL, user="u")])
def test_options_are_read_from_mappings_and_attributes(source):
    assert options_of(source) == SHORT


@pytest.mark.parametrize(
    "source", [None, {}, {"model": "x"}, SimpleNamespace(), {"knnrouter_model": None}, "text"]
)
def test_what_states_nothing(source):
    assert options_of(source) == {}


@pytest.mark.parametrize("of", [dict, lambda values: SimpleNamespace(**values)])
def test_misspelled_names_are_told_at_once(of):
    with pytest.raises(TypeError) as error:
        options_of(of({"knnrouter_polcy": 1, "knnrouter_model": "small", "knnrouter_modl": 2}))
    assert str(error.value) == (
        f"unknown options: knnrouter_polcy, knnrouter_modl; the options are "
        f"{', '.join(OPTION_IDS.values())}: correct the name, or leave it out"
    )


def test_one_name_may_stand_alone():
    options = RouteOptions.of({"allow": "small", "require": "tools", "tags": "eu"})
    assert options == RouteOptions(allow=("small",), require=("tools",), tags=("eu",))


def test_nobody_may_answer_is_not_everybody():
    assert RouteOptions.of({"allow": []}).allow == ()
    assert RouteOptions.of({}).allow is None


def test_a_policy_stays_what_it_is():
    policy = BestScore()
    assert RouteOptions.of({"policy": policy, "model": "s"}) == RouteOptions(
        policy=policy, model="s"
    )
