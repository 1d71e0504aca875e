from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.estimators.encoders import training
from knnrouter.estimators.encoders.backbone import Backbone
from knnrouter.estimators.encoders.network import Network, answers
from knnrouter.estimators.encoders.objectives import score_loss
from knnrouter.estimators.encoders.tokens import token_ids
from knnrouter.estimators.encoders.training import Examples, Recipe, fine_tune, held_out

torch = pytest.importorskip("torch")
RECIPE = Recipe(
    epochs=4, batch=8, learning_rate=1e-2, head_learning_rate=1e-1, holdout=0.25, seed=1
)


@pytest.fixture
def backbone(folder):
    return Backbone.pretrained(str(folder), family="encoder")


@pytest.fixture
def examples(backbone, records):
    return Examples(
        ids=token_ids(backbone.tokenizer, records.queries, 16),
        targets=records.scores[:, :2].astype(np.float64),
        weights=np.ones(60),
        groups=np.arange(60) // 2,
    ).known()


def network(backbone, layers="all"):
    return Network.fresh(backbone, np.zeros(2), train=layers, pooling="mean")


def loss_on(learner, examples):
    logits = torch.tensor(answers(learner.logits, examples.ids, 2))
    total, weight = score_loss(
        logits, torch.tensor(examples.targets), torch.tensor(examples.weights)
    )
    return float(total / weight)


def values(learner):
    return torch.cat([each.detach().flatten() for each in learner.trained.values()])


def test_the_best_moment_is_kept(backbone, examples):
    learner = network(backbone)
    losses = fine_tune(learner, examples, score_loss, RECIPE)
    assert losses.shape == (5,)
    assert losses[0] == pytest.approx(np.log(2))  # it starts from even odds
    assert losses.min() < 0.4
    _, judged = held_out(examples.groups, RECIPE)
    assert loss_on(learner, examples.rows(judged)) == pytest.approx(losses.min(), abs=1e-6)


def test_nothing_is_better_than_learning_noise(backbone, examples):
    """What is held out says the contrary of what is learned."""
    learner = network(backbone)
    learned, judged = held_out(examples.groups, RECIPE)
    contrary = examples.targets.copy()
    contrary[judged] = 1 - contrary[judged]
    before = values(learner).clone()
    losses = fine_tune(learner, replace(examples, targets=contrary), score_loss, RECIPE)
    assert losses.argmin() == 0
    assert torch.equal(values(learner), before)
    assert len(learned) + len(judged) == 60


def test_without_rows_held_out_the_last_epoch_is_taken(backbone, examples):
    learner = network(backbone)
    losses = fine_tune(learner, examples, score_loss, replace(RECIPE, holdout=0.0))
    assert np.isnan(losses).all()
    assert loss_on(learner, examples) < 0.3


def test_the_seed_decides_alone(backbone, examples):
    found = []
    for seed, draws in ((1, 0), (1, 17), (2, 0)):
        torch.rand(draws)
        before = torch.get_rng_state()
        learner = network(backbone)
        fine_tune(learner, examples, score_loss, replace(RECIPE, seed=seed, epochs=1, holdout=0.0))
        assert torch.equal(torch.get_rng_state(), before)
        found.append(values(learner))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_only_the_last_layers_learn(backbone, examples):
    before = {name: each.clone() for name, each in backbone.model.state_dict().items()}
    learner = network(backbone, layers=1)
    fine_tune(learner, examples, score_loss, replace(RECIPE, holdout=0.0))
    after = learner.backbone.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name.split(".")[:3] == ["encoder", "layer", "1"] for name in changed} == {True}
    assert set(learner.trained) >= changed | {"head.weight", "head.bias"}
    still = backbone.model.state_dict()
    assert all(torch.equal(before[name], still[name]) for name in before)


def test_progress_is_told(backbone, examples):
    told = []
    recipe = replace(RECIPE, epochs=2, holdout=0.0)
    fine_tune(network(backbone), examples, score_loss, recipe, told=lambda *step: told.append(step))
    assert told == [(step, 16) for step in range(1, 17)]  # 60 rows are 8 batches


def test_rates_rise_and_fall():
    rates = [training._rate(done, 40) for done in range(40)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4:] == pytest.approx([(40 - done) / 36 for done in range(4, 40)])
    assert training._rate(0, 1) == 1.0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.sampled_from([0.0, 0.1, 0.5]))
def test_rows_of_a_text_stay_together(groups, share):
    groups = np.array(groups)
    learned, judged = held_out(groups, replace(RECIPE, holdout=share))
    assert sorted([*learned, *judged]) == list(range(len(groups)))
    assert not set(groups[learned].tolist()) & set(groups[judged].tolist())
    texts = len(set(groups.tolist()))
    assert len(set(groups[judged].tolist())) == (round(share * texts) if texts >= 20 else 0)


@given(st.integers(1, 200), st.integers(1, 9))
def test_an_epoch_reads_every_row_once(count, size):
    rng = np.random.default_rng(0)
    ids = [[1] * int(length) for length in rng.integers(1, 9, count)]
    batches = training._shuffled(ids, size, rng)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert len(batches) == -(-count // size)
