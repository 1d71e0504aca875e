"""Everything a user can call, set or meet has its place in the reference, and every link leads on.

A name has its place on a page where it stands in a heading or between backticks, outside of blocks.
"""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import BaseModel

import knnrouter
import langchain_llmrouter
import llamaindex_llmrouter
from knnrouter import (
    choosing,
    embedders,
    errors,
    estimators,
    evaluation,
    policies,
    task_routing,
    text,
)
from knnrouter.assertions import limits, plugin, schema
from knnrouter.assertions.outcome import Outcome
from knnrouter.decision import Decision, Neighbor
from knnrouter.evaluation import comparison, figures
from knnrouter.evaluation import report as reports
from knnrouter.evaluation.html import page
from knnrouter.explain import Explanation, Flip
from knnrouter.policies import specs
from knnrouter.pool import KNOWN_CAPABILITIES, ModelPool, ModelSpec, RouterSettings
from knnrouter.records import Preference, Price, RecordSet
from knnrouter.router import Router
from knnrouter.serving import OPTION_IDS, stamp
from langchain_llmrouter.stamps import traced
from llamaindex_llmrouter.clients import PROVIDERS

ROOT = Path(__file__).parents[2]


def public(cls):
    return {name for name in vars(cls) if not name.startswith("_")}


def arguments(call):
    return set(inspect.signature(call).parameters) - {"cls", "self"}


def names(*classes):
    return {item.name for cls in classes for item in fields(cls)}


def commands():
    """The options of each command."""
    import typer.main

    from knnrouter.cli import app

    return {
        name: {option for item in command.params for option in item.opts if option[0] == "-"}
        for name, command in typer.main.get_command(app).commands.items()
    }


def manifest_keys(folder):
    records = RecordSet.from_rows([{"query": "What is 2 + 2?", "small": 1, "large": 0}])
    Router.fit(records).save(folder)
    content = json.loads((folder / "manifest.json").read_text())
    return set(content) | set(content["embedder"]) | set(content["counts"])


def classes(package):
    """The public classes of a package."""
    values = [getattr(package, name) for name in package.__all__]
    return [value for value in values if inspect.isclass(value)]


def added(cls):
    """The fields and methods that a class adds to those of the framework."""
    package = cls.__module__.partition(".")[0]
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == package]
    found = set().union(*(vars(base).keys() | inspect.get_annotations(base) for base in ours))
    return {name for name in found if not name.startswith("_")} - PLUMBING


PLUMBING = {
    *("InputType", "OutputType", "get_input_schema", "get_output_schema", "config_specs"),
    *("decider", "model_config", "option_ids"),
}
"""What frameworks ask for, and users do not call."""


def decision():
    """A decision with something in every field."""
    known = {"small": 0.5}
    return Decision(
        id="d1",
        model="small",
        ranking=("small",),
        scores=known,
        costs=known,
        stderr=known,
        support=known,
        similarity=0.5,
        reason="best",
        policy="p",
        reason_code="best_score",
    )


PARTS = [
    *(schema.RoutingTests, schema.SharedPrompt, schema.RoutingTest, schema.When),
    *(schema.RouteOptions, limits.Limits, limits.Share, limits.FlipRate, limits.Cost),
]
"""What a routing_tests.yaml is made of."""

VERDICTS = {
    *("evaluate", "by_folds", "compare", "verdict"),
    *("Report", "Verdict", "Outcomes", "Comparison"),
}
ROBUSTNESS = {
    *("PERTURBATIONS", "Perturbation", "named_perturbations"),
    *("robustness", "flip_rate", "Robustness", "Stability", "Flip"),
}
"""What of the evaluation has a page of its own; all else is on that of metrics."""

