import re
from pathlib import Path

import pytest
import typer

from knnrouter.cli import app

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "command-line.md"


def _commands():
    group = typer.main.get_command(app)
    return {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in group.commands.items()
    }


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_every_command_has_a_section_with_every_option(page):
    commands = _commands()
    assert list(commands) == re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE)
    assert len(commands) > 7
    sections = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, options in commands.items():
        named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]*", sections[name]))
        missing = {option for option in options if option.startswith("--")} - named
        assert not missing, f"{name}: {missing}"


def test_no_section_names_an_option_that_there_is_not(page):
    known = {option for options in _commands().values() for option in options}
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]*", page))
    assert named - known == {"--help", "--version"}


def test_the_help_tells_every_option_and_cuts_no_line(knn):
    text = knn("--help").out
    assert "..." not in text.replace("[ARGS]...", "")
    for name, options in _commands().items():
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
        told = knn(name, "--help").out
        assert all(option in told for option in options if option.startswith("--"))
    assert "router.index" not in knn("build", "--help").out  # build saves where --out says
    assert re.fullmatch(r"knnrouter \d+\.\d+\.\d+\n", knn("--version").out)
