"""The scripts in `examples/` run offline, and print what their docstrings say."""

import ast
import contextlib
import importlib.util
import inspect
import io
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for path in ROOT.glob("examples/*/*.py")
    if "__main__" in path.read_text(encoding="utf-8")  # others are parts of scripts
)


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def script(request, monkeypatch, tmp_path):
    """The path of a script, run from another folder and without a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(request.param.parent)
    yield request.param
    for name in ("parts", "example_script"):
        sys.modules.pop(name, None)


def run(path):
    spec = importlib.util.spec_from_file_location("example_script", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pydantic looks for the names in annotations
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        spec.loader.exec_module(module)
        module.main()
    return printed.getvalue()


def promised(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    _, _, output = docstring.partition("Offline it prints:\n")
    return inspect.cleandoc(output) + "\n"


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("langchain", {"agent", "by_model", "chat", "decide", "embeddings"}),
        ("llamaindex", {"agent", "engines", "llm", "selector"}),
    ],
)
def test_each_surface_has_a_script(folder, names):
    assert {path.stem for path in SCRIPTS if path.parent.name == folder} == names


# LlamaIndex's agents look through all of their attributes, deprecated ones too.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning:inspect")
def test_it_prints_what_it_says(script):
    assert run(script) == promised(script)


def test_it_says_how_to_run_it(script):
    text = script.read_text(encoding="utf-8")
    assert f"python {script.relative_to(ROOT).as_posix()}" in text
    assert re.search(r"OPENAI_API_KEY", text)
