"""Settings of clients: variables put in, problems named, secrets known and hidden."""

import pytest
from pydantic import BaseModel, ValidationError

from knnrouter import ModelSpec
from knnrouter.errors import PoolError
from knnrouter.serving import client_settings, refusal_of

KEY = "marked-key-1"
TOKEN = "marked-token-2"


def spec(**fields):
    return ModelSpec(**{"name": "small", "provider": "openai", **fields})


def problems(fields, environ):
    with pytest.raises(PoolError) as caught:
        client_settings(spec(**fields), environ)
    return caught.value.problems


class TestValues:
    def test_variables_are_put_into_every_text(self):
        made = client_settings(
            spec(
                model="gpt",
                api_key_env="KEY",
                base_url="http://${HOST}:${PORT:-80}",
                params={"headers": {"Authorization": "Bearer ${TOKEN}"}, "stop": ["${END}", 1]},
            ),
            {"KEY": KEY, "HOST": "here", "TOKEN": TOKEN, "END": "#"},
        )
        assert (made.name, made.provider, made.model) == ("small", "openai", "gpt")
        assert made.api_key == KEY
        assert made.base_url == "http://here:80"
        assert made.params == {
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            "stop": ["#", 1],
        }

    def test_without_a_variable_the_client_finds_its_own_key(self):
        made = client_settings(spec(), {"OPENAI_API_KEY": KEY})
        assert made.api_key is None
        assert made.base_url is None
        assert made.secrets == ()

    def test_values_are_not_expanded_again(self):
        made = client_settings(spec(params={"user": "${USER_ID}"}), {"USER_ID": "${HOME}"})
        assert made.params == {"user": "${HOME}"}


class TestProblems:
    def test_all_are_named_at_once_and_no_value_is(self):
        found = problems(
            {
                "provider": None,
                "api_key_env": "KEY",
                "base_url": "${HOST}",
                "params": {"headers": {"x": "${TOKEN}"}, "base_url": "here", "user": "${USER_ID}"},
            },
            {"USER_ID": f"{KEY}\n"},
        )
        assert found == (
            "models[small]: no provider; add one, such as `provider: openai`",
            "models[small]: the environment variable KEY is not set; set it to the key",
            "models[small]: params.base_url says again what `base_url` says; leave it out of "
            "params",
            "models[small]: the environment variable USER_ID begins or ends with white space, or "
            "holds a line break; set it to the bare value",
            "models[small]: the environment variable TOKEN is not set, and the pool refers to it; "
            "set it, or give it a default: ${TOKEN:-value}",
            "models[small]: the environment variable HOST is not set, and the pool refers to it; "
            "set it, or give it a default: ${HOST:-value}",
        )

    @pytest.mark.parametrize("value", ["key\n", " key", "ke\ny", "ke\x00y"])
    def test_a_key_that_cannot_be_sent(self, value):
        (problem,) = problems({"api_key_env": "KEY"}, {"KEY": value})
        assert "the environment variable KEY begins or ends with white space" in problem

    def test_an_empty_key_is_none(self):
        (problem,) = problems({"api_key_env": "KEY"}, {"KEY": ""})
        assert "the environment variable KEY is not set" in problem

    @pytest.mark.parametrize(("name", "field"), [("model", "model"), ("api_key", "api_key_env")])
    def test_what_is_stated_twice(self, name, field):
        found = problems({"api_key_env": "KEY", "params": {name: "${KEY}"}}, {"KEY": KEY})
        assert found == (
            f"models[small]: params.{name} says again what `{field}` says; leave it out of params",
        )

    def test_a_key_may_stand_in_params_alone(self):
        made = client_settings(spec(params={"api_key": "${KEY}"}), {"KEY": KEY})
        assert made.params == {"api_key": KEY}
        assert made.secrets == (KEY,)


class TestSecrets:
    def test_what_variables_bring_is_hidden_and_what_the_file_says_is_not(self):
        made = client_settings(
            spec(
                api_key_env="KEY",
                base_url="http://${HOST}/v1",
                params={"headers": {"Authorization": "Bearer ${TOKEN}"}, "effort": "medium"},
            ),
            {"KEY": KEY, "TOKEN": TOKEN, "HOST": "here.invalid"},
        )
        assert made.secrets == tuple(sorted([KEY, TOKEN, f"Bearer {TOKEN}"]))
        assert made.hide(f"{KEY} at http://here.invalid/v1 is no medium {TOKEN}") == (
            "(hidden) at http://here.invalid/v1 is no medium (hidden)"
        )

    def test_the_longer_of_two_goes_first(self):
        made = client_settings(
            spec(params={"a": "${A}", "b": "${B}"}), {"A": "abcdef", "B": "abcdefghi"}
        )
        assert made.hide("abcdefghi abcdef") == "(hidden) (hidden)"

    def test_a_password_in_the_address(self):
        url = "http://me:hunter2@here.invalid/v1"
        made = client_settings(spec(base_url="${URL}"), {"URL": url})
        assert made.hide(f"cannot reach {url}") == "cannot reach (hidden)"

    def test_literal_ones_of_pools_made_in_python(self):
        params = {"headers": {"authorization": "swordfish"}, "other": "sk-0123456789abcdef"}
        made = client_settings(spec(params=params), {})
        assert made.hide(["swordfish", ("sk-0123456789abcdef", 3)]) == [
            "(hidden)",
            ("(hidden)", 3),
        ]

    def test_short_values_are_settings_and_stay(self):
        made = client_settings(spec(params={"effort": "${EFFORT}"}), {"EFFORT": "low"})
        assert made.hide("effort low") == "effort low"

    def test_none_stands_in_the_repr(self):
        made = client_settings(
            spec(api_key_env="KEY", base_url="http://${TOKEN}", params={"x": ["${TOKEN}"]}),
            {"KEY": KEY, "TOKEN": TOKEN},
        )
        assert "marked" not in repr(made)
        assert "marked" not in str(made)

    def test_what_a_client_found_by_itself_is_hidden_too(self):
        found = {"api_key": KEY, "headers": {"authorization": TOKEN}, "model": "gpt-small"}
        made = client_settings(spec(), {}).hiding(found)
        assert made.secrets == tuple(sorted([KEY, TOKEN]))
        assert made.hide(found) == {
            "api_key": "(hidden)",
            "headers": {"authorization": "(hidden)"},
            "model": "gpt-small",
        }


class TestRefusals:
    def test_what_pydantic_quotes_is_left_out(self):
        class Client(BaseModel):
            api_key: int
            seed: int

        with pytest.raises(ValidationError) as caught:
            Client(api_key=KEY, seed=[TOKEN])
        assert KEY in str(caught.value)
        assert refusal_of(caught.value) == (
            "api_key: Input should be a valid integer, unable to parse string as an integer; "
            "seed: Input should be a valid integer"
        )

    def test_any_other_error_is_told_as_it_is(self):
        assert refusal_of(LookupError("no such region.")) == "no such region"
