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

ROOT = Path(__file__).parents[1]
ADAPTER = Path(langchain_llmrouter.__file__).parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
MODULES = {path.stem: path for path in sorted(ADAPTER.glob("*.py"))}
LAYERS = [
    {"inputs", "deferred", "stamps", "capabilities", "embedder"},
    {"settings"},
    {"clients", "planning", "decision_runnable"},
    {"dispatch"},
    {"generation", "event_streams", "by_model"},
    {"chat_model", "middleware"},
]
each_module = pytest.mark.parametrize("name", MODULES)

HIDE = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def run_python(code, *, hidden=()):
    """The output of a fresh interpreter in which some packages are not installed."""
    ours = [str(Path(knnrouter.__file__).parents[1]), str(ADAPTER.parent)]
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


def imports(name):
    """What a module imports: (full name, whether inside a function), its own package as `.`."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    late = {id(n) for f in ast.walk(tree) if isinstance(f, functions) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}", id(node) in late


class TestSources:
    @each_module
    def test_only_what_its_extra_brings_is_imported(self, name):
        allowed = {"knnrouter", "pydantic", "numpy", "langchain_core", *sys.stdlib_module_names}
        if name == "middleware":
            allowed |= {"langchain", "langgraph"}
        for full, late in imports(name):
            top = full.split(".")[0]
            by_itself = name == "clients" and late and full == "langchain.chat_models"
            assert not top or top in allowed or by_itself, full

    def test_the_extras_bring_just_that(self):
        packages = {
            extra: [re.split("[<>=]", line)[0] for line in EXTRAS[extra]]
            for extra in ("langchain", "agents")
        }
        assert packages == {
            "langchain": ["langchain-core"],
            "agents": ["langchain", "knnrouter[langchain]"],
        }

    def test_langgraph_comes_with_langchain(self):
        requires = importlib.metadata.requires("langchain") or []
        assert any(re.match(r"langgraph\b(?!.*extra ==)", line) for line in requires)

    def test_imports_point_one_way(self):
        rank = {name: place for place, names in enumerate(LAYERS) for name in names}
        assert set(MODULES) - {"__init__"} <= set(rank), "give it a layer"
        wrong = [
            f"{name} imports {full}"
            for name in MODULES
            if name != "__init__"
            for full, _ in imports(name)
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
