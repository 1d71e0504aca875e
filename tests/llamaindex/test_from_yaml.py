"""`KNNRouterLLM.from_yaml` with LlamaIndex's own clients: late, once, and silent about secrets."""

import inspect
import json
import logging
import sys
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.llms.openai import OpenAI
from openai_server import Behavior, openai_server
from pydantic import Field

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import MissingRouterError, PoolError
from llamaindex_llmrouter import KNNRouterLLM, clients
from llamaindex_llmrouter.clients import PROVIDERS, build_llm

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

WEATHER = "What is the weather in Paris?"  # small, then large
SONNET = "Write a sonnet on the sea."  # large, then small
RECORDS = RecordSet.from_rows(
    [
        {"query": WEATHER, "small": 1.0, "large": 0.0},
        {"query": SONNET, "small": 0.0, "large": 1.0},
    ]
)
KEY = "marked-key-1"
TOKEN = "marked-token-2"
BODY = "marked-body-3"
MARK = "marked-"

POOL = """
version: 1
router: {index: ./router}
models:
  - name: small
    provider: openai
    model: gpt-4o-mini
    api_key_env: SMALL_KEY
    base_url: ${OPENAI_BASE_URL}
    params:
      temperature: 0.25
      timeout: 5
      max_retries: 0
      default_headers: {Authorization: "Bearer ${TOKEN}", X-Plain: here}
      additional_kwargs: {extra_body: {routing: {secret: "${BODY}"}}}
  - name: large
    provider: openai
    model: gpt-4.1
    api_key_env: LARGE_KEY
    base_url: ${OPENAI_BASE_URL}
    params: {max_retries: 0, timeout: 5}
"""


