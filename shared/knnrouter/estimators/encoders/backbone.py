"""A pretrained transformer with its tokenizer: read from a folder, kept as arrays of bytes.

The arrays are the configuration and the tokenizer as JSON, and the weights in the safetensors
format. They hold all that is needed to run the transformer where the folder is not.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from torch.nn import Module

__all__ = [
    "Backbone",
    "Family",
    "as_bytes",
    "as_text",
    "check_extra",
    "packed",
    "seeded",
    "unpacked",
]

Family = Literal["encoder", "causal_lm"]
"""What a transformer is for: to read a text as vectors, or to go on writing it."""


_UNREADABLE = (OSError, ValueError, AttributeError, ImportError, RuntimeError)
"""What transformers raises on a model that is not there, or is not what it can read."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Backbone:
    """A transformer in single precision, and the tokenizer that it was trained with."""

    model: Module
    tokenizer: Tokenizer
    """Of the tokenizers library, without padding and truncation of its own."""

    family: Family
    window: int
    """How many tokens it reads at most."""

    @classmethod
    def pretrained(cls, name: str, *, family: Family) -> Backbone:
        """Read a transformer from its folder, or from the hub's cache on this machine.

        Args:
            name: A folder, or the name of a model on the Hugging Face hub. A folder is read without
                the network; a name is fetched where it is not on this machine yet.
            family: What it is for.

        Raises:
            EstimatorError: There is no such transformer; or it needs code of its own, or a pickle;
                or its tokenizer has no fast form.
        """
        import transformers
        from safetensors import SafetensorError

        kept = {"local_files_only": Path(name).is_dir(), "trust_remote_code": False}
        kinds = {"encoder": transformers.AutoModel, "causal_lm": transformers.AutoModelForCausalLM}
        try:
            with seeded(0), _quiet():
                model = kinds[family].from_pretrained(name, use_safetensors=True, **kept)
                tokens = transformers.AutoTokenizer.from_pretrained(name, **kept)
                text = tokens.backend_tokenizer.to_str()
        except (*_UNREADABLE, SafetensorError) as error:
            raise EstimatorError(
                f"backbone {name!r} cannot be read ({error}); it must be a folder with "
                "config.json, model.safetensors and tokenizer.json, or a model's name on the "
                "Hugging Face hub: check the spelling, and the network where it is a name"
            ) from error
        limits = [tokens.model_max_length, getattr(model.config, "max_position_embeddings", None)]
        return cls(
            model=_settled(model),
            tokenizer=_tokenizer(text),
            family=family,
            window=int(min(limit for limit in limits if limit)),
        )

    @classmethod
    def restored(
        cls,
        arrays: Mapping[str, NDArray[np.generic]],
        *weights: Mapping[str, Tensor],
        family: Family,
    ) -> Backbone:
        """What `arrays` described, with all of these weights that are its own.

        Raises:
            EstimatorError: The arrays do not describe a transformer, or weights are missing.
        """
        import transformers

        stated, _ = _json(arrays, "config"), _json(arrays, "tokenizer")
        kinds = {"encoder": transformers.AutoModel, "causal_lm": transformers.AutoModelForCausalLM}
        try:
            with seeded(0), _quiet():
                config = transformers.AutoConfig.for_model(**stated["model"])
                model = kinds[family].from_config(config)
        except (KeyError, TypeError, ValueError) as error:
            raise EstimatorError(
                f"the array `config` describes no transformer ({error}); fit the router anew, or "
                "install the version of transformers that it was fitted with"
            ) from error
        names = set(model.state_dict())
        own = {name: each for part in weights for name, each in part.items() if name in names}
        load(model, own)
        return cls(
            model=_settled(model),
            tokenizer=_tokenizer(as_text(arrays, "tokenizer")),
            family=family,
            window=int(stated["window"]),
        )

    @property
    def pad(self) -> int:
        """The token that fills up short texts."""
        return int(self.config.pad_token_id or 0)

    @property
    def config(self) -> Any:  # noqa: ANN401  # of transformers
        """The configuration of the transformer."""
        return self.model.config

    @property
    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """All but the weights, for `restored`."""
        stated = {"model": self.config.to_dict(), "window": self.window}
        return {
            "config": as_bytes(json.dumps(stated, sort_keys=True)),
            "tokenizer": as_bytes(self.tokenizer.to_str()),
        }


