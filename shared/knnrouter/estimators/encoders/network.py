"""A transformer with a linear layer on top: reads texts, gives a few numbers each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError

from .backbone import Backbone, load, seeded
from .tokens import by_length, padded

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear, Module, Parameter

__all__ = [
    "POOLINGS",
    "Layers",
    "Network",
    "Pooling",
    "answers",
    "free",
    "last_vectors",
    "released",
]

Pooling = Literal["mean", "first"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

Layers: TypeAlias = int | Literal["all"]
"""How many of the last layers are trained, or all that there is."""

_BATCH = 32
"""How many queries are read at a time."""
_HEAD = "head."
"""Stands before the names of the linear layer's tensors."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Network:
    """A transformer, and a linear layer over the mean of its last layer's vectors, or the first."""

    backbone: Backbone
    head: Linear
    pooling: Pooling

    @classmethod
    def fresh(
        cls, backbone: Backbone, bias: NDArray[np.float64], *, train: Layers, pooling: Pooling
    ) -> Network:
        """One that gives the same numbers for every text until it is trained.

        What is not trained is shared with `backbone`; what is, is a copy.

        Args:
            backbone: Read from a folder.
            bias: The numbers; shape (o,).
            train: Which layers of the transformer are trained.
            pooling: "mean" of the vectors of all tokens, or the "first".
        """
        import torch

        own = released(backbone, free(backbone.model, train))
        head = _linear(own, len(bias))
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(torch.as_tensor(bias))
        return cls(backbone=own, head=head, pooling=pooling)

    @classmethod
    def restored(
        cls, backbone: Backbone, trained: Mapping[str, Tensor], *, pooling: Pooling
    ) -> Network:
        """What `trained` described, over a backbone with all that is not trained.

        Raises:
            EstimatorError: The tensors are not those of such a network.
        """
        own = released(backbone, set(trained))
        there = dict(own.model.state_dict())
        body = {name: each for name, each in trained.items() if not name.startswith(_HEAD)}
        load(own.model, there | body)
        weight = trained[_HEAD + "weight"]
        head = _linear(own, len(weight))
        load(head, {"weight": weight, "bias": trained[_HEAD + "bias"]})
        return cls(backbone=own, head=head, pooling=pooling)

    @property
    def outputs(self) -> int:
        """How many numbers it says of a text, o."""
        return int(self.head.out_features)

    @property
    def trained(self) -> dict[str, Tensor]:
        """What is trained, by name; `restored` takes it."""
        named = self.backbone.model.named_parameters()
        body = {name: each for name, each in named if each.requires_grad}
        return body | {_HEAD + name: each for name, each in self.head.state_dict().items()}

    @property
    def modules(self) -> tuple[Module, ...]:
        """All its parts."""
        return self.backbone.model, self.head

    @property
    def body_parameters(self) -> list[Parameter]:
        """What is trained of the transformer."""
        return [each for each in self.backbone.model.parameters() if each.requires_grad]

    @property
    def head_parameters(self) -> list[Parameter]:
        """The linear layer's."""
        return list(self.head.parameters())

    def logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """What it says of texts with these tokens; shape (b, o)."""
        read, mask = last_vectors(self.backbone, ids)
        if self.pooling == "first":
            pooled = read[:, 0]
        else:
            shares = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
            pooled = (read * shares[:, :, None]).sum(dim=1)
        logits: Tensor = self.head(pooled)
        return logits


def last_vectors(backbone: Backbone, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """The last layer's vector of each token, shape (b, longest, h), and which tokens count."""
    import torch

    device = next(backbone.model.parameters()).device
    tokens, mask = (torch.as_tensor(each, device=device) for each in padded(ids, backbone.pad))
    read = backbone.model.base_model(input_ids=tokens, attention_mask=mask)
    return read.last_hidden_state, mask


def answers(
    logits: Callable[[Sequence[Sequence[int]]], Tensor], ids: Sequence[Sequence[int]], outputs: int
) -> NDArray[np.float64]:
    """What a learner says of any number of texts, read in batches of like length.

    Returns:
        Shape (q, o); what is read beside a text does not change it by more than rounding does.
    """
    import torch

    found = np.empty((len(ids), outputs))
    with torch.inference_mode():
        for rows in by_length(ids, _BATCH):
            found[rows] = logits([ids[row] for row in rows.tolist()]).double().cpu().numpy()
    return found


def free(model: Module, train: Layers) -> set[str]:
    """The names of the tensors of a transformer that are trained.

    Raises:
        EstimatorError: It has fewer layers.
    """
    names = [name for name, _ in model.named_parameters()]
    if train == "all":
        return set(names)
    path, count = _layers(model)
    if train > count:
        raise EstimatorError(
            f'train_layers is {train}; the backbone has {count} layers: give at most that, or "all"'
        )
    last = tuple(f"{path}.{place}." for place in range(count - train, count))
    return {name for name in names if name.startswith(last)}


def _layers(model: Module) -> tuple[str, int]:
    """Where the layers of a transformer are, and how many there are."""
    from torch.nn import ModuleList

    count = model.config.num_hidden_layers
    for path, module in model.named_modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return path, count
    raise EstimatorError(
        f"the backbone, a {type(model).__name__}, does not keep its {count} layers in one list, so "
        'that the last of them could be trained; give train_layers="all"'
    )


def released(backbone: Backbone, names: Collection[str]) -> Backbone:
    """A copy of a transformer in which these tensors are its own; the others are shared.

    Only its own are trained.
    """
    shared = {
        id(each): each for name, each in backbone.model.named_parameters() if name not in names
    }
    model = copy.deepcopy(backbone.model, shared)
    for name, each in model.named_parameters():
        each.requires_grad_(name in names)
    return replace(backbone, model=model)


def _linear(backbone: Backbone, outputs: int) -> Linear:
    from torch.nn import Linear

    device = next(backbone.model.parameters()).device
    with seeded(0):
        return Linear(int(backbone.config.hidden_size), outputs, device=device)
