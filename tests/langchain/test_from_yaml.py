"""`ChatKNNRouter.from_yaml` with LangChain's own clients: late, once, and silent about secrets."""

import json
import logging
import re
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import langchain.chat_models
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps
from langchain_core.messages import HumanMessage
from langchain_core.tracers import BaseTracer
from openai_server import Behavior, openai_server

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import MissingRouterError, PoolError
from langchain_llmrouter import ChatKNNRouter
from langchain_llmrouter.clients import build_client

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
    model: gpt-small
    api_key_env: SMALL_KEY
    base_url: ${OPENAI_BASE_URL}
    params:
      temperature: 0.25
      timeout: 5
      max_retries: 0
      default_headers: {Authorization: "Bearer ${TOKEN}", X-Plain: here}
      extra_body: {routing: {secret: "${BODY}"}}
  - name: large
    provider: openai
    model: gpt-large
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
def asked_for(monkeypatch):
    """The models that LangChain was asked to make a client of."""
    make, models = langchain.chat_models.init_chat_model, []

    def init_chat_model(model, **settings):
        models.append(model)
        return make(model, **settings)

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", init_chat_model)
    return models


def edited(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


class TestLate:
    def test_the_chosen_model_answers_with_the_settings_of_the_file(self, server, built):
        answer = ChatKNNRouter.from_yaml(built).invoke(WEATHER)
        assert answer.text == "gpt-small answers in four words"
        assert answer.response_metadata["knnrouter"]["model"] == "small"
        (request,) = server.requests
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["x-plain"] == "here"
        assert request.body["temperature"] == 0.25
        assert request.body["routing"] == {"secret": BODY}

    def test_the_key_is_that_of_its_variable(self, server, built):
        ChatKNNRouter.from_yaml(built).invoke(SONNET)
        (request,) = server.requests
        assert (request.model, request.headers["authorization"]) == ("gpt-large", f"Bearer {KEY}")

    def test_nothing_is_loaded_or_built_before_the_first_call(
        self, server, pool_file, asked_for, monkeypatch
    ):
        for name in ("OPENAI_BASE_URL", "SMALL_KEY", "LARGE_KEY", "TOKEN", "BODY"):
            monkeypatch.delenv(name)
        chat = ChatKNNRouter.from_yaml(pool_file)  # there is no router folder
        bound = chat.with_structured_output({"title": "T", "type": "object", "properties": {}})
        assert (asked_for, server.connections) == ([], [])
        assert chat.pool.names == ("small", "large")
        for runnable in (chat, bound):
            with pytest.raises(MissingRouterError, match="router"):
                runnable.invoke(WEATHER)
        assert (asked_for, server.connections) == ([], [])

    def test_the_folder_may_come_after_the_chat_model(self, server, pool_file):
        chat = ChatKNNRouter.from_yaml(pool_file)
        with pytest.raises(MissingRouterError):
            chat.invoke(WEATHER)
        Router.fit(RECORDS, pool=ModelPool.from_yaml(pool_file)).save(pool_file.parent / "router")
        assert chat.invoke(WEATHER).text.startswith("gpt-small")

    def test_only_the_chosen_client_is_built_and_once_for_many_threads(
        self, server, built, asked_for
    ):
        chat, count = ChatKNNRouter.from_yaml(built), 8
        together = threading.Barrier(count)

        def call(place):
            together.wait(10)
            return chat.invoke(WEATHER).text

        with ThreadPoolExecutor(count) as threads:
            answers = set(threads.map(call, range(count)))
        assert answers == {"gpt-small answers in four words"}
        assert asked_for == ["gpt-small"]
        assert server.asked == ["gpt-small"] * count

    async def test_awaited_calls_share_a_client_too(self, server, built, asked_for):
        chat = ChatKNNRouter.from_yaml(built)
        await chat.abatch([WEATHER] * 4)
        assert asked_for == ["gpt-small"]

    def test_warmup_builds_all(self, server, built, asked_for):
        ChatKNNRouter.from_yaml(built).warmup()
        assert asked_for == ["gpt-small", "gpt-large"]
        assert server.connections == []

    def test_a_reconfigured_copy_keeps_the_clients(self, server, built, asked_for):
        chat = ChatKNNRouter.from_yaml(built)
        chat.invoke(WEATHER)
        chat.model_copy(update={"tags": ["again"]}).invoke(WEATHER)
        chat.with_config(tags=["again"]).invoke(WEATHER)
        assert asked_for == ["gpt-small"]

    def test_a_fallback_is_built_when_it_is_needed(self, server, built, asked_for):
        server.behaviors["gpt-small"] = Behavior(status=500)
        answer = ChatKNNRouter.from_yaml(built).invoke(WEATHER)
        assert answer.text.startswith("gpt-large")
        assert asked_for == ["gpt-small", "gpt-large"]

    def test_ready_made_models_go_before_the_files(self, server, built, asked_for):
        models = {name: build_client(spec) for name, spec in _specs(built)}
        del asked_for[:]
        chat = ChatKNNRouter.from_yaml(built, models=models, shadow=False)
        assert chat.invoke(WEATHER).text.startswith("gpt-small")
        assert asked_for == []


def _specs(path):
    return [(spec.name, spec) for spec in ModelPool.from_yaml(path).models]


def refused(chat, *, way="invoke"):
    """The error of a first call; nobody else may have been asked instead."""
    with pytest.raises(PoolError) as caught:
        if way == "stream":
            list(chat.stream(WEATHER))
        else:
            chat.invoke(WEATHER)
    return caught.value


class TestMistakes:
    @pytest.mark.parametrize("way", ["invoke", "stream"])
    def test_variables_that_are_not_set_are_all_named(self, server, built, monkeypatch, way):
        monkeypatch.delenv("SMALL_KEY")
        monkeypatch.delenv("TOKEN")
        monkeypatch.delenv("OPENAI_BASE_URL")
        error = refused(ChatKNNRouter.from_yaml(built), way=way)
        assert error.problems == (
            "models[small]: the environment variable SMALL_KEY is not set; set it to the key",
            "models[small]: the environment variable TOKEN is not set, and the pool refers to it; "
            "set it, or give it a default: ${TOKEN:-value}",
            "models[small]: the environment variable OPENAI_BASE_URL is not set, and the pool "
            "refers to it; set it, or give it a default: ${OPENAI_BASE_URL:-value}",
        )
        assert server.requests == []

    async def test_a_failure_is_not_kept(self, server, built, monkeypatch):
        chat = ChatKNNRouter.from_yaml(built)
        monkeypatch.delenv("SMALL_KEY")
        with pytest.raises(PoolError, match="SMALL_KEY is not set"):
            await chat.ainvoke(WEATHER)
        monkeypatch.setenv("SMALL_KEY", KEY)
        assert (await chat.ainvoke(WEATHER)).text.startswith("gpt-small")

    @pytest.mark.parametrize("way", ["invoke", "stream"])
    def test_an_unknown_provider(self, server, built, way):
        edited(built, "provider: openai", "provider: opnai")
        message = str(refused(ChatKNNRouter.from_yaml(built), way=way))
        assert message.startswith(
            "models[small]: the client of provider 'opnai' cannot be built: Unsupported "
        )
        assert "anthropic" in message  # one of those that are supported
        assert "models={'small': model}" in message
        assert server.requests == []

    def test_a_partner_package_that_is_not_installed(self, server, built):
        edited(built, "provider: openai", "provider: upstage")
        message = str(refused(ChatKNNRouter.from_yaml(built)))
        assert "models[small]: the client of provider 'upstage'" in message
        assert re.search(r"pip install (-U )?langchain-upstage", message)
        assert server.requests == []

    def test_a_wrong_parameter(self, server, built):
        edited(built, "temperature: 0.25", "temperature: warm")
        message = str(refused(ChatKNNRouter.from_yaml(built)))
        assert "temperature: Input should be a valid number" in message
        assert server.requests == []

    def test_no_key_anywhere(self, server, built):
        edited(built, "    api_key_env: SMALL_KEY\n", "")
        message = str(refused(ChatKNNRouter.from_yaml(built)))
        assert "models[small]: the client of provider 'openai' cannot be built" in message
        assert "OPENAI_API_KEY" in message
        assert server.requests == []

    def test_a_client_that_takes_no_key(self, server, built, monkeypatch):
        """As that of Ollama, which ignores arguments that it does not know."""
        from langchain_core.language_models import FakeListChatModel

        monkeypatch.setattr(
            langchain.chat_models,
            "init_chat_model",
            lambda model, **settings: FakeListChatModel(responses=["unused"]),
        )
        message = str(refused(ChatKNNRouter.from_yaml(built)))
        assert "FakeListChatModel takes no api_key and no base_url; leave it out" in message

    def test_what_is_no_parameter_of_a_client_is_found_at_once(self, built):
        edited(built, "temperature: 0.25", "configurable_fields: any")
        edited(built, "{max_retries: 0, timeout: 5}", "{model_provider: openai}")
        with pytest.raises(PoolError) as caught:
            ChatKNNRouter.from_yaml(built)
        assert caught.value.problems == (
            "models[small].params.configurable_fields is no parameter of a client; leave it out, "
            "and name the provider under `provider`",
            "models[large].params.model_provider is no parameter of a client; leave it out, and "
            "name the provider under `provider`",
        )

    def test_a_model_without_a_provider_is_found_at_once(self, built):
        edited(built, "    provider: openai\n", "")
        with pytest.raises(PoolError, match=r"models\[small\]\.provider is not set; add one"):
            ChatKNNRouter.from_yaml(built)


class Everything(BaseTracer):
    """Keeps each run as a tracer would send it."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def _persist_run(self, run):
        self.kept.append(dumps(run.model_dump()))

    def _on_run_create(self, run):
        self._persist_run(run)


class Handler(BaseCallbackHandler):
    """Keeps everything that callbacks are given."""

    def __init__(self):
        self.kept = []

    def _keep(self, *args, **kwargs):
        self.kept += [repr((args, kwargs)), json.dumps(dumpd([args, kwargs]), default=repr)]

    on_chain_start = on_chain_end = on_chain_error = _keep
    on_chat_model_start = on_llm_start = on_llm_new_token = on_llm_end = on_llm_error = _keep


def told(error):
    """All texts of an error and of those behind it, whether they are shown or not."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *traceback.format_exception(error)]
        texts.append(repr(vars(error)))
        error = error.__cause__ or error.__context__
    return texts


class TestSecrets:
    def test_the_mark_would_be_found(self, server, built):
        """What bare LangChain shows a tracer; so that the tests below can fail."""
        (_, spec), _ = _specs(built)
        plain = type(build_client(spec))(
            model="m", api_key=KEY, default_headers={"Authorization": TOKEN}, base_url=server.url
        )
        handler = Handler()
        plain.invoke("hello", {"callbacks": [handler]})
        assert TOKEN in "".join(handler.kept)

    @pytest.mark.parametrize("fails", [False, True])
    async def test_none_in_what_tracers_get(self, server, built, fails, caplog):
        caplog.set_level(logging.DEBUG)
        if fails:
            server.behaviors |= {"gpt-small": Behavior(status=401)}
        chat, tracer, handler = ChatKNNRouter.from_yaml(built), Everything(), Handler()
        config = {"callbacks": [tracer, handler]}
        chat.invoke(WEATHER, config)
        list(chat.stream(WEATHER, config))
        await chat.ainvoke(WEATHER, config)
        chat.generate([[HumanMessage(WEATHER)]], callbacks=[handler])
        chat.bind_tools([{"title": "t", "description": "d", "type": "object"}]).invoke(
            WEATHER, config
        )
        assert all(request.headers["authorization"] for request in server.requests)
        assert len(tracer.kept) > 10
        everything = "\n".join([*tracer.kept, *handler.kept])
        assert "gpt-small" in everything
        assert "X-Plain" in everything  # what is no secret stays
        assert MARK not in everything
        ours = [r.getMessage() for r in caplog.records if not _of_http(r)]
        assert MARK not in "\n".join(ours)

    async def test_none_in_what_is_shown(self, server, built):
        chat = ChatKNNRouter.from_yaml(built)
        answer = chat.invoke(WEATHER)
        bound = chat.bind_tools([])
        shown = [answer, chat, bound, chat.models, chat.router, chat.pool, chat.decider]
        texts = [text for each in shown for text in (repr(each), str(each))]
        texts += [dumps(chat), dumps(bound), repr(chat.model_dump()), chat.get_name()]
        texts += [json.dumps(chat.get_input_jsonschema()), answer.model_dump_json()]
        texts.append(str(chat.get_graph().to_json()))
        assert MARK not in "\n".join(texts)

    def test_none_in_errors_and_warnings(self, server, built, caplog):
        caplog.set_level(logging.DEBUG)
        texts = []
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for old, new in (
                ("temperature: 0.25", "temperature: warm"),
                ("timeout: 5", 'logit_bias: "${BODY}"'),
                ("timeout: 5", 'nonsense: "${BODY}"'),
                ("provider: openai", "provider: upstage"),
                ("model: gpt-small", "model: gpt-small\n    base_url: '${TOKEN}'"),
                ("Bearer ${TOKEN}", "${TOKEN}${UNSET}"),
            ):
                text = built.read_text(encoding="utf-8")
                try:
                    list(ChatKNNRouter.from_yaml(edited(built, old, new)).stream(WEATHER))
                except Exception as error:  # noqa: BLE001 # whatever it is
                    texts += told(error)
                else:
                    texts.append("no error")
                built.write_text(text, encoding="utf-8")
        texts += [str(each.message) for each in warned]
        texts += [r.getMessage() for r in caplog.records if not _of_http(r)]
        assert texts.count("no error") < 3
        assert MARK not in "\n".join(texts)

    def test_none_in_what_an_error_quotes(self, server, built, monkeypatch):
        def init_chat_model(model, *, api_key, default_headers, **settings):
            raise LookupError(f"{api_key.get_secret_value()} and {default_headers} are unknown")

        monkeypatch.setattr(langchain.chat_models, "init_chat_model", init_chat_model)
        error = refused(ChatKNNRouter.from_yaml(built))
        assert "(hidden) and {'Authorization': '(hidden)', 'X-Plain': 'here'} are unknown" in str(
            error
        )
        assert (error.__cause__, error.__context__) == (None, None)
        assert MARK not in "\n".join(told(error))

    @pytest.mark.parametrize("status", [401, 500])
    def test_none_in_the_errors_of_calls(self, server, built, status):
        server.behaviors |= {name: Behavior(status=status) for name in ("gpt-small", "gpt-large")}
        with pytest.raises(Exception, match=f"refused with {status}") as caught:
            ChatKNNRouter.from_yaml(built).invoke(WEATHER)
        assert MARK not in "\n".join(told(caught.value))

    @pytest.mark.parametrize("name", ["SMALL_KEY", "TOKEN"])
    def test_a_value_that_http_would_quote_is_refused_before(
        self, server, built, monkeypatch, name
    ):
        monkeypatch.setenv(name, f"{MARK}value\n")
        error = refused(ChatKNNRouter.from_yaml(built))
        assert f"the environment variable {name} begins or ends with white space" in str(error)
        assert MARK not in "\n".join(told(error))
        assert server.requests == []

    def test_none_in_saved_files(self, server, built):
        chat = ChatKNNRouter.from_yaml(built)
        chat.invoke(WEATHER)
        folder = Path(built.parent, "again")
        chat.router.get().save(folder)
        files = [path for path in built.parent.rglob("*") if path.is_file()]
        assert len(files) > 10
        assert [path for path in files if MARK.encode() in path.read_bytes()] == []

    def test_the_client_has_them_and_does_not_show_them(self, server, built):
        (_, spec), _ = _specs(built)
        client = build_client(spec)
        assert MARK not in repr(client) + repr(client.bind(seed=1))
        assert "'X-Plain': 'here'" in repr(client)
        assert client == client.model_copy()
        assert client.openai_api_key.get_secret_value() == KEY
        assert client.default_headers["Authorization"] == f"Bearer {TOKEN}"
        client.invoke("hello")
        assert server.requests[0].body["routing"] == {"secret": BODY}


def _of_http(record):
    """Whether a log record is of the provider's HTTP client, which shows all at DEBUG."""
    return record.name.startswith(("http", "openai"))