REFERENCE = {
    "router": {
        "Router": public(Router),
        "arguments": set.union(
            *(
                arguments(getattr(Router, name))
                for name in public(Router)
                if callable(getattr(Router, name))
            )
        ),
        "Decision": names(Decision, Neighbor)
        | {"to_dict", "summary", "from_summary", "with_model", "Neighbor", "Decision"},
        "Explanation": names(Explanation, Flip) | {"to_dict", "Flip", "Explanation"},
    },
    "policies": {
        "policies": set(policies.__all__),
        "kinds": set(specs.KINDS),
        "settings": names(*specs.KINDS.values()),
        "values": names(policies.Candidates, policies.Choice) | {"only"},
    },
    "estimators": {
        "estimators": set(estimators.__all__),
        "settings": names(estimators.KNN, estimators.Estimates, estimators.Evidence),
        "kernels": {"uniform", "similarity", "softmax"},
        "protocols": public(estimators.Estimator) | public(estimators.FittedEstimator),
    },
    "classifiers": {
        "settings": names(estimators.MultiLabel, estimators.Separate),
        "classes": {"MultiLabel", "Separate", "multi_label", "separate"},
    },
    "task-routing": {
        "names": set(task_routing.__all__) | {"to_dict"},
        "TaskDecision": names(task_routing.TaskDecision),
        "TaskSettings": names(task_routing.TaskSettings),
        "arguments": arguments(Router.route_task),
    },
    "embedders": {"embedders": set(embedders.__all__) | {"id", "dim", "embed", "clip"}},
    "errors": {"errors": set(errors.__all__) | {"problems", "models", "kind", "extra"}},
    "records": {
        "RecordSet": names(RecordSet) | names(Preference, Price) | {"Preference", "Price"},
        "methods": public(RecordSet) - names(RecordSet),
        "read_records": arguments(knnrouter.read_records),
    },
    "routing-text": {
        "functions": {name for name in text.__all__ if name.islower()},
        "Query": names(text.Query),
        "arguments": arguments(text.routing_text),
    },
    "pool-yaml": {
        "keys": {*ModelPool.model_fields, *ModelSpec.model_fields, *RouterSettings.model_fields},
        "price": names(Price),
        "capabilities": set(KNOWN_CAPABILITIES),
    },
    "evaluation": {
        "names": VERDICTS,
        "arguments": set().union(
            *(arguments(getattr(evaluation, name)) for name in VERDICTS if name.islower())
        ),
        "Report": names(*classes(reports)) | public(reports.Report) | set(reports.__all__),
        "Verdict": names(evaluation.Verdict),
        "Outcomes": names(evaluation.Outcomes) | public(evaluation.Outcomes),
        "Comparison": names(*classes(comparison)) | public(evaluation.Comparison),
        "values": {each.__name__ for each in classes(comparison)},
    },
    "metrics": {"metrics": set(evaluation.__all__) - VERDICTS - ROBUSTNESS},
    "robustness": {"robustness": ROBUSTNESS},
    "report-figures": {"figures": set(figures.__all__), "page": {"page", *arguments(page)}},
    "assertions": {
        "keys": set().union(*(part.model_fields for part in PARTS)),
        "outcome": names(Outcome) | {"Outcome", "Bench", "RoutingTestsError"},
        "hooks": public(plugin._Hooks) | {"knnrouter"},
    },
    "langchain": {
        "names": set(langchain_llmrouter.__all__),
        "members": set().union(*map(added, classes(langchain_llmrouter))) - set(dir(BaseModel)),
        "arguments": arguments(langchain_llmrouter.LangChainEmbedder)
        | {"path", "embedder", "fields"},
        "options": {*OPTION_IDS, *OPTION_IDS.values()},
        "stamp": set(stamp(decision(), answered_by="small")),
    },
    "llamaindex": {
        "names": set(llamaindex_llmrouter.__all__),
        "members": set().union(*map(added, classes(llamaindex_llmrouter))) - set(dir(BaseModel)),
        "arguments": set().union(
            *(
                arguments(getattr(llamaindex_llmrouter, name))
                for name in ("KNNSelector", "LlamaIndexEmbedder", "query_engine_per_model")
            ),
            {"router", "models", "path", "embedder", "fields"},
        ),
        "options": set(OPTION_IDS.values()),
        "stamp": set(stamp(decision(), answered_by="small")),
        "providers": set(PROVIDERS),
        "packages": {each.package for each in PROVIDERS.values()},
        "classes": {each.name for each in PROVIDERS.values()},
    },
}
"""By page: groups of names that must stand there."""


@pytest.fixture
def spoken(pages):
    """The words between backticks and in headings of a page of the reference."""

    def words(name):
        prose = pages[f"docs/reference/{name}.md"].prose
        spans = re.findall(r"`([^`]+)`", prose)
        headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
        found = set(re.findall(r"[\w.-]+", " ".join((*spans, *headings))))
        return found | {part for word in found for part in word.split(".")}

    return words


@pytest.mark.parametrize(
    ("name", "group"), [(name, group) for name, groups in REFERENCE.items() for group in groups]
)
def test_names_are_in_the_reference(name, group, spoken):
    wanted = REFERENCE[name][group]
    assert wanted
    assert wanted - spoken(name) == set()


