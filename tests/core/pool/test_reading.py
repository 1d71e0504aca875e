"""pool.yaml: what is read, what is refused and where, and that writing and reading are one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PoolError
from knnrouter.pool import ModelPool, ModelSpec, Price, RouterSettings
from knnrouter.pool.reading import validate_pool
from knnrouter.yaml_files.secrets import names_secret

POOLS = Path(__file__).parents[2] / "data" / "pools"


def problems(text):
    with pytest.raises(PoolError) as caught:
        ModelPool.from_text(text)
    return caught.value.problems


def problem(text):
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


# What is read


def test_a_full_pool():
    pool = ModelPool.from_yaml(POOLS / "full.yaml")
    assert pool == ModelPool(
        router=RouterSettings(
            index="./router",
            policy={"kind": "score_minus_cost", "cost_weight": 20},
            default="small",
            fallbacks=["local", "small"],
            min_similarity=0.3,
            sticky="thread",
        ),
        models=[
            ModelSpec(
                name="small",
                provider="openai",
                model="gpt-5-mini",
                aliases=["gpt-5-mini-2025-08-07"],
                price=Price(0.25, 2.0, 0.025),
                expected_output_tokens=400,
                context_window=400_000,
                max_output_tokens=128_000,
                capabilities=["tools", "structured_output", "vision"],
                params={"temperature": 0, "timeout": 60, "extra": "${EXTRA:-none}"},
                api_key_env="OPENAI_API_KEY",
                base_url="${OPENAI_BASE_URL:-https://example.invalid/v1}",
                tags=["eu"],
            ),
            ModelSpec(name="local", provider="ollama", model="qwen3:8b", price=Price(0, 1e-6)),
            ModelSpec(name="on", model="2025-08-07", enabled=False),
        ],
    ).at(POOLS / "full.yaml")
    assert pool.index_path == POOLS / "router"


@pytest.mark.parametrize(
    "text",
    [
        "models:\n- name: a\n  price: {input: 1e-6, output: 2E+1}\n",
        "\ufeffmodels:\n- name: a\n  price: {input: 1e-6, output: 20}\n",
        "models:\r\n- name: a\r\n  price:\r\n    input: .000001\r\n    output: +20\r\n",
        'models: [{"name": "a", "price": {"input": 1.0e-6, "output": 20.}}]',
        "version: 1\nrouter: {}\nmodels: [{model: a, price: {input: 1e-6, output: 20}}]",
    ],
)
def test_spellings_of_the_same_pool(text, tmp_path):
    expected = ModelPool(models=[ModelSpec(name="a", price=Price(1e-6, 20.0))])
    assert ModelPool.from_text(text) == expected
    path = tmp_path / "pool.yaml"
    path.write_bytes(text.encode())
    assert ModelPool.from_yaml(path) == expected.at(path)


def test_an_anchor_may_be_used_again():
    text = "models:\n- {name: a, tags: &both [x, y]}\n- {name: b, tags: *both}\n"
    assert [spec.tags for spec in ModelPool.from_text(text).models] == [("x", "y"), ("x", "y")]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "true", "null", "1e-6", "4.1", "1:30"])
def test_any_word_in_quotes_is_a_name(word):
    assert ModelPool.from_text(f"models: [{{name: '{word}'}}]").names == (word,)


def test_params_are_plain_data():
    text = "models: [{name: a, params: {top_p: 1e-1, stop: [a, 2], json: on, at: 1:30, n: null}}]"
    params = ModelPool.from_text(text).models[0].params
    assert params == {"top_p": 0.1, "stop": ["a", 2], "json": True, "at": "1:30", "n": None}


def test_references_are_kept_as_they_are_written():
    text = "models: [{name: a, base_url: '${U}', params: {api_key: '${K}', x: {y: '$${z'}}}]"
    spec = ModelPool.from_text(text).models[0]
    assert spec.base_url == "${U}"
    assert spec.params == {"api_key": "${K}", "x": {"y": "$${z"}}


# What is refused


def test_everything_wrong_is_told_at_once_with_its_place():
    path = POOLS / "broken.yaml"
    with pytest.raises(PoolError) as caught:
        ModelPool.from_yaml(path)
    found = [text.removeprefix(f"{path}:") for text in caught.value.problems]
    expected = [
        "1:1: version: version 2 is not supported; this knnrouter reads version 1",
        "4:5: models[small].context_windw: unknown key; did you mean context_window?",
        "5:5: models[small].price.output: missing; cost is never input alone",
        "5:5: models[small].price: the key stands here twice, again in line 6; remove one",
        "7:5: models[small].api_key: this looks like a secret",
        "7:5: models[small].api_key: unknown key; a key has no place here; write `api_key_env`",
        "9:7: models[small].params.api_key: api_key is a secret by its name",
        "10:7: models[small].params.url: a malformed reference",
        "11:7: models[small].params.hook: the tag !!python/object:os.system is refused",
        "12:5: models[1].name: on without quotes is true in YAML, and text is wanted; write 'on'",
        "13:5: models[1].aliases: 'small' is an alias here and the name of another model",
        "13:22: models[1].aliases[1]: 4.1 without quotes is a number in YAML",
        "13:27: models[1].aliases[2]: yes without quotes is true in YAML",
        "14:5: models[1].api_key_env: the name of an environment variable is wanted",
        "15:5: models[1].enabled: true or false is wanted, not 'no'",
        "16:5: models[1].base_url: this looks like a secret",
        "18:5: models[qwen3:8b].capabilities: a list is wanted, such as [a, b], not 'tools'",
        "19:13: models[qwen3:8b].price.input: a number greater than or equal to 0 is wanted",
        "19:24: models[qwen3:8b].price.output: a finite number is wanted, not nan",
        "20:5: models[qwen3:8b].max_output_tokens: a number greater than 0 is wanted, not 0",
        "21:5: models[qwen3:8b].context_window: a whole number is wanted, not '400000'",
        "22:5: models[qwen3:8b].(hidden): unknown key",
        "23:5: models[3].name: missing; give the model a name",
        "23:13: models[3].price.input: a number is wanted, not True",
        "24:5: models[qwen3:8b].name: two models have the name 'qwen3:8b', models[2] and models[4]",
        "26:14: models[qwen3:8b].params.<<: merge keys (`<<`) are not read",
        "28:5: models[last].aliases: two models have the alias 'twice', 'qwen3:8b' and 'last'",
        "29:5: models[last].model: ${...} is expanded in base_url and params alone",
        "30:5: models[last].7: a key is text, and this is a int in YAML; put it in quotes",
        "31:1: rooter: unknown key; did you mean router?",
        "33:3: router.index: ${...} is expanded in base_url and params alone",
        "34:3: router.policy: a policy has a `kind`",
        "35:3: router.default: the pool has no model 'smal'; its models are small, ",
        "36:15: router.fallbacks[0]: off without quotes is false in YAML",
        "36:20: router.fallbacks[1]: the pool has no model 'twice'",
        "36:27: router.fallbacks[2]: 3 without quotes is a number in YAML",
        "37:3: router.sticky: call, turn or thread is wanted, not 'forever'",
        "38:3: router.min_similarity: a number less than or equal to 1 is wanted, not 2",
    ]
    assert len(found) == len(expected)
    for said, start in zip(found, expected, strict=True):
        assert said.startswith(start)
    everything = "\n".join(caught.value.problems)
    for secret in ("0123456789abcdef", "hunter2", "my-secret"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pool.yaml: it is empty; a pool lists its models, such as: models: [{name: small}"),
        (" \n# only a comment\n", "pool.yaml: it is empty"),
        ("---\n", "pool.yaml: it is empty"),
        ("[]", "pool.yaml:1:1: a pool is a mapping with the keys version, router and models"),
        ("small", "pool.yaml:1:1: a pool is a mapping"),
        ("{}", "pool.yaml:1:1: models: missing; list the models"),
        ("version: 1", "pool.yaml:1:1: models: missing"),
        ("models: []", "pool.yaml:1:1: models: there is no model"),
        ("models:", "pool.yaml:1:1: models: missing"),
        ("models: {small: {}}", "pool.yaml:1:1: models: a list of models is wanted"),
        ("models: [small]", "pool.yaml:1:10: models[0]: a mapping is wanted, not 'small'"),
        ("models: [{name: }]", "pool.yaml:1:11: models[0].name: nothing stands here"),
        ("models: [{name: on}]", "pool.yaml:1:11: models[0].name: on without quotes is true"),
        ("models: [{name: off}]", "pool.yaml:1:11: models[0].name: off without quotes is false"),
        ("models: [{name: 1e-6}]", "pool.yaml:1:11: models[0].name: 1e-6 without quotes is"),
        ("models: [{name: a}]\nrouter:", "pool.yaml:2:1: router: a mapping is wanted, not nothing"),
        ("models: [{name: a}]\nversion: one", "pool.yaml:2:1: version: version 'one' is not"),
        ("models: [{name: a}\n", "pool.yaml:2:1: not YAML: "),
        ("models: [{name: a}]\n\tx: 1", "pool.yaml:2:1: not YAML: "),
        ("models: [{name: a}]\n---\nb: 1", "pool.yaml:2:1: not YAML: "),
        ("models: *a", "pool.yaml:1:9: not YAML: found undefined alias 'a'"),
        ("models: [{name: a, name: b}]", "pool.yaml:1:11: models[a].name: the key stands"),
        ("models: [{name: a}]\nmodels: []", "pool.yaml:1:1: models: the key stands here twice"),
        ("models: [{name: a, params: {x: 1, x: 2}}]", "pool.yaml:1:29: models[a].params.x: the"),
        ("!!python/object/apply:os.system [ls]", "pool.yaml:1:1: the tag !!python/object/apply:os"),
        ("!mine {models: [{name: a}]}", "pool.yaml:1:1: the tag !mine is refused"),
        ("models: [{name: a, params: {x: !!set {b}}}]", "pool.yaml:1:29: models[a].params.x: the"),
        ("models: [{name: a, params: &p {x: *p}}]", "pool.yaml:1:32: models[a].params.x: it holds"),
        ("models: [{name: a, params: {on: 1}}]", "pool.yaml:1:29: models[a].params.on: a key"),
        ("models: [{name: a, params: {? [b] : 1}}]", "pool.yaml:1:31: models[a].params.?: a key"),
        ("models: [{name: a, params: {x: !!int b}}]", "pool.yaml:1:29: models[a].params.x: 'b'"),
        ("a: \x00", "pool.yaml:1:4: the character U+0000 cannot stand in YAML"),
        ('a: "\\UFFFFFFFF"', "pool.yaml: not YAML: an escape is no character"),
        ("[" * 3000, "pool.yaml: it is nested too deeply"),
        ("models: " + "[" * 60 + "]" * 60, "pool.yaml: it has more than"),
        (
            "models: [{name: a, price: {input: 1, output: 'sk-0123456789abcdef'}}]",
            "pool.yaml:1:38: models[a].price.output: a number is wanted, not '(hidden)'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_words(text, said):
    found = problems(text)
    assert found[0].startswith(said)
    if "secret" not in "".join(found):
        assert len(found) == 1, found


def test_aliases_of_aliases_do_not_explode():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "more than 100,000 values" in problem("\n".join(lines))


@pytest.mark.parametrize(
    "place",
    [
        "name: {}",
        "name: a, provider: {}",
        "name: a, aliases: [{}]",
        "name: a, tags: [{}]",
        "name: a, base_url: {}",
        "name: a, params: {{deep: [{{x: {}}}]}}",
        "name: a, {}: 1",
        "name: a, api_key: {}",
        "name: a, api_key_env: {}",
    ],
)
@pytest.mark.parametrize("secret", ["sk-0123456789abcdef", "kX9mQ2vL7pR4tY8wZ3bN6"])
def test_a_secret_is_refused_anywhere_and_never_repeated(place, secret):
    found = problems(f"models: [{{{place.format(secret)}}}]")
    assert secret not in "\n".join(found)
    assert all("pool.yaml:1:" in text for text in found)


@pytest.mark.parametrize(
    ("place", "refused"),
    [
        ("params: {api_key: '${KEY}'}", False),
        ("params: {headers: {Authorization: 'Bearer ${KEY}'}}", False),
        ("params: {api_key: hunter2}", True),
        ("params: {api_key: '${KEY:-hunter2}'}", True),
        ("params: {headers: {x-api-key: hunter2}}", True),
        ("params: {password: 123}", True),
        ("params: {max_tokens: 4096}", False),
    ],
)
def test_params_hold_secrets_by_reference_alone(place, refused):
    text = f"models: [{{name: a, {place}}}]"
    if refused:
        said = problem(text)
        assert "secret" in said
        assert "hunter2" not in said
    else:
        assert ModelPool.from_text(text).names == ("a",)


def test_files_that_cannot_be_read(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("models:\n- name: café\n".encode("latin-1"))
    for path, said in [
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "this is a folder; name the file"),
        (latin, "the byte 0xe9 is not UTF-8; save the file as UTF-8"),
    ]:
        with pytest.raises(PoolError, match=re.escape(said)) as caught:
            ModelPool.from_yaml(path)
        assert str(caught.value).startswith(str(path))
    assert f"{latin}:2:12: " in str(caught.value)


def test_a_source_has_its_own_name():
    with pytest.raises(PoolError, match=r"^mine\.yaml: it is empty"):
        ModelPool.from_text("", source="mine.yaml")


YAML_BITS = st.sampled_from(
    [
        "models: ", "name: ", "price: ", "input: ", "router: ", "a", "on", "1e-6", "- ", "\n", "  ",
        "{", "}", "[", "]", "'", '"', "&x ", "*x ", "!!python/name:a ", "!t ", ": ", "? ", "#",
        "|\n", "<<: ", "\t", "${A", ".nan", "~", "%", "\\", "é", "\x85", ", ",
    ]
)  # fmt: skip


@given(st.one_of(st.text(max_size=40), st.lists(YAML_BITS, max_size=25).map("".join)))
def test_any_text_is_a_pool_or_a_pool_error(text):
    try:
        pool = ModelPool.from_text(text)
    except PoolError as error:
        assert error.problems
        assert all(said.startswith("pool.yaml") for said in error.problems)
    else:
        assert pool.models


# Warnings


def test_findings(tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text("models: [{name: a}]\n")
    findings = validate_pool(path)
    assert findings.pool is not None
    assert findings.errors == ()
    assert [text.removeprefix(f"{path}: ").split(";")[0] for text in findings.warnings] == [
        "1 model(s) without a price: a",
        "1 model(s) enabled: there is nothing to choose between",
        "router.default is not set: a query that cannot be routed is an error",
    ]


def test_findings_of_a_good_and_of_a_broken_file():
    assert validate_pool(POOLS / "broken.yaml").pool is None
    assert len(validate_pool(POOLS / "broken.yaml").errors) == 38
    full = validate_pool(POOLS / "full.yaml")
    assert (full.errors, full.warnings) == ((), ())


def test_a_capability_that_nothing_asks_for_is_warned_of(tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text("models: [{name: a, capabilities: [tool, karaoke]}]\n")
    (said,) = [text for text in validate_pool(path).warnings if "capabilities" in text]
    assert said.endswith("models[a].capabilities: tool is a word of your own; did you mean tools?")


# Writing


WORDS = st.one_of(
    st.sampled_from(["on", "No", "1e-6", "4.1", "1:30", "2025-08-07", "~", "<<", "=", "é", "量"]),
    st.text(
        st.characters(codec="utf-8", exclude_characters="${", exclude_categories=["Z", "C"]),
        min_size=1,
        max_size=8,
    ),
)
KEYS = WORDS.filter(lambda word: not names_secret(word))  # a pool holds no secret
NUMBERS = st.floats(0, 1e9, allow_nan=False)
PRICES = st.builds(Price, NUMBERS, NUMBERS, st.none() | NUMBERS)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
MODELS = st.lists(
    st.builds(
        ModelSpec,
        name=WORDS,
        model=WORDS,
        provider=st.none() | WORDS,
        price=st.none() | PRICES,
        capabilities=st.lists(WORDS, max_size=2),
        context_window=st.none() | st.integers(1, 10**9),
        expected_output_tokens=st.none() | st.integers(0, 10**9),
        params=st.dictionaries(KEYS, PLAIN, max_size=2),
        tags=st.lists(WORDS, max_size=2),
        enabled=st.booleans(),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda spec: spec.name,
)
SETTINGS = st.builds(
    RouterSettings,
    index=st.none() | WORDS,
    policy=st.none() | WORDS | st.fixed_dictionaries({"kind": WORDS, "weight": NUMBERS}),
    min_similarity=st.none() | st.floats(-1, 1),
    sticky=st.sampled_from(["call", "turn", "thread"]),
)


@given(MODELS, SETTINGS)
def test_what_is_written_is_read_again(models, settings):
    pool = ModelPool(models=models, router=settings)
    assert ModelPool.from_text(pool.to_yaml()) == pool


def test_the_full_pool_is_written_and_read_again():
    pool = ModelPool.from_yaml(POOLS / "full.yaml")
    assert ModelPool.from_text(pool.to_yaml()).at(POOLS / "full.yaml") == pool


def test_no_secret_and_no_object_is_written():
    for params, said in [
        ({"api_key": "hunter2"}, "a secret by its name"),
        ({"x": "sk-0123456789abcdef"}, "looks like a secret"),
        ({"x": object()}, "a object cannot be written to YAML"),
    ]:
        pool = ModelPool(models=[ModelSpec(name="a", params=params)])
        with pytest.raises(PoolError, match=said) as caught:
            pool.to_yaml()
        assert "hunter2" not in str(caught.value)