def check_extra(what: str) -> None:
    """Refuse to go on without the packages that fine-tuning needs.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        raise MissingExtraError(what, extra="train")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from a seed of its own, and leave the caller's random state as it was."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def as_bytes(text: str) -> NDArray[np.uint8]:
    """A text as an array.

    Example:
        >>> as_bytes("ab").tolist()
        [97, 98]
    """
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def as_text(arrays: Mapping[str, NDArray[np.generic]], name: str) -> str:
    """The text of an array that `as_bytes` made.

    Raises:
        EstimatorError: There is no such array.

    Example:
        >>> as_text({"a": as_bytes("hi")}, "a")
        'hi'
    """
    return _found(arrays, name).tobytes().decode("utf-8")


def _json(arrays: Mapping[str, NDArray[np.generic]], name: str) -> Any:  # noqa: ANN401  # JSON
    try:
        return json.loads(as_text(arrays, name))
    except ValueError as error:  # no JSON, or no text at all
        raise EstimatorError(
            f"the array `{name}` holds no JSON ({error}); fit the router anew"
        ) from error


def packed(weights: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    """Tensors by name as an array of safetensors bytes; of those that are one, the first stays."""
    import safetensors.torch

    kept: dict[int, str] = {}
    for name, tensor in weights.items():
        kept.setdefault(tensor.data_ptr() if tensor.numel() else id(tensor), name)
    single = {name: weights[name].detach().cpu().contiguous() for name in kept.values()}
    return np.frombuffer(safetensors.torch.save(single), dtype=np.uint8)


def unpacked(arrays: Mapping[str, NDArray[np.generic]], name: str) -> dict[str, Tensor]:
    """The tensors of an array that `packed` made.

    Raises:
        EstimatorError: There is no such array, or it holds something else.
    """
    import safetensors
    import safetensors.torch

    content = _found(arrays, name).tobytes()
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise EstimatorError(
            f"the array `{name}` holds no weights in the safetensors format ({error}); fit the "
            "router anew"
        ) from error
    return tensors


def load(model: Module, weights: Mapping[str, Tensor]) -> None:
    """Set all weights of a transformer; those that are one with another need no name.

    Raises:
        EstimatorError: Weights are missing, are not the transformer's, or have another shape.
    """
    try:
        result = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        raise EstimatorError(
            f"the weights do not fit the transformer ({error}); fit the router anew"
        ) from error
    state = model.state_dict()
    there = {state[name].data_ptr() for name in weights if name in state}
    missing = [name for name in result.missing_keys if state[name].data_ptr() not in there]
    if missing or result.unexpected_keys:
        raise EstimatorError(
            f"the weights lack {len(missing)} of the transformer's tensors {missing[:3]}, and "
            f"hold {len(result.unexpected_keys)} others {result.unexpected_keys[:3]}; fit the "
            "router anew"
        )


def _found(arrays: Mapping[str, NDArray[np.generic]], name: str) -> NDArray[np.generic]:
    found = arrays.get(name)
    if found is None or found.dtype != np.uint8:
        what = "is missing" if found is None else f"holds {found.dtype} numbers"
        raise EstimatorError(
            f"the array `{name}` {what}; a fine-tuned transformer is kept as bytes: fit the router "
            "anew"
        )
    return found


def _settled(model: Any) -> Module:  # noqa: ANN401  # of transformers
    """In single precision, on torch's default device, not being trained."""
    import torch

    settled: Module = model.float().to(torch.get_default_device()).eval()
    return settled


def _tokenizer(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of transformers, which know of no terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
