"""What is shipped: names, imports, extras, and the wheel."""

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import knnrouter
import langchain_llmrouter
import llamaindex_llmrouter

ROOT = Path(__file__).parents[1]
PACKAGE = Path(knnrouter.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADAPTERS = [Path(each.__file__).parent for each in (langchain_llmrouter, llamaindex_llmrouter)]
SOURCES = sorted(PACKAGE.rglob("*.py"))
ADAPTER_SOURCES = [source for folder in ADAPTERS for source in sorted(folder.rglob("*.py"))]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "knnrouter.")
    if not module.name.endswith("__main__")
)
ADAPTER_MODULES = sorted(
    f"{folder.name}.{module.name}"
    for folder in ADAPTERS
    for module in pkgutil.walk_packages([str(folder)])
)
FOREIGN = re.compile(
    r"^(torch|pandas|sklearn|scipy|transformers|sentence_transformers|langchain\w*|llama_index\w*|matplotlib)$"
)
each_source = pytest.mark.parametrize(
    "source", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
each_source_of_all = pytest.mark.parametrize(
    "source", [*SOURCES, *ADAPTER_SOURCES], ids=lambda path: f"{path.parent.name}/{path.name}"
)


def run_python(code, *flags, cwd=None):
    """The standard output of a fresh interpreter that finds knnrouter where this one does."""
    ours = [str(PACKAGE.parent), *{str(folder.parent) for folder in ADAPTERS}]
    paths = os.pathsep.join([*ours, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def module_imports(tree, package):
    """The modules that a source imports when it is imported, by their full names."""
    for node in _at_import(tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module or "") if part)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def all_imports(tree):
    """The top packages that a source imports, anywhere in it, other than its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def parsed(source):
    return ast.parse(source.read_text(encoding="utf-8"))


def _at_import(body):
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _at_import(ast.iter_child_nodes(node))


class TestNames:
    def test_the_names_of_the_design(self):
        wanted = (
            *("Router", "RecordSet", "ModelPool", "ModelSpec", "Decision", "Estimates"),
            *("read_records", "policies", "estimators", "embedders", "evaluation", "errors"),
        )
        assert sorted(knnrouter.__all__) == sorted(wanted)

    @pytest.mark.parametrize(
        ("adapter", "wanted"),
        [
            (
                langchain_llmrouter,
                [
                    *("ChatKNNRouter", "KNNRouter", "KNNRouterMiddleware"),
                    *("LangChainEmbedder", "RunnableByModel"),
                ],
            ),
            (
                llamaindex_llmrouter,
                [
                    *("KNNRouterLLM", "KNNSelector", "KNNSelectorResult", "LlamaIndexEmbedder"),
                    *("RouteDecisionEvent", "query_engine_per_model"),
                ],
            ),
        ],
        ids=["langchain", "llamaindex"],
    )
    def test_the_names_of_the_adapters(self, adapter, wanted):
        assert adapter.__all__ == wanted
        assert set(wanted) <= set(dir(adapter))
        for name in wanted:
            assert getattr(adapter, name).__name__ == name
        with pytest.raises(AttributeError, match="has no attribute 'ChatRouter'"):
            _ = adapter.ChatRouter

    @pytest.mark.parametrize("name", ["knnrouter", *MODULES, *ADAPTER_MODULES])
    def test_all_names_what_exists_and_is_documented(self, name):
        module = importlib.import_module(name)
        assert module.__doc__, "the module has no docstring"
        assert len(set(module.__all__)) == len(module.__all__)
        for public in module.__all__:
            value = getattr(module, public)
            assert not public.startswith("_")
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), public

    def test_public_names_are_imported_when_they_are_used(self):
        code = """
import sys
import knnrouter, knnrouter.__main__
assert set(knnrouter.__all__) <= set(dir(knnrouter))
assert not {"numpy", "typer", "knnrouter.router"} & set(sys.modules), "imported too early"
from knnrouter import *
assert Router is knnrouter.Router is sys.modules["knnrouter.router"].Router
assert policies is sys.modules["knnrouter.policies"]
"""
        done = run_python(code, "-W", "error")
        assert done.returncode == 0, done.stderr

    def test_other_names_are_not_there(self):
        with pytest.raises(AttributeError, match="module 'knnrouter' has no attribute 'Rooter'"):
            _ = knnrouter.Rooter

    def test_the_command_is_what_python_m_runs(self):
        assert PROJECT["project"]["scripts"] == {"knnrouter": "knnrouter.__main__:main"}

    def test_pytest_finds_its_plugin(self):
        entry = PROJECT["project"]["entry-points"]["pytest11"]
        assert entry == {"knnrouter": "knnrouter.assertions.plugin"}
        importers = {source.name for source in SOURCES if "pytest" in all_imports(parsed(source))}
        assert importers == {"plugin.py"}

    def test_the_version_is_the_one_of_the_project(self):
        assert knnrouter.__version__ == PROJECT["project"]["version"]

    def test_it_is_typed(self):
        assert (PACKAGE / "py.typed").is_file()
        assert all((folder / "py.typed").is_file() for folder in ADAPTERS)


class TestImports:
    @each_source
    def test_only_the_index_imports_faiss(self, source):
        imported = {
            alias.name.split(".")[0] if isinstance(node, ast.Import) else (node.module or "")
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert ("faiss" in imported) == (source.name == "index.py")

    @each_source
    def test_no_framework_when_it_is_imported(self, source):
        parts = ("knnrouter", *source.relative_to(PACKAGE).parent.parts)
        tree = ast.parse(source.read_text(encoding="utf-8"))
        for name in module_imports(tree, ".".join(parts)):
            assert not FOREIGN.match(name.split(".")[0]), name

    def test_a_first_route_loads_no_framework(self):
        code = """
import sys
from knnrouter import Router
assert Router.starter().route("What is the derivative of x squared?").model
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""
        done = run_python(code)
        assert done.returncode == 0, done.stderr
        loaded = done.stdout.split()
        assert "numpy" in loaded
        assert [name for name in loaded if FOREIGN.match(name)] == []

    def test_the_command_loads_no_framework_either(self):
        code = """
import sys
import knnrouter.cli
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""
        done = run_python(code)
        assert done.returncode == 0, done.stderr
        assert [name for name in done.stdout.split() if FOREIGN.match(name)] == []

    def test_the_command_starts_without_the_evaluation(self):
        done = run_python("import sys, knnrouter.cli; print('knnrouter.evaluation' in sys.modules)")
        assert done.stdout.strip() == "False"

    @pytest.mark.parametrize("name", sorted({name.rpartition(".")[0] for name in MODULES}))
    def test_no_module_hides_what_its_package_exports(self, name):
        """Importing a module binds its name in its package, over a function of that name."""
        package = importlib.import_module(name)
        inside = {each.name for each in pkgutil.iter_modules(getattr(package, "__path__", []))}
        exported = {
            each
            for each in getattr(package, "__all__", ())
            if not inspect.ismodule(getattr(package, each))
        }
        assert inside & exported == set()

    def test_imports_point_one_way(self):
        layers = [
            {"errors"},
            {"yaml_files", "spec_text"},
            {
                *("records", "neighbors", "decision", "text", "pool"),
            },
            {"ingest", "embedders", "index"},
            {"vectors", "condense", "estimators"},
            {"policies"},
            {"lineup", "choosing", "explain", "store"},
            {
                *("looking_up", "state", "making", "growing", "joining", "routing"),
                "task_routing",
            },
            {"router"},
            {"evaluation", "serving", "onboarding"},
            {"assertions"},
            {"cli", "__main__"},
        ]
        rank = {name: place for place, names in enumerate(layers) for name in names}
        found = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
        known = {"__init__", "__pycache__", "py", "starter", *rank}
        assert found <= known, f"give {found - known} a layer"
        wrong = []
        for source in SOURCES:
            inside = source.relative_to(PACKAGE)
            here = inside.parts[0].removesuffix(".py")
            tree = ast.parse(source.read_text(encoding="utf-8"))
            package = ".".join(("knnrouter", *inside.parent.parts))
            for name in module_imports(tree, package):
                parts = name.split(".")
                if here == "__init__" or parts[0] != "knnrouter" or parts[1] not in rank:
                    continue
                if rank[parts[1]] > rank[here]:
                    wrong.append(f"{inside} imports {name}")
        assert wrong == []

    def test_shared_is_no_package_where_it_is_installed(self, tmp_path):
        try:
            importlib.metadata.distribution("knnrouter")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("knnrouter is not installed here; it runs from its sources")
        done = run_python("import knnrouter, shared", "-I", cwd=tmp_path)
        assert done.returncode == 1
        assert "ModuleNotFoundError: No module named 'shared'" in done.stderr


class TestSafety:
    @each_source_of_all
    def test_nothing_is_pickled_or_evaluated(self, source):
        unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not unsafe & {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in unsafe
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec")

    @each_source_of_all
    def test_no_path_of_a_machine_and_nothing_left_to_do(self, source):
        text = source.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|tmp|work|Users)/", text)
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


EXTRAS = PROJECT["project"]["optional-dependencies"]


def extras_in(text):
    """The extras in `knnrouter[one,two]`."""
    found = re.findall(r"knnrouter\[([a-z][a-z,-]*)\]", text)
    return {extra for extras in found for extra in extras.split(",")}


class TestExtras:
    def test_every_extra_that_is_named_exists(self):
        named = set()
        for source in (*SOURCES, *ADAPTER_SOURCES):
            text = source.read_text(encoding="utf-8")
            named |= extras_in(text)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtraError":
                    values = [each.value for each in node.keywords]
                    named |= {each.value for each in values if isinstance(each, ast.Constant)}
        for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
            named |= extras_in(page.read_text(encoding="utf-8"))
        assert {"sentence-transformers", "agents", "plots"} <= named
        assert named <= set(PROJECT["project"]["optional-dependencies"])

    def test_the_lowest_versions_that_are_tested_are_those_that_are_allowed(self):
        project = PROJECT["project"]
        extras = [
            line
            for extra in ("langchain", "agents", "llamaindex", "plots", "train")
            for line in EXTRAS[extra]
        ]
        lines = [*project["dependencies"], *(line for line in extras if ">=" in line)]
        allowed = dict(line.split(">=") for line in lines)
        of_tests = [
            line
            for line in PROJECT["dependency-groups"]["test"]
            if line.startswith(("langchain-", "llama-index-"))
        ]
        allowed |= dict(line.split(",")[0].split(">=") for line in of_tests)
        pins = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").split("\n")
        tested = dict(line.split("==") for line in pins if "==" in line)
        assert {"numpy", "langchain-core", "langchain", "langchain-openai"} <= set(allowed)
        assert {"llama-index-core", "llama-index-llms-openai"} <= set(allowed)
        assert set(tested) == set(allowed)
        parts = {name: bound.split(".") for name, bound in allowed.items()}
        assert {name: tested[name].split(".")[: len(parts[name])] for name in tested} == parts

    def test_the_lowest_versions_are_tested_with_the_adapters(self):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (rule,) = re.findall(r"^\.venv-lowest/ready:.*?\n\n", makefile, re.MULTILINE | re.DOTALL)
        assert "--editable '.[langchain,agents,llamaindex,plots,train]' --group test" in rule
        assert "--constraint constraints-lowest.txt" in rule

    def test_all_is_every_extra(self):
        assert set().union(*map(extras_in, EXTRAS["all"])) == set(EXTRAS) - {"all"}

    def test_every_module_that_is_imported_is_a_dependency(self):
        brought = {  # by a dependency that cannot do without it
            "faiss": "faiss-cpu",
            "yaml": "pyyaml",
            "pydantic_core": "pydantic",
            "click": "typer",
            "tokenizers": "model2vec",
            "huggingface_hub": "sentence-transformers",
            "sklearn": "scikit-learn",
            "sentence_transformers": "sentence-transformers",
        }
        extras = [*EXTRAS["sentence-transformers"], *EXTRAS["plots"], *EXTRAS["train"]]
        lines = [*PROJECT["project"]["dependencies"], *extras]
        imported = set().union(*(all_imports(parsed(source)) for source in SOURCES))
        given = {"knnrouter", "_typeshed", "pytest"}  # pytest loads the plugin, and is then there
        foreign = imported - set(sys.stdlib_module_names) - given
        assert {brought.get(name, name) for name in foreign} <= set(map(package_of, lines))


def package_of(line):
    """The package of a line of dependencies."""
    return re.split(r"[<>=\[ ]", line)[0]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """The files in the wheel."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    folder = str(tmp_path_factory.mktemp("dist"))
    (path,) = wheel.WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    assert Path(path).stat().st_size < 15e6
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


class TestWheel:
    def test_it_holds_the_package_and_its_data(self, wheel_names):
        for path in PACKAGE.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"knnrouter/{path.relative_to(PACKAGE).as_posix()}" in wheel_names
        for path in (*ADAPTER_SOURCES, *(folder / "py.typed" for folder in ADAPTERS)):
            assert f"{path.parent.name}/{path.name}" in wheel_names

    def test_it_holds_nothing_else(self, wheel_names):
        tops = {name.split("/")[0] for name in wheel_names}
        version = PROJECT["project"]["version"]
        packages = {"knnrouter", "langchain_llmrouter", "llamaindex_llmrouter"}
        assert tops == packages | {f"knnrouter-{version}.dist-info"}
        assert not any(name.endswith((".pyc", ".pkl", ".ipynb")) for name in wheel_names)

    def test_licences_and_notices_travel_along(self, wheel_names):
        info = f"knnrouter-{PROJECT['project']['version']}.dist-info"
        assert f"{info}/licenses/LICENSE" in wheel_names
        for folder in ("", f"{info}/licenses/shared/"):  # beside the data, and where tools look
            assert f"{folder}knnrouter/starter/NOTICE" in wheel_names
            assert f"{folder}knnrouter/embedders/static_data/NOTICE" in wheel_names
            assert f"{folder}knnrouter/embedders/static_data/LICENSE-Apache-2.0" in wheel_names


def test_the_data_that_the_package_needs_lies_inside_it():
    for name in (
        "starter/pool.yaml",
        "starter/NOTICE",
        "starter/router/manifest.json",
        "embedders/static_data/vectors.npy",
        "embedders/static_data/tokenizer.json",
        "embedders/static_data/NOTICE",
    ):
        assert (PACKAGE / name).is_file(), name
    static = sum(path.stat().st_size for path in (PACKAGE / "embedders/static_data").iterdir())
    assert static < 10e6
