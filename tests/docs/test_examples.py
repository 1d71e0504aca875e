"""Every example of the documentation is run, page by page, and must do what the page says.

The blocks of a page run in order, in one namespace and one empty folder, offline, and a warning is
an error, but for those that LlamaIndex raises at itself:

* `python` is executed. What it prints is written in `#>` comments of the block, line by line;
  `...` stands for anything. A block without such comments prints nothing.
* `yaml` is a pool.yaml, and is read as one; or a file of routing tests, where its title says so.
* a block with `title="name"` becomes the file of that name in the folder.
* `console` lines that start with `$ knnrouter` or `$ pytest` are run, and end with exit code 0
  unless the line ends in `# exit code 2` or the like. The lines below, if any, are what goes to
  standard output, or to standard error where knnrouter ends with exit code 2. pytest has no plugin
  but ours. Other commands are known, and not run.
* other languages are read by people only.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import types
import warnings
from fnmatch import fnmatch
from pathlib import Path

import pytest
from llama_index.core import Settings
from pydantic.warnings import PydanticDeprecationWarning

import knnrouter
from knnrouter import ModelPool
from knnrouter.assertions.plugin import FILE_NAMES
from knnrouter.assertions.reading import read_tests_text

RUN = {"python", "yaml", "console"}
NOT_RUN = {"", "text", "sh", "toml", "json", "jsonl", "csv", "bibtex"}
COMMANDS_RUN = {
    "knnrouter": '"{python}" -W error -m knnrouter "$@"',
    "pytest": "env COLUMNS=80 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "
    '"{python}" -m pytest -p knnrouter.assertions.plugin -W error "$@"',
}
COMMANDS_NOT_RUN = {"pip", "make", "git", "python", "python3", "cd", "source"}

FOREIGN_WARNINGS = (
    (PydanticDeprecationWarning, "inspect"),  # its agents look through all of their attributes
    (DeprecationWarning, r"(workflows|llama_index)\."),
)
"""What LlamaIndex does wrong in its own code: the category, and the module that is blamed."""

WITHOUT_EXAMPLES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/explanation/architecture.md",
    "docs/explanation/bake-off.md",
    "docs/explanation/estimators-compared.md",
    "docs/explanation/quality.md",
    "docs/explanation/routellm.md",
    "docs/explanation/shnitzer.md",
    "docs/explanation/srivatsa.md",
    "docs/index.md",
}
"""Pages that are there to be read only; every other page has something to run."""

_EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with the commands that are run on the path of its shell."""
    commands, work = tmp_path / "bin", tmp_path / "work"
    commands.mkdir()
    work.mkdir()
    for name, line in COMMANDS_RUN.items():
        script = commands / name
        script.write_text(f"#!/bin/sh\nexec {line.format(python=sys.executable)}\n")
        script.chmod(0o755)
    source = Path(knnrouter.__file__).parents[1]
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(source), prepend=os.pathsep)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return work


def test_page(page, folder, monkeypatch):
    module = types.ModuleType("docs_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(Settings, "_llm", None)  # what a page sets is gone after it
    for block in page.blocks:
        where = f"{page.path}:{block.line}"
        assert block.language in RUN | NOT_RUN, f"{where}: who runs {block.language!r}?"
        if block.title:
            _write(block)
        if block.language == "python":
            _run_python(block, page.path, module)
        elif block.language == "yaml":
            _read_yaml(block, where)
        elif block.language == "console":
            _run_console(block, where)


def test_every_fence_is_a_block(page):
    fences = re.findall(r"^ *```", page.text, re.MULTILINE)
    assert len(fences) == 2 * len(page.blocks)


def test_pages_have_examples(pages):
    assert len(pages) > 30
    bare = {name for name, page in pages.items() if not RUN & {b.language for b in page.blocks}}
    assert bare == WITHOUT_EXAMPLES & set(pages)
    assert sum(block.language == "python" for page in pages.values() for block in page.blocks) > 40


def _read_yaml(block, where):
    if any(fnmatch(block.title or "", name) for name in FILE_NAMES):
        read_tests_text(block.text, path=Path(block.title), source=where)
    else:
        ModelPool.from_text(block.text, source=where)


def _write(block):
    path = Path(block.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def _run_python(block, path, module):
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, str(path), "exec", dont_inherit=True)
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("error")
        for category, blamed in FOREIGN_WARNINGS:
            warnings.filterwarnings("ignore", category=category, module=blamed)
        exec(code, module.__dict__)
    expected = [
        line.strip().removeprefix("#>").removeprefix(" ")
        for line in block.text.splitlines()
        if line.strip().startswith("#>")
    ]
    _check_output("\n".join(expected), printed.getvalue(), f"{path}:{block.line}")


def _run_console(block, where):
    for command, exit_code, expected in _commands(block.text):
        word = command.split()[0]
        if word not in COMMANDS_RUN:
            assert word in COMMANDS_NOT_RUN, f"{where}: {word!r} is neither run nor known"
            continue
        done = subprocess.run(
            command, shell=True, capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        told = f"{where}: {command}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == exit_code, told
        if expected:
            shown = done.stderr if word == "knnrouter" and exit_code == 2 else done.stdout
            _check_output(expected, shown, f"{where}: {command}")


def _commands(text):
    """Each command of a block with its exit code and the output below it."""
    prompts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert prompts[0] == "", f"output before the first command: {prompts[0]!r}"
    assert len(prompts) > 1, "a console block without a command"
    for prompt in prompts[1:]:
        command, _, expected = prompt.replace("\\\n", "").partition("\n")
        code = _EXIT_CODE.search(command)
        yield _EXIT_CODE.sub("", command), int(code[1]) if code else 0, expected


def _check_output(expected, printed, where):
    wanted, got = (
        "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"
        for text in (expected, printed)
    )
    same = doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)
    assert same, f"{where}: printed\n{got}\nbut the page says\n{wanted}"