@pytest.fixture(scope="module")
def running():
    with openai_server() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    running.reset()
    for name, value in {
        "OPENAI_BASE_URL": running.url,
        "SMALL_KEY": KEY,
        "LARGE_KEY": KEY,
        "TOKEN": TOKEN,
        "BODY": BODY,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return running


@pytest.fixture
def pool_file(tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text(POOL, encoding="utf-8")
    return path


@pytest.fixture
def built(pool_file):
    """The file, with its router built beside it."""
    Router.fit(RECORDS, pool=ModelPool.from_yaml(pool_file)).save(pool_file.parent / "router")
    return pool_file


@pytest.fixture
def made(monkeypatch):
    """The models that an LLM was made of."""
    begin, models = OpenAI.__init__, []

    def counted(self, model, **settings):
        models.append(model)
        begin(self, model, **settings)

    counted.__signature__ = inspect.signature(begin)
    monkeypatch.setattr(OpenAI, "__init__", counted)
    return models


def edited(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def user(text):
    return [ChatMessage(role="user", content=text)]


def specs(path):
    return {spec.name: spec for spec in ModelPool.from_yaml(path).models}


class TestLate:
    def test_the_chosen_model_answers_with_the_settings_of_the_file(self, server, built):
        answer = KNNRouterLLM.from_yaml(built).chat(user(WEATHER))
        assert answer.message.content == "gpt-4o-mini answers in four words"
        assert answer.additional_kwargs["knnrouter"]["model"] == "small"
        (request,) = server.requests
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["x-plain"] == "here"
        assert request.body["temperature"] == 0.25
        assert request.body["routing"] == {"secret": BODY}

    def test_the_key_is_that_of_its_variable(self, server, built):
        KNNRouterLLM.from_yaml(built).complete(SONNET)
        (request,) = server.requests
        assert (request.model, request.headers["authorization"]) == ("gpt-4.1", f"Bearer {KEY}")

    def test_nothing_is_loaded_or_built_before_the_first_call(
        self, server, pool_file, made, monkeypatch
    ):
        for name in ("OPENAI_BASE_URL", "SMALL_KEY", "LARGE_KEY", "TOKEN", "BODY"):
            monkeypatch.delenv(name)
        llm = KNNRouterLLM.from_yaml(pool_file)  # there is no router folder
        assert llm.pool.names == ("small", "large")
        assert llm.metadata.is_function_calling_model
        assert (made, server.connections) == ([], [])
        with pytest.raises(MissingRouterError, match="router"):
            llm.chat(user(WEATHER))
        assert (made, server.connections) == ([], [])

    def test_only_the_chosen_client_is_built_and_once_for_many_threads(self, server, built, made):
        llm, count = KNNRouterLLM.from_yaml(built), 8
        together = threading.Barrier(count)

        def call(place):
            together.wait(10)
            return llm.complete(WEATHER).text

        with ThreadPoolExecutor(count) as threads:
            answers = set(threads.map(call, range(count)))
        assert answers == {"gpt-4o-mini answers in four words"}
        assert made == ["gpt-4o-mini"]
        assert server.asked == ["gpt-4o-mini"] * count

    def test_a_fallback_is_built_when_it_is_needed(self, server, built, made):
        server.behaviors["gpt-4o-mini"] = Behavior(status=500)
        answer = KNNRouterLLM.from_yaml(built).complete(WEATHER)
        assert answer.text.startswith("gpt-4.1")
        assert made == ["gpt-4o-mini", "gpt-4.1"]

    def test_warmup_builds_all_and_asks_none(self, server, built, made):
        KNNRouterLLM.from_yaml(built).warmup()
        assert made == ["gpt-4o-mini", "gpt-4.1"]
        assert server.connections == []

    def test_ready_made_llms_go_before_the_files(self, server, built, made):
        models = {name: MockLLM(max_tokens=1) for name in ("small", "large")}
        llm = KNNRouterLLM.from_yaml(built, models=models)
        assert llm.complete(WEATHER).text
        assert (made, server.requests) == ([], [])


def refused(llm):
    """The error of a first call; nobody else may have been asked instead."""
    with pytest.raises(PoolError) as caught:
        llm.chat(user(WEATHER))
    return caught.value


class TestMistakes:
    def test_variables_that_are_not_set_are_all_named(self, server, built, monkeypatch):
        for name in ("SMALL_KEY", "TOKEN"):
            monkeypatch.delenv(name)
        error = refused(KNNRouterLLM.from_yaml(built))
        assert error.problems == (
            "models[small]: the environment variable SMALL_KEY is not set; set it to the key",
            "models[small]: the environment variable TOKEN is not set, and the pool refers to it; "
            "set it, or give it a default: ${TOKEN:-value}",
        )
        assert server.requests == []

    async def test_a_failure_is_not_kept(self, server, built, monkeypatch):
        llm = KNNRouterLLM.from_yaml(built)
        monkeypatch.delenv("SMALL_KEY")
        with pytest.raises(PoolError, match="SMALL_KEY is not set"):
            await llm.achat(user(WEATHER))
        monkeypatch.setenv("SMALL_KEY", KEY)
        answer = await llm.achat(user(WEATHER))
        assert answer.message.content.startswith("gpt-4o-mini")

    def test_providers_are_checked_at_once(self, pool_file):
        edited(pool_file, "    provider: openai\n", "")
        edited(pool_file, "provider: openai", "provider: opnai")
        with pytest.raises(PoolError) as caught:
            KNNRouterLLM.from_yaml(pool_file)
        first, second = caught.value.problems
        assert first == (
            "models[small].provider is not set; add one, such as `provider: openai`, or pass "
            "ready-made LLMs: models={name: llm}"
        )
        assert second.startswith("models[large].provider is 'opnai', ")
        assert "anthropic, " in second  # one of those that there are

    def test_a_key_or_an_address_that_a_client_takes_not_is_found_at_once(self, pool_file):
        edited(pool_file, "provider: openai", "provider: ollama")
        edited(pool_file, "provider: openai", "provider: google_genai")
        with pytest.raises(PoolError) as caught:
            KNNRouterLLM.from_yaml(pool_file)
        advice = "leave it out, and state under `params` what it takes instead"
        assert caught.value.problems == (
            f"models[small].api_key_env is set, but Ollama of LlamaIndex takes none; {advice}",
            f"models[large].base_url is set, but GoogleGenAI of LlamaIndex takes none; {advice}",
        )

    @pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - {"openai"}))
    def test_a_package_that_is_not_installed_is_named(self, provider, monkeypatch):
        package = PROVIDERS[provider].module.rpartition(".")[2]
        monkeypatch.setitem(sys.modules, PROVIDERS[provider].module, None)
        (spec,) = ModelPool(models=[{"name": "a", "provider": provider}]).models
        with pytest.raises(PoolError) as caught:
            build_llm(spec)
        assert str(caught.value) == (
            f"models[a]: the LLM of provider {provider!r} cannot be built: its package is not "
            f"installed: pip install llama-index-llms-{package.replace('_', '-')}; mend the pool, "
            "or pass a ready-made LLM: models={'a': llm}"
        )

    def test_a_package_that_cannot_be_imported_says_why(self, monkeypatch):
        def broken(name):
            raise ImportError("tokenizers<0.20 is required.")

        monkeypatch.setattr(clients.importlib, "import_module", broken)
        (spec,) = ModelPool(models=[{"name": "a", "provider": "groq"}]).models
        with pytest.raises(PoolError, match=r"cannot be imported: tokenizers<0\.20 is required;"):
            build_llm(spec)

    def test_a_wrong_parameter(self, server, built):
        edited(built, "temperature: 0.25", "temperature: warm")
        message = str(refused(KNNRouterLLM.from_yaml(built)))
        assert "temperature: Input should be a valid number" in message
        assert "warm" not in message
        assert server.requests == []

    def test_parameters_that_the_client_would_drop(self, server, built):
        edited(built, "temperature: 0.25", "temprature: 0.25\n      top_n: 3")
        message = str(refused(KNNRouterLLM.from_yaml(built)))
        assert "OpenAI takes no temprature and no top_n under `params`" in message
        assert server.requests == []

    def test_a_model_that_the_class_does_not_know(self, server, built):
        edited(built, "model: gpt-4o-mini", "model: my-own")
        edited(built, "    base_url: ${OPENAI_BASE_URL}\n", "")
        message = str(refused(KNNRouterLLM.from_yaml(built)))
        assert "OpenAI does not know the model 'my-own'" in message
        assert "`provider: openai_like`" in message

    def test_a_model_of_another_server_with_openais_api(self, server, built):
        edited(built, "model: gpt-4o-mini", "model: my-own")
        llm = KNNRouterLLM.from_yaml(built)
        assert llm.complete(WEATHER).text == "my-own answers in four words"
        assert type(llm.llm_of("small")).__name__ == "OpenAILike"
        assert server.asked == ["my-own"]


class Events(BaseEventHandler):
    """Keeps each event as a listener would send it."""

    kept: list = Field(default_factory=list)

    def handle(self, event, **kwargs):
        self.kept += [repr(event), json.dumps(event.model_dump(mode="json"), default=repr)]


class Spans(SimpleSpanHandler):
    """Keeps the objects whose spans there are."""

    kept: list = Field(default_factory=list)

    def new_span(self, *args, instance=None, **kwargs):
        self.kept.append(repr(instance))
        return super().new_span(*args, instance=instance, **kwargs)


@pytest.fixture
def listening():
    root, events, spans = get_dispatcher(), Events(), Spans()
    before = list(root.event_handlers), list(root.span_handlers)
    root.add_event_handler(events)
    root.add_span_handler(spans)
    yield events, spans
    root.event_handlers, root.span_handlers = before


def told(error):
    """All texts of an error and of those behind it, whether they are shown or not."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *traceback.format_exception(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return texts


def shown(llm):
    """All that an LLM shows of itself."""
    return "\n".join(
        [
            repr(llm),
            str(llm),
            repr(llm.to_dict()),
            repr(llm.model_dump()),
            llm.to_json(),
            llm.model_dump_json(),
            repr(llm.to_payload()) if hasattr(llm, "to_payload") else "",  # of newer versions
        ]
    )


class TestSecrets:
    def test_the_mark_would_be_found(self, server):
        """What LlamaIndex's own client shows; so that the tests below can fail."""
        assert KEY in shown(OpenAI(model="gpt-4o", api_key=KEY))

    @pytest.mark.parametrize("fails", [False, True])
    async def test_none_in_what_listeners_get(self, server, built, fails, listening, caplog):
        caplog.set_level(logging.DEBUG)
        events, spans = listening
        if fails:
            server.behaviors |= {"gpt-4o-mini": Behavior(status=401)}
        llm = KNNRouterLLM.from_yaml(built)
        llm.chat(user(WEATHER))
        list(llm.stream_complete(WEATHER))
        await llm.achat(user(WEATHER))
        assert all(request.headers["authorization"] for request in server.requests)
        everything = "\n".join([*events.kept, *spans.kept])
        assert "RouteDecisionEvent" in everything
        assert "LLMChatStartEvent" in everything
        assert "X-Plain" in everything  # what is no secret stays
        assert MARK not in everything
        ours = [r.getMessage() for r in caplog.records if not _of_http(r)]
        assert MARK not in "\n".join(ours)

    def test_none_in_what_is_shown(self, server, built):
        llm = KNNRouterLLM.from_yaml(built)
        answer = llm.chat(user(WEATHER))
        assert MARK not in shown(llm)
        assert MARK not in shown(llm.model_copy())
        assert MARK not in answer.model_dump_json() + repr(answer) + repr(llm.pool)

    def test_a_client_has_them_and_does_not_show_them(self, server, built):
        client = build_llm(specs(built)["small"])
        assert MARK not in shown(client)
        assert "X-Plain" in shown(client)
        assert (client.api_key, client.model_copy().api_key) == (KEY, KEY)
        assert client.default_headers["Authorization"] == f"Bearer {TOKEN}"
        client.complete("hello")
        assert server.requests[0].body["routing"] == {"secret": BODY}

    def test_a_key_that_the_client_found_by_itself_is_not_shown(self, server, built, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", f"{MARK}found")
        edited(built, "    api_key_env: SMALL_KEY\n", "")
        client = build_llm(specs(built)["small"])
        assert client.api_key == f"{MARK}found"
        assert MARK not in shown(client)

    def test_an_llm_made_again_from_its_dict_has_its_keys_from_the_environment(self, server, built):
        data = KNNRouterLLM.from_yaml(built).to_dict()
        answer = KNNRouterLLM.from_dict(json.loads(json.dumps(data))).complete(SONNET)
        assert answer.text.startswith("gpt-4.1")
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert MARK not in json.dumps(data)

    def test_none_in_errors_and_warnings(self, server, built, caplog):
        caplog.set_level(logging.DEBUG)
        texts = []
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for old, new in (
                ("temperature: 0.25", 'temperature: "${BODY}"'),
                ("timeout: 5", 'nonsense: "${BODY}"'),
                ("model: gpt-4o-mini", "model: gpt-4o-mini\n    base_url: '${TOKEN}'"),
                ("Bearer ${TOKEN}", "${TOKEN}${UNSET}"),
            ):
                text = built.read_text(encoding="utf-8")
                try:
                    KNNRouterLLM.from_yaml(edited(built, old, new)).chat(user(WEATHER))
                except Exception as error:  # noqa: BLE001 # whatever it is
                    texts += told(error)
                built.write_text(text, encoding="utf-8")
        texts += [str(each.message) for each in warned]
        texts += [r.getMessage() for r in caplog.records if not _of_http(r)]
        assert len(texts) > 12
        assert MARK not in "\n".join(texts)

    def test_none_in_what_an_error_quotes(self, server, built, monkeypatch):
        def failing(self, model, *, api_key, default_headers, **settings):
            raise LookupError(f"{api_key} and {default_headers} are unknown")

        failing.__signature__ = inspect.signature(OpenAI.__init__)
        monkeypatch.setattr(OpenAI, "__init__", failing)
        error = refused(KNNRouterLLM.from_yaml(built))
        quoted = "(hidden) and {'Authorization': '(hidden)', 'X-Plain': 'here'} are unknown"
        assert quoted in str(error)
        assert (error.__cause__, error.__context__) == (None, None)
        assert MARK not in "\n".join(told(error))

    @pytest.mark.parametrize("status", [401, 500])
    def test_none_in_the_errors_of_calls(self, server, built, status):
        server.behaviors |= {name: Behavior(status=status) for name in ("gpt-4o-mini", "gpt-4.1")}
        with pytest.raises(Exception, match=f"refused with {status}") as caught:
            KNNRouterLLM.from_yaml(built).chat(user(WEATHER))
        assert MARK not in "\n".join(told(caught.value))

    def test_none_in_files(self, server, built):
        llm = KNNRouterLLM.from_yaml(built)
        llm.chat(user(WEATHER))
        files = [path for path in built.parent.rglob("*") if path.is_file()]
        assert [path for path in files if MARK.encode() in path.read_bytes()] == []


def test_a_client_whose_server_is_down_lets_the_next_answer(server, built, monkeypatch):
    """As that of Ollama, which asks its server for what it tells of itself."""
    known = OpenAI.metadata.fget

    def metadata(self):
        if self.model == "gpt-4o-mini":
            raise ConnectionError("down")
        return known(self)

    monkeypatch.setattr(OpenAI, "metadata", property(metadata))
    answer = KNNRouterLLM.from_yaml(built).complete(WEATHER)
    assert answer.text == "gpt-4.1 answers in four words"
    assert answer.additional_kwargs["knnrouter"]["failed"] == [
        {"model": "small", "error": "ConnectionError"}
    ]


def _of_http(record):
    """Whether a log record is of the provider's HTTP client, which shows all at DEBUG."""
    return record.name.startswith(("http", "openai"))
