"""What the adapters may import, and what they say where it is not installed."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import knnrouter
import langchain_llmrouter
import llamaindex_llmrouter

ROOT = Path(__file__).parents[1]
ADAPTERS = {
    each.__name__: Path(each.__file__).parent
    for each in (langchain_llmrouter, llamaindex_llmrouter)
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
MODULES = {
    (adapter, path.stem): path
    for adapter, folder in ADAPTERS.items()
    for path in sorted(folder.glob("*.py"))
}
LAYERS = {
    "langchain_llmrouter": [
        {"inputs", "deferred", "stamps", "capabilities", "embedder"},
        {"settings"},
        {"clients", "planning", "decision_runnable"},
        {"dispatch"},
        {"generation", "event_streams", "by_model"},
        {"chat_model", "middleware"},
    ],
    "llamaindex_llmrouter": [
        {"abilities", "choices", "clients", "conversations", "embedder", "events", "tokens"},
        {"routing", "selections", "watched"},
        {"settings", "selector"},
        {"prompts"},
        {"tools"},
        {"llm"},
        {"engines"},
    ],
}
FOLDERS = sorted({folder.parent for folder in ADAPTERS.values()})
each_module = pytest.mark.parametrize(("adapter", "name"), MODULES)
each_adapter = pytest.mark.parametrize("adapter", ADAPTERS)

HIDE = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if any(name == each or name.startswith(f"{{each}}.") for each in {hidden!r}):
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def run_python(code, *, hidden=()):
    """The output of a fresh interpreter in which some packages are not installed."""
    ours = [str(Path(knnrouter.__file__).parents[1]), *map(str, FOLDERS)]
    paths = os.pathsep.join([*ours, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", HIDE.format(hidden=set(hidden)) + code],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imports(adapter, name):
    """What a module imports: (full name, whether inside a function), its own package as `.`."""
    tree = ast.parse(MODULES[adapter, name].read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    late = {id(n) for f in ast.walk(tree) if isinstance(f, functions) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}", id(node) in late


class TestSources:
    @each_module
    def test_only_what_its_extra_brings_is_imported(self, adapter, name):
        allowed = {"knnrouter", "pydantic", "numpy", *sys.stdlib_module_names}
        allowed |= {
            "langchain_llmrouter": {"langchain_core"},
            "llamaindex_llmrouter": {"llama_index_instrumentation"},  # what core's events are of
        }[adapter]
        if (adapter, name) == ("langchain_llmrouter", "middleware"):
            allowed |= {"langchain", "langgraph"}
        for full, late in imports(adapter, name):
            top = full.split(".")[0]
            if adapter == "llamaindex_llmrouter" and full.startswith("llama_index.core."):
                continue  # never a sibling, such as llama_index.llms
            by_itself = name == "clients" and late and full == "langchain.chat_models"
            assert not top or top in allowed or by_itself, full

    def test_the_extras_bring_just_that(self):
        packages = {
            extra: [re.split("[<>=]", line)[0] for line in EXTRAS[extra]]
            for extra in ("langchain", "agents", "llamaindex")
        }
        assert packages == {
            "langchain": ["langchain-core"],
            "agents": ["langchain", "knnrouter[langchain]"],
            "llamaindex": ["llama-index-core"],
        }

    def test_langgraph_comes_with_langchain(self):
        requires = importlib.metadata.requires("langchain") or []
        assert any(re.match(r"langgraph\b(?!.*extra ==)", line) for line in requires)

    @each_adapter
    def test_imports_point_one_way(self, adapter):
        rank = {name: place for place, names in enumerate(LAYERS[adapter]) for name in names}
        names = {name for other, name in MODULES if other == adapter} - {"__init__"}
        assert names <= set(rank), "give it a layer"
        wrong = [
            f"{name} imports {full}"
            for name in sorted(names)
            for full, _ in imports(adapter, name)
            if full.startswith(".") and rank[full.lstrip(".")] >= rank[name]
        ]
        assert wrong == []


OWN = """
import sys
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableSerializable
before = set(sys.modules)  # of langchain-core's own: an old one loads transformers where they are
"""

LOADED = (
    OWN
    + """
