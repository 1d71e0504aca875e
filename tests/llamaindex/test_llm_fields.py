"""How it is made, copied and written down; what is wrong is told when it is made."""

import copy
import json
import pickle

import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import TokenBucketRateLimiter
from llama_index.core.types import PydanticProgramMode
from llm_stubs import SECRET, PlainLLM, StubLLM
from pydantic import ValidationError
from routed_chats import CODE, POEM, evidence, pool_of
from routed_llms import SAID, called, routed, stamp_of, stubs

from knnrouter.errors import EmptyPoolError, PolicyError, PoolError, UnknownModelError
from knnrouter.policies import BestScore, Guarded
from knnrouter.serving import Lazy
from llamaindex_llmrouter import KNNRouterLLM

# Mistakes.


class Leaky(StubLLM):
    """Shows its key wherever it is printed."""

    def __repr__(self):
        return SECRET

    __str__ = __repr__


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({}, "models is an empty dict; give a mapping"),
        ([Leaky()], "models is a list; give a mapping"),
        ({**stubs(), "poet": SECRET}, "models['poet'] is a str; give LLMs of LlamaIndex"),
        ({**stubs(), "poet": [Leaky()]}, "models['poet'] is a list; give LLMs of LlamaIndex"),
    ],
)
def test_models_that_are_none_are_told_without_what_they_hold(models, told):
    with pytest.raises(TypeError) as error:
        KNNRouterLLM(router=evidence(), models=models)
    assert told in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "there is no router; give either router=, or path="),
        ({"router": evidence(), "path": "pool.yaml"}, "there is both a router and a path"),
        ({"router": Leaky()}, "router is a Leaky; give a knnrouter.Router"),
    ],
)
def test_a_router_comes_from_one_place(given, told):
    with pytest.raises(TypeError) as error:
        KNNRouterLLM(models=stubs(), **given)
    assert told in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("stiky", "sticky"),
        ("polcy", "policy"),
        ("shadwo", "shadow"),
        ("fallback_onn", "fallback_on"),
    ],
)
def test_a_misspelled_field_is_refused(field, meant):
    told = rf"^KNNRouterLLM has no field {field} \(did you mean {meant}\?\)$"
    with pytest.raises(TypeError, match=told):
        routed(**{field: "x"})


def test_what_belongs_to_the_llms_is_refused():
    with pytest.raises(
        TypeError, match=r"^KNNRouterLLM has no field temperature, max_tokens; what"
    ):
        routed(temperature=0.1, max_tokens=7)


def test_all_wrong_names_of_models_are_told_at_once():
    with pytest.raises(UnknownModelError) as error:
        routed({"coder": StubLLM(), "poett": StubLLM()})
    assert "models['poett']: the pool has no model 'poett'" in str(error.value)
    assert "models has nothing for clerk, poet" in str(error.value)


def test_a_wrong_policy_is_told():
    with pytest.raises(PolicyError, match="bestest"):
        routed(policy="bestest")
    with pytest.raises(PolicyError, match="policy is 7"):
        routed(policy=7)


def test_a_wrong_stickiness_is_told_without_what_was_given():
    with pytest.raises(ValidationError, match="'call', 'turn' or 'thread'") as error:
        routed(sticky=SECRET)
    assert SECRET not in str(error.value)


def test_settings_that_belong_to_the_llms_are_told_at_once():
    with pytest.raises(ValueError, match="has no effect") as error:
        routed(
            rate_limiter=TokenBucketRateLimiter(requests_per_minute=6),
            pydantic_program_mode=PydanticProgramMode.LLM,
            query_wrapper_prompt=PromptTemplate("[INST]{query_str}[/INST]"),
            embedder="static",
        )
    for name in ("rate_limiter", "pydantic_program_mode", "query_wrapper_prompt", "embedder"):
        assert f"{name} is set on the router, where it has no effect" in str(error.value)


def test_shadow_needs_a_default():
    with pytest.raises(PoolError, match=r"^shadow is set, but the pool states no router\.default"):
        routed(shadow=True)


# Metadata.


def test_metadata_hold_whichever_llm_answers():
    models = stubs(coder={"window": 8000}, clerk={"window": 2000}, poet={"window": 6000})
    told = routed(models).metadata
    assert (told.context_window, told.num_output) == (2000, 200)
    assert (told.is_chat_model, told.is_function_calling_model) == (True, True)
    assert told.model_name == "knnrouter"


def test_the_pool_goes_before_what_an_llm_says():
    pool = pool_of(clerk={"context_window": 3000, "max_output_tokens": 100})
    told = routed(stubs(clerk={"window": 2000}), pool=pool).metadata
    assert (told.context_window, told.num_output) == (3000, 100)


def test_one_llm_that_completes_makes_it_no_chat_model():
    told = routed({**stubs(), "clerk": PlainLLM()}).metadata
    assert (told.is_chat_model, told.is_function_calling_model) == (False, True)


def test_metadata_are_of_those_who_may_answer():
    models = {**stubs(coder={"window": 2000}, poet={"window": 6000}), "clerk": PlainLLM()}
    assert routed(models, allow="poet").metadata.context_window == 6000
    assert routed(models, allow="clerk").metadata.is_function_calling_model is False
    pool = pool_of(router={"default": "clerk"})
    assert routed(models, pool=pool, shadow=True).metadata.is_function_calling_model is False
    with pytest.raises(EmptyPoolError):
        _ = routed(models, require_tags="eu").metadata


# Copies and files.


