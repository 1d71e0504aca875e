"""What models can do: as the pool lists it, else as their profile or their class tells."""

import pytest
from chat_stubs import StubChat
from langchain.agents.factory import _supports_provider_strategy
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from routed_chats import CODE, NAMES, pool_of, routed, stamp_of, stubs

from knnrouter.pool import KNOWN_CAPABILITIES
from langchain_llmrouter.capabilities import intersection, profile_of, with_abilities

BARE = FakeListChatModel(responses=[""])


def _profiled(**profile):
    return StubChat(profile=profile)


def _capabilities(models, *, stated, pool=None):
    made = with_abilities(pool or pool_of(), models, stated=stated)
    return {spec.name: set(spec.capabilities) for spec in made.models}


def test_where_the_pool_lists_capabilities_the_lists_hold():
    pool = pool_of(coder={"capabilities": ["vision"]}, clerk={"capabilities": []})
    models = {name: _profiled(tool_calling=True, image_inputs=True) for name in NAMES}
    assert _capabilities(models, stated=True, pool=pool) == {
        "coder": {"vision"},
        "clerk": set(),
        "poet": set(),
    }


def test_where_it_lists_none_profiles_hold():
    models = {
        "coder": _profiled(tool_calling=True, image_inputs=True, structured_output=False),
        "clerk": _profiled(tool_calling=False, structured_output=True),
        "poet": _profiled(pdf_inputs=True, audio_inputs=True, reasoning_output=True),
    }
    assert _capabilities(models, stated=True) == {
        "coder": {"tools", "vision", "structured_output"},  # structured with a tool call
        "clerk": {"structured_output"},
        "poet": {"tools", "structured_output", "pdf", "audio", "reasoning"},
    }


def test_without_profiles_the_class_tells():
    models = {"coder": StubChat(), "clerk": BARE}
    both = {"tools", "structured_output"}
    assert _capabilities(models, stated=True) == {"coder": both, "clerk": set(), "poet": both}


def test_of_a_pool_that_nobody_stated_nothing_is_left_out_but_what_is_known():
    models = {"coder": StubChat(), "clerk": BARE, "poet": _profiled(image_inputs=False)}
    everything = set(KNOWN_CAPABILITIES)
    assert _capabilities(models, stated=False) == {
        "coder": everything,
        "clerk": everything - {"tools", "structured_output"},
        "poet": everything - {"vision"},
    }


def test_windows_that_are_not_stated_are_the_profiles():
    pool = pool_of(coder={"context_window": 10})
    models = {name: _profiled(max_input_tokens=500) for name in ("coder", "clerk")}
    made = with_abilities(pool, models, stated=True)
    assert [spec.context_window for spec in made.models] == [10, 500, None]


def test_the_rest_of_the_pool_stays(tmp_path):
    pool = pool_of(router={"default": "clerk"}, coder={"tags": ["eu"]}).at(tmp_path / "pool.yaml")
    made = with_abilities(pool, {}, stated=True)
    assert (made.router, made.path, made.spec("coder").tags) == (
        pool.router,
        pool.path,
        ("eu",),
    )


def test_an_unstated_pool_takes_images_and_tools():
    """The router of records alone: nothing is known of its models, so nothing is kept from them."""
    image = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    given = [HumanMessage([{"type": "text", "text": CODE}, image])]
    assert stamp_of(routed().invoke(given))["model"] == "coder"


# Profiles.


def test_the_pools_word_goes_before_the_models_profile():
    spec = pool_of(
        coder={"capabilities": ["tools"], "context_window": 100, "max_output_tokens": 10}
    ).spec("coder")
    model = _profiled(tool_calling=False, image_inputs=True, max_input_tokens=7, text_outputs=True)
    assert profile_of(spec, model) == {
        "tool_calling": True,
        "structured_output": False,
        "image_inputs": False,
        "audio_inputs": False,
        "pdf_inputs": False,
        "reasoning_output": False,
        "max_input_tokens": 100,
        "max_output_tokens": 10,
        "text_outputs": True,
    }


def test_nothing_known_is_no_profile():
    assert profile_of(pool_of().spec("coder"), BARE) is None


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ([], None),
        ([{"tool_calling": True}, None], None),
        ([{"tool_calling": True}, {"tool_calling": True}], {"tool_calling": True}),
        ([{"tool_calling": True}, {"tool_calling": False}], {"tool_calling": False}),
        ([{"tool_calling": True}, {}], {}),
        ([{"max_input_tokens": 8}, {"max_input_tokens": 4}], {"max_input_tokens": 4}),
        ([{"name": "a"}, {"name": "b"}], {}),
        ([{"name": "a"}, {"name": "a"}], {"name": "a"}),
        ([{"max_input_tokens": None}, {"max_input_tokens": 4}], {}),
    ],
)
def test_what_holds_for_all(profiles, expected):
    assert intersection(profiles) == expected


def _with_profiles(**profiles):
    return {name: StubChat(model=name, profile=profiles.get(name)) for name in NAMES}


def test_the_profile_of_the_router_is_what_holds_for_every_model():
    able = {"tool_calling": True, "structured_output": True, "max_input_tokens": 1000}
    models = _with_profiles(coder=able, clerk={**able, "max_input_tokens": 100}, poet=able)
    assert routed(models).profile == {**able, "max_input_tokens": 100}
    assert routed(stubs()).profile is None


def test_an_agent_uses_native_structured_output_only_where_every_model_has_it():
    able = {"tool_calling": True, "structured_output": True}
    models = _with_profiles(coder=able, clerk=able, poet=able)
    assert _supports_provider_strategy(routed(models), tools=[])
    models["poet"].profile = {**able, "structured_output": False}
    assert not _supports_provider_strategy(routed(models), tools=[])


def test_models_that_are_not_enabled_do_not_count():
    pool = pool_of(poet={"enabled": False})
    models = _with_profiles(coder={"tool_calling": True}, clerk={"tool_calling": True})
    del models["poet"]
    assert routed(models, pool=pool).profile == {"tool_calling": True}


def test_tokens_are_counted_by_the_default_model_else_by_the_first():
    class Counting(StubChat):
        def get_token_ids(self, text):
            return [len(self.model)] * 2

    models = stubs(Counting)
    assert routed(models).get_token_ids("a b") == [5, 5]
    assert routed(models).get_num_tokens("a b") == 2
    pool = pool_of(router={"default": "poet"})
    assert routed(models, pool=pool).get_token_ids("a b") == [4, 4]
