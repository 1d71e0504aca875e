"""Records on four topics, a model for each; and decisions to compare."""

import numpy as np

from knnrouter import ModelPool, ModelSpec, RecordSet
from knnrouter.pool import RouterSettings
from knnrouter.records import Price

NAN = float("nan")


TOPICS = {
    "code": "function python rust compiler loop array pointer thread recursion bug syntax",
    "cooking": "soup oven butter onion recipe flour boil roast sauce garlic dinner",
    "history": "empire war king treaty revolution century battle colony emperor trade",
    "math": "integral prime matrix derivative equation proof theorem angle polynomial sum",
}


def sentences(rng, count):
    """Texts on four topics, and which topic each is on."""
    names = rng.choice(list(TOPICS), count)
    texts = [
        f"Please explain {' '.join(rng.choice(TOPICS[name].split(), 6))} ({place})"
        for place, name in enumerate(names)
    ]
    return texts, names


def topic_records(rng, *, n=400, missing=0.4, **more):
    """Each of four models is good at one topic; of the cells, 40 % are missing."""
    texts, names = sentences(rng, n)
    models = tuple(f"{topic}-model" for topic in TOPICS)
    chance = np.where(names[:, None] == np.array(list(TOPICS)), 0.9, 0.3)
    scores = (rng.random((n, 4)) < chance).astype(float)
    scores[rng.random((n, 4)) < missing] = NAN
    given = {"ids": [f"q{row}" for row in range(n)], "queries": texts, "tasks": names.tolist()}
    return RecordSet(**given | {"models": models, "scores": scores} | more)


def pool_of(records, **router):
    specs = [
        ModelSpec(name=name, price=Price(0.5 * place, 2.0 * place), expected_output_tokens=200)
        for place, name in enumerate(records.models, start=1)
    ]
    return ModelPool(models=specs, router=RouterSettings(**router))


def untimed(decision):
    """All that a decision says, but its id and its time."""
    told = decision.to_dict()
    return {name: told[name] for name in told if name not in ("id", "elapsed_ms")}


def same(one, other, within=1e-6):
    one, other = untimed(one), untimed(other)
    for name in ("scores", "costs", "stderr", "support"):
        assert list(one[name]) == list(other[name])
        figures = [np.array(list(each.pop(name).values()), float) for each in (one, other)]
        np.testing.assert_allclose(*figures, rtol=0, atol=within, err_msg=name)
    np.testing.assert_allclose(one.pop("similarity"), other.pop("similarity"), atol=within)
    for near, far in zip(one.pop("neighbors"), other.pop("neighbors"), strict=True):
        assert abs(near.pop("similarity") - far.pop("similarity")) <= within
        assert near == far
    assert one == other
    return True