from langchain_llmrouter import {names}
print(" ".join(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""
)

TIMED = (
    OWN
    + """
import time
start = time.perf_counter()
from langchain_llmrouter import {names}
print(time.perf_counter() - start)
"""
)

CHAT = """
from langchain_core.language_models import FakeListChatModel
from knnrouter import RecordSet, Router
from langchain_llmrouter import ChatKNNRouter, KNNRouter, LangChainEmbedder, RunnableByModel

rows = [{"query": "Write a sonnet on the sea.", "small": 0, "large": 1}]
router = Router.fit(RecordSet.from_rows(rows))
answers = {name: FakeListChatModel(responses=[name]) for name in router.pool.names}
chat = ChatKNNRouter(router=router, models=answers)
print(chat.invoke("Write a sonnet.").content)
print(RunnableByModel(router=router, runnables=answers).invoke("Write a sonnet.").content)
print(KNNRouter(router=router).invoke("Write a sonnet.").model)
"""

REFUSED = """
import langchain_llmrouter
try:
    {expression}
except ImportError as error:
    print(type(error).__name__, error.extra, error)
"""


class TestInstalled:
    def test_importing_loads_neither_langchain_nor_anything_heavy(self):
        names = [name for name in langchain_llmrouter.__all__ if name != "KNNRouterMiddleware"]
        loaded = set(run_python(LOADED.format(names=", ".join(names))).split())
        assert {"langchain_llmrouter", "knnrouter"} <= loaded
        heavy = {"langchain", "langgraph", "langchain_openai", "torch", "pandas", "sklearn"}
        assert loaded & (heavy | {"transformers", "sentence_transformers", "llama_index"}) == set()

    def test_importing_takes_less_than_a_second_beyond_langchain_core(self):
        names = [name for name in langchain_llmrouter.__all__ if name != "KNNRouterMiddleware"]
        code = TIMED.format(names=", ".join(names))
        assert min(float(run_python(code)) for _ in range(3)) < 1

    def test_the_package_alone_loads_nothing(self):
        code = "import langchain_llmrouter; print(*sorted(sys.modules))"
        loaded = set(run_python(code).split())
        assert not {"langchain_core", "numpy", "pydantic", "knnrouter.router"} & loaded

    def test_langchain_core_is_enough_for_models_of_ones_own(self):
        out = run_python(CHAT, hidden=("langchain", "langgraph", "langchain_openai"))
        assert out.split() == ["large", "large", "large"]

    @pytest.mark.parametrize("name", langchain_llmrouter.__all__)
    def test_without_langchain_core_the_extra_is_named(self, name):
        extra = "agents" if name == "KNNRouterMiddleware" else "langchain"
        out = run_python(
            REFUSED.format(expression=f"langchain_llmrouter.{name}"),
            hidden=("langchain_core", "langchain", "langgraph"),
        )
        assert out.strip() == (
            f"MissingExtraError {extra} langchain_llmrouter.{name} needs the extra `{extra}`; "
            f"install it with: pip install 'knnrouter[{extra}]'"
        )
        assert extra in EXTRAS

    def test_without_langchain_the_middleware_names_its_extra(self):
        out = run_python(
            REFUSED.format(expression="from langchain_llmrouter import KNNRouterMiddleware"),
            hidden=("langchain", "langgraph"),
        )
        assert out.strip().endswith("install it with: pip install 'knnrouter[agents]'")

    def test_without_langchain_clients_name_their_extra(self, tmp_path):
        pool = tmp_path / "pool.yaml"
        pool.write_text(
            "router: {index: here}\nmodels: [{name: a, provider: openai}]\n", encoding="utf-8"
        )
        expression = f"langchain_llmrouter.ChatKNNRouter.from_yaml({str(pool)!r})"
        out = run_python(REFUSED.format(expression=expression), hidden=("langchain", "langgraph"))
        assert out.strip() == (
            "MissingExtraError agents building clients from a pool.yaml needs the extra `agents`; "
            "install it with: pip install 'knnrouter[agents]'"
        )


LOADED_BY_LLAMAINDEX = """
import sys
import llama_index.core
before = set(sys.modules)
from llamaindex_llmrouter import *
from llamaindex_llmrouter import clients
print(" ".join(sorted(set(sys.modules) - before)))
"""

LLM = """
from llama_index.core.llms import MockLLM
from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNRouterLLM, KNNSelector

rows = [{"query": "Write a sonnet on the sea.", "small": 0, "large": 1}]
router = Router.fit(RecordSet.from_rows(rows))
llm = KNNRouterLLM(router=router, models={name: MockLLM() for name in router.pool.names})
print(llm.complete("Write a sonnet.").additional_kwargs["knnrouter"]["answered_by"])
selector = KNNSelector(router)
print(selector.choices()[selector.select(selector.choices(), "Write a sonnet.").ind].name)
"""

LLAMAINDEX_REFUSED = """
import sys
import types
{before}
import llamaindex_llmrouter
try:
    {expression}
except ImportError as error:
    print(type(error).__name__, error.extra, error)
"""

NAMESPACE = """
import llama_index
assert llama_index.__file__ is None, "another package of LlamaIndex makes the namespace"
"""


class TestLlamaIndexInstalled:
    def test_importing_loads_nothing_heavy_beyond_llama_index_core(self):
        names = run_python(LOADED_BY_LLAMAINDEX).split()
        assert not [name for name in names if name.startswith("llama_index.llms")]
        loaded = {name.split(".")[0] for name in names}
        assert {"llamaindex_llmrouter", "knnrouter"} <= loaded
        foreign = {"langchain", "langchain_core", "langchain_llmrouter", "openai", "torch"}
        assert loaded & (foreign | {"pandas", "sklearn", "sentence_transformers"}) == set()

    def test_the_package_alone_loads_nothing(self):
        code = "import llamaindex_llmrouter, sys; print(*sorted(sys.modules))"
        loaded = set(run_python(code).split())
        assert not {"llama_index", "numpy", "pydantic", "knnrouter.router"} & loaded

    def test_llama_index_core_is_enough_for_llms_of_ones_own(self):
        hidden = ("llama_index.llms", "openai", "langchain", "langchain_core", "langgraph", "torch")
        assert run_python(LLM, hidden=hidden).split() == ["large", "large"]

    @pytest.mark.parametrize("name", llamaindex_llmrouter.__all__)
    @pytest.mark.parametrize("sibling", [False, True], ids=["nothing", "a-sibling"])
    def test_without_llama_index_core_the_extra_is_named(self, name, sibling):
        out = run_python(
            LLAMAINDEX_REFUSED.format(
                expression=f"llamaindex_llmrouter.{name}", before=NAMESPACE if sibling else ""
            ),
            hidden=("llama_index.core",) if sibling else ("llama_index",),
        )
        assert out.strip() == (
            f"MissingExtraError llamaindex llamaindex_llmrouter.{name} needs the extra "
            "`llamaindex`; install it with: pip install 'knnrouter[llamaindex]'"
        )
        assert "llamaindex" in EXTRAS

    def test_without_a_provider_its_package_is_named(self, tmp_path):
        pool = tmp_path / "pool.yaml"
        text = "router: {index: here}\nmodels: [{name: a, provider: openai}]\n"
        pool.write_text(text, encoding="utf-8")
        code = (
            "from llamaindex_llmrouter import KNNRouterLLM\n"
            "from knnrouter.errors import PoolError\n"
            f"llm = KNNRouterLLM.from_yaml({str(pool)!r})\n"
            "try:\n    llm.complete('hello', model='a')\n"
            "except PoolError as error:\n    print(error)\n"
        )
        out = run_python(code, hidden=("llama_index.llms",))
        assert "its package is not installed: pip install llama-index-llms-openai;" in out

    @pytest.mark.parametrize("extra", [("llama_index",), ("langchain", "langchain_core")], ids=str)
    def test_the_core_and_the_other_adapter_do_without(self, extra):
        code = "import knnrouter, langchain_llmrouter, llamaindex_llmrouter\n" + (
            "print(knnrouter.Router.starter().route('Write a sonnet.').model)"
        )
        assert run_python(code, hidden=extra).strip()
