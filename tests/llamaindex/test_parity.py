"""The same query gets the same decision, whichever way it is asked for."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from chat_stubs import StubChat
from llama_index.core.llms import ChatMessage, MockLLM

import knnrouter
from knnrouter import RecordSet, Router
from langchain_llmrouter import ChatKNNRouter, KNNRouter
from llamaindex_llmrouter import KNNRouterLLM, KNNSelector

NAMES = ("coder", "clerk", "poet", "sage")
POOL = """
version: 1
router:
  index: router
  policy: {kind: score_minus_cost, cost_weight: 20}
  default: clerk
models:
  - {name: coder, price: {input: 3, output: 15}, expected_output_tokens: 400}
  - {name: clerk, price: {input: 0.1, output: 0.4}, expected_output_tokens: 100}
  - {name: poet, price: {input: 1, output: 5}, expected_output_tokens: 300}
  - {name: sage, price: {input: 15, output: 75}, expected_output_tokens: 900}
"""
EVIDENCE = [  # a query, and the scores by the order of NAMES
    ("Reverse a linked list in C.", (1.0, 0.2, 0.1, 0.9)),
    ("Sort an array in Python without a copy.", (0.9, 0.3, 0.0, 0.9)),
    ("Fix the race in this Go program.", (0.8, 0.1, 0.0, 1.0)),
    ("Write a sonnet on the sea.", (0.1, 0.4, 1.0, 0.8)),
    ("Write a haiku on the moon over snow.", (0.0, 0.5, 0.9, 0.9)),
    ("Find a rhyme for winter.", (0.2, 0.6, 1.0, 0.7)),
    ("What is the capital of Peru?", (0.8, 0.9, 0.7, 1.0)),
    ("Translate good morning into French.", (0.6, 1.0, 0.9, 1.0)),
    ("File this invoice under the right heading.", (0.3, 1.0, 0.2, 0.9)),
    ("Prove that there are infinitely many primes.", (0.5, 0.1, 0.2, 1.0)),
    ("Integrate x squared times e to the x.", (0.6, 0.2, 0.1, 0.9)),
    ("Who was Kant, and what did he teach?", (0.4, 0.5, 0.6, 1.0)),
]
QUERIES = [
    *(query for query, _ in EVIDENCE),
    "Write a poem on the waves of the sea.",
    "Why does my linked list leak memory?",
    "Sort the invoices by their date.",
    "Is there a prime between n and 2n?",
    "A rhyme for the capital of France",
    "Reverse the order of the verses in this sonnet",
    "SELECT name FROM users WHERE id = 1;",
    "int main(void) { return 0; }",
    "¿Cuál es la capital del Perú?",
    "Пришли мне стих о море",
    "写一首关于大海的诗",
    "🌊🌕",
    "ok",
    "?!",
    '"quoted", with a comma, a \\ and {braces}',
    "the sea " * 200,
]
POLICIES = [None, "best_score", "cheapest_above:min_score=0.5", "score_minus_cost:cost_weight=5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("parity")
    rows = [{"query": query} | dict(zip(NAMES, scores, strict=True)) for query, scores in EVIDENCE]
    (path / "pool.yaml").write_text(POOL, encoding="utf-8")
    Router.fit(RecordSet.from_rows(rows)).save(path / "router")
    return path


@pytest.fixture(scope="module")
def printed(folder):
    """What the command line prints for all queries, by policy."""

    def run(policy):
        ours = str(Path(knnrouter.__file__).parents[1])
        done = subprocess.run(
            [
                *(sys.executable, "-m", "knnrouter", "route", "--lines", "--json"),
                *("--pool", str(folder / "pool.yaml")),
                *(() if policy is None else ("--policy", policy)),
            ],
            input="".join(f"{query}\n" for query in QUERIES).encode(),
            env=os.environ | {"PYTHONPATH": ours},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    return {policy: run(policy) for policy in POLICIES}


@pytest.fixture(scope="module")
def router(folder):
    return Router.from_yaml(folder / "pool.yaml")


@pytest.fixture(scope="module")
def surfaces(folder, router):
    """What takes queries, by policy."""
    path = folder / "pool.yaml"
    chats = {name: StubChat(model=name) for name in NAMES}
    llms = {name: MockLLM(max_tokens=1) for name in NAMES}
    return {
        policy: {
            "runnable": KNNRouter(router=router, policy=policy),
            "chat": ChatKNNRouter.from_yaml(path, models=chats, policy=policy),
            "llm": KNNRouterLLM.from_yaml(path, models=llms, policy=policy),
            "selector": KNNSelector(router, policy=policy),
        }
        for policy in POLICIES
    }


def chosen(result, choices):
    """The decision of a selection, once it is seen to be the one that was selected."""
    assert choices[result.ind].name == result.decision["model"]
    return result.decision


async def decisions(made, query):
    """The decision on a query by every way."""
    yield made["runnable"].invoke(query).to_dict()
    yield (await made["runnable"].ainvoke(query)).to_dict()
    yield made["chat"].invoke(query).response_metadata["knnrouter"]
    yield made["llm"].complete(query).additional_kwargs["knnrouter"]
    message = [ChatMessage(role="user", content=query)]
    yield (await made["llm"].achat(message)).additional_kwargs["knnrouter"]
    selector = made["selector"]
    choices = selector.choices()
    yield chosen(selector.select(choices, query), choices)
    yield chosen(await selector.aselect(choices, query), choices)


def agree(told, expected):
    """Whether two decisions are the same."""
    assert told["model"] == expected["model"]
    assert list(told["ranking"]) == list(expected["ranking"])
    for name in NAMES:
        for figures in ("scores", "costs"):
            one, other = told[figures][name], expected[figures][name]
            assert math.isclose(one, other, abs_tol=1e-6), (figures, name)
    assert (told["policy"], told["reason_code"]) == (expected["policy"], expected["reason_code"])
    assert math.isclose(told["similarity"], expected["similarity"], abs_tol=1e-6)


each_query = pytest.mark.parametrize("place", range(len(QUERIES)), ids=lambda n: QUERIES[n][:24])


@each_query
@pytest.mark.parametrize("policy", POLICIES, ids=str)
async def test_every_way_decides_alike(router, surfaces, printed, place, policy):
    query = QUERIES[place]
    expected = router.route(query, policy=policy).to_dict()
    agree(printed[policy][place], expected)
    told = [each async for each in decisions(surfaces[policy], query)]
    assert len(told) == 7
    for each in told:
        agree(each, expected)


def test_the_queries_tell_the_models_and_the_policies_apart(router):
    found = {
        policy: tuple(router.route(query, policy=policy).model for query in QUERIES)
        for policy in POLICIES
    }
    assert set().union(*found.values()) == set(NAMES)
    assert len(set(found.values())) == len(POLICIES)