@pytest.mark.parametrize("of", [copy.copy, copy.deepcopy, lambda llm: llm.model_copy()])
def test_a_copy_answers_as_the_original(of):
    slow = Lazy(lambda: StubLLM(model="coder"))
    llm = routed({**stubs(), "coder": slow})
    before = stamp_of(llm.chat(SAID))
    after = stamp_of(of(llm).chat(SAID))
    assert after["scores"] == before["scores"]
    assert of(llm)._models["coder"] is slow, "clients are shared"


def test_a_copy_with_other_settings_follows_them():
    llm = routed()
    assert stamp_of(llm.chat(SAID))["model"] == "coder"
    copied = llm.model_copy(update={"allow": ("poet",)})
    assert stamp_of(copied.chat(SAID))["model"] == "poet"
    assert stamp_of(llm.chat(SAID))["model"] == "coder"


def test_a_field_that_is_set_later_holds():
    llm = routed()
    llm.chat(SAID)
    llm.allow = ("poet",)
    assert stamp_of(llm.chat(SAID))["model"] == "poet"


def test_it_is_made_again_of_what_is_written_down(pool_file):
    policy = Guarded(policy=BestScore(), min_similarity=0.01, fallback="clerk")
    llm = KNNRouterLLM.from_yaml(pool_file, models=stubs(), policy=policy, sticky="call")
    written = json.loads(json.dumps(llm.to_dict()))
    assert written["class_name"] == "KNNRouterLLM"
    assert written["policy"] == "guarded:policy=best_score,min_similarity=0.01,fallback=clerk"
    again = KNNRouterLLM.from_dict(written, models=stubs())
    stamp = stamp_of(again.chat(SAID))
    assert (stamp["answered_by"], stamp["policy"]) == ("coder", written["policy"])
    assert again.to_dict() == llm.to_dict()


def test_what_was_made_of_objects_says_that_it_has_no_file():
    with pytest.raises(TypeError, match="there is no router"):
        KNNRouterLLM.from_dict(routed().to_dict(), models=stubs())


OPENAI = """
version: 1
router: {index: router}
models:
  - {name: coder, provider: openai, model: gpt-4o, api_key_env: KNN_TEST_KEY}
  - {name: clerk, provider: openai, model: gpt-4o, api_key_env: KNN_TEST_KEY}
  - {name: poet, provider: openai, model: gpt-4o, api_key_env: KNN_TEST_KEY}
"""


def test_what_came_of_a_file_can_be_pickled_without_its_keys(pool_file, monkeypatch):
    pool_file.write_text(OPENAI)
    llm = KNNRouterLLM.from_yaml(pool_file, sticky="thread")
    monkeypatch.setenv("KNN_TEST_KEY", SECRET)
    llm.warmup()
    assert llm._llm("coder").api_key == SECRET
    written = pickle.dumps(llm)
    assert SECRET.encode() not in written
    again = pickle.loads(written)
    assert (again.sticky, again.path) == ("thread", str(pool_file))
    for text in (repr(llm), str(llm), json.dumps(llm.to_dict()), json.dumps(llm.to_payload())):
        assert SECRET not in text


@pytest.mark.parametrize(
    "fields", [{"models": stubs()}, {"count_tokens": len}, {"fallback_on": TimeoutError}]
)
def test_what_was_made_of_objects_cannot_be_pickled(pool_file, fields):
    pool_file.write_text(OPENAI)
    llm = KNNRouterLLM.from_yaml(pool_file, **fields)
    with pytest.raises(TypeError, match="made of objects cannot be pickled; make it with"):
        pickle.dumps(llm)


def test_nothing_that_is_shown_holds_a_secret(llm):
    shown = [repr(llm), str(llm), llm.to_json(), json.dumps(llm.to_payload()), repr(vars(llm))]
    assert not [text for text in shown if SECRET in text]


# Laziness.


def _built(made, name):
    return Lazy(lambda: made.append(name) or StubLLM(model=name))


def test_nothing_is_built_before_it_is_needed(pool_file, monkeypatch):
    folder = pool_file.parent / "router"
    folder.rename(folder.with_name("away"))
    made = []
    models = {name: _built(made, name) for name in stubs()}
    llm = KNNRouterLLM.from_yaml(pool_file, models=models)
    repr(llm), llm.metadata, llm.to_dict(), copy.deepcopy(llm)
    assert made == []
    assert llm.complete(CODE, model="poet").text == f"poet: {CODE}", "that needs no evidence"
    with pytest.raises(FileNotFoundError):
        llm.complete(CODE)
    folder.with_name("away").rename(folder)
    assert llm.complete(CODE).text == f"coder: {CODE}"
    assert made == ["poet", "coder"]
    llm.warmup()
    assert made == ["poet", "coder", "clerk"]


def test_keys_are_read_when_an_llm_is_built(pool_file, monkeypatch):
    pool_file.write_text(OPENAI)
    monkeypatch.delenv("KNN_TEST_KEY", raising=False)
    llm = KNNRouterLLM.from_yaml(pool_file)
    with pytest.raises(PoolError, match="KNN_TEST_KEY is not set") as error:
        llm.warmup()
    assert len(error.value.problems) == 3
    assert called(stubs()) == {}


def test_the_prompt_limits_who_may_answer():
    pool = pool_of(
        coder={"context_window": 50}, clerk={"context_window": 50}, poet={"context_window": 9000}
    )
    assert stamp_of(routed(pool=pool).complete(CODE * 20))["model"] == "poet"
    llm = routed(pool=pool, count_tokens=lambda prompt: 10)
    assert stamp_of(llm.complete(CODE * 20))["model"] == "coder"
    assert stamp_of(llm.complete(POEM))["model"] == "poet"