def test_keys_of_traces_are_on_their_page(pages):
    metadata = traced({}, decision(), "small", shadow=True)["metadata"]
    wanted = {name for name in metadata if name.startswith("knnrouter")}
    assert len(wanted) == 10
    prose = pages["docs/how-to/langchain/tracing.md"].prose
    assert wanted - set(re.findall(r"`(\w+)`", prose)) == set()


def test_the_reason_codes_of_serving_are_in_the_reference(spoken):
    assert {"forced", "model_failed", "routing_failed"} - spoken("langchain") == set()


@pytest.mark.parametrize(("folder", "count"), [("langchain", 8), ("llamaindex", 7)])
def test_nested_pages_are_found(folder, count, pages):
    paths = (ROOT / "docs" / "how-to" / folder).glob("*.md")
    wanted = {path.relative_to(ROOT).as_posix() for path in paths}
    assert len(wanted) == count
    assert wanted - set(pages) == set()


def test_commands_are_in_the_reference(spoken):
    wanted = commands()
    assert {"build", "route", "explain", "validate", "inspect", "formats"} <= set(wanted)
    assert all("--json" in options for options in wanted.values())
    assert set(wanted).union(*wanted.values()) - spoken("command-line") == set()


def test_the_manifest_is_in_the_reference(tmp_path, spoken):
    wanted = manifest_keys(tmp_path / "router")
    assert len(wanted) > 8
    assert wanted - spoken("saved-folder") == set()


def test_top_level_names_are_in_the_reference(spoken, pages):
    everywhere = set.union(*(spoken(name.split("/")[-1][:-3]) for name in _reference(pages)))
    assert len(knnrouter.__all__) > 8
    assert set(knnrouter.__all__) - everywhere == set()


def test_reason_codes_are_in_the_reference(spoken):
    sources = [specs.BestScore, choosing.Chooser]
    code = "".join(inspect.getsource(inspect.getmodule(source)) for source in sources)
    codes = set(re.findall(r'reason_code="(\w+)"', code))
    codes |= set(re.findall(r'_default\([^)]*, "(\w+)"\)', code)) | {"image_only", "empty"}
    assert len(codes) > 10
    assert codes - spoken("router") == set()


def test_spellings_of_policies_are_read(pages):
    """The YAML and the text of each policy on its page are one policy."""
    page = pages["docs/reference/policies.md"].prose
    rows = re.findall(r"\| pool.yaml \| `([^`]+)` \|\n\| command line \| `([^`]+)` \|", page)
    assert len(rows) == len(specs.KINDS)
    kinds = set()
    for yaml, spelled in rows:
        pool = ModelPool.from_text(f"models: [{{name: small}}]\nrouter:\n  policy: {yaml}\n")
        policy = policies.parse(spelled)
        assert policies.parse(pool.router.policy) == policy
        assert policies.spec(policy) == spelled
        kinds.add(spelled.partition(":")[0])
    assert kinds == set(specs.KINDS)


def test_links_resolve(page, pages):
    links = re.findall(r"\]\(([^)\s]+)\)", page.prose)
    broken = [link for link in links if not _leads_on(page, link, pages)]
    assert broken == []


def test_pages_are_reached(pages):
    """From the README every page can be reached by links."""
    reached, ahead = set(), ["README.md"]
    while ahead:
        name = ahead.pop()
        if name in reached or name not in pages:
            continue
        reached.add(name)
        links = re.findall(r"\]\(([^)\s]+)\)", pages[name].prose)
        ahead += [_target(pages[name], link)[0] for link in links if "://" not in link]
    assert set(pages) - reached == set()


def _reference(pages):
    return [name for name in pages if name.startswith("docs/reference/")]


def _leads_on(page, link, pages):
    if link.startswith(("https://", "http://", "mailto:")):
        return True
    name, anchor = _target(page, link)
    root = page.path.parents[len(page.name.split("/")) - 1]
    if not (root / name).exists():
        return False
    return not anchor or (name in pages and anchor in _anchors(pages[name]))


def _target(page, link):
    path, _, anchor = link.partition("#")
    root = page.path.parents[len(page.name.split("/")) - 1]
    full = (page.path.parent / path).resolve() if path else page.path
    return full.relative_to(root.resolve()).as_posix(), anchor


def _anchors(page):
    """The anchors that GitHub and mkdocs give to headings."""
    titles = re.findall(r"^#+ (.*)$", page.prose, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.lower()).strip() for title in titles]
    return {title.replace(" ", "-") for title in plain}
