"""The models to choose from: what each is called, costs, can do and can take in.

A `ModelPool` is made from `pool.yaml` or in Python; the two check the same things. It says what a
model is, not how to reach it: keys and clients are the adapters' matter, and nothing here reads an
environment variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import GetPydanticSchema, PrivateAttr, model_validator

from knnrouter.errors import PoolError, UnknownModelError
from knnrouter.pool.columns import PoolColumns, match_columns
from knnrouter.pool.eligibility import eligible, room_for_prompt
from knnrouter.pool.fields import PoolModel
from knnrouter.pool.problems import pool_problems
from knnrouter.pool.spec import ModelSpec, RouterSettings
from knnrouter.records import Price
from knnrouter.yaml_files import FileModel, ProblemsFoundError, did_you_mean

__all__ = ["ModelPool"]

_MODELS = GetPydanticSchema(lambda _source, handler: handler(tuple[ModelSpec, ...]))


class ModelPool(PoolModel, frozen=True):
    """The models to choose from, and how to choose among them.

    Raises:
        PoolError: There is no model; two models share a name or an alias; the default or a
            fallback is no enabled model; or a field is wrong. The message names all of it.

    Example:
        >>> pool = ModelPool(models=[ModelSpec(name="small", aliases=["s"]), ModelSpec(name="big")])
        >>> pool.names, pool.spec("s").name
        (('small', 'big'), 'small')
    """

    nested: ClassVar[dict[str, type[FileModel]]] = {"models": ModelSpec, "router": RouterSettings}

    version: Literal[1] = 1
    """The version of the file's format."""
    router: RouterSettings = RouterSettings()
    """How to choose."""
    models: Annotated[Sequence[ModelSpec], _MODELS]
    """At least one model; kept as a tuple, in the order of the file."""
    _path: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self) -> ModelPool:
        router = self.router
        found = tuple(pool_problems(self.models, router.default, router.fallbacks))
        if found:
            raise ProblemsFoundError(found)
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> ModelPool:
        """Read a pool.yaml.

        Args:
            path: The file; `router.index` in it is relative to its folder.

        Returns:
            The pool.

        Raises:
            PoolError: The file cannot be read or is wrong; each problem with line and column.
        """
        from knnrouter.pool.reading import read_pool_file

        return read_pool_file(Path(path))

    @classmethod
    def from_text(cls, text: str, *, source: str = "pool.yaml") -> ModelPool:
        """Read a pool from the text of a pool.yaml.

        Args:
            text: YAML.
            source: What to call the text in errors.

        Returns:
            The pool; its `path` is None.

        Raises:
            PoolError: The text is wrong; each problem with line and column.

        Example:
            >>> ModelPool.from_text("models: [{name: small}, {name: big}]").names
            ('small', 'big')
        """
        from knnrouter.pool.reading import read_pool_text

        return read_pool_text(text, source=source)

    @classmethod
    def from_prices(cls, prices: Mapping[str, Price]) -> ModelPool:
        """A pool of the models that have a price, such as `RecordSet.prices`.

        Args:
            prices: A price for each model's name.

        Returns:
            The pool, in the order of the mapping.

        Raises:
            PoolError: There is none, or a name is no name.

        Example:
            >>> ModelPool.from_prices({"small": Price(0.25, 2.0)}).spec("small").price.input
            0.25
        """
        return cls(models=[ModelSpec(name=name, price=price) for name, price in prices.items()])

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of pool.yaml, for editors.

        Returns:
            A schema of draft 2020-12.

        Example:
            >>> sorted(ModelPool.json_schema()["properties"])
            ['models', 'router', 'version']
        """
        from knnrouter.pool.schema import json_schema

        return json_schema(cls)

    def to_yaml(self) -> str:
        """The pool as the text of a pool.yaml; `from_text` reads an equal pool from it.

        Returns:
            YAML; what is at its default is left out.

        Raises:
            PoolError: A value of `params` or `policy` is no plain data, or looks like a secret.

        Example:
            >>> print(ModelPool.from_prices({"on": Price(1e-6, 2)}).to_yaml(), end="")
            version: 1
            models:
            - name: 'on'
              price:
                input: 1.0e-06
                output: 2.0
        """
        from knnrouter.pool.reading import write_pool_text

        return write_pool_text(self)

    @property
    def path(self) -> Path | None:
        """The file that the pool was read from; None where it was made otherwise."""
        return self._path

    @property
    def index_path(self) -> Path | None:
        """The folder of the saved router that the pool names; None where it names none."""
        if self.router.index is None:
            return None
        return (self._path.parent if self._path else Path()) / self.router.index

    def stated_index_path(self) -> Path:
        """`index_path`, which must be stated.

        Raises:
            PoolError: It is not.
        """
        if self.index_path is None:
            raise PoolError(
                f"{self.path or 'the pool'}: router.index is not set; name the folder that "
                "`knnrouter build` wrote, relative to this file"
            )
        return self.index_path

    def at(self, path: Path) -> ModelPool:
        """The same pool as if read from a file there: `router.index` is relative to its folder."""
        moved = self.model_copy()
        moved._path = path  # type: ignore[misc] # private, so frozen does not hold it
        return moved

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all models, enabled or not, in the order of the file."""
        return tuple(spec.name for spec in self.models)

    @cached_property
    def enabled(self) -> tuple[ModelSpec, ...]:
        """The models that may be chosen, in the order of the file."""
        return tuple(spec for spec in self.models if spec.enabled)

    @cached_property
    def enabled_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(spec.name for spec in self.enabled)

    @cached_property
    def least_room(self) -> float:
        """The most prompt tokens that every enabled model takes; inf where no window is known."""
        return min(map(room_for_prompt, self.enabled), default=float("inf"))

    @cached_property
    def _by_name(self) -> dict[str, ModelSpec]:
        aliases = {alias: spec for spec in self.models for alias in spec.aliases}
        return {**aliases, **{spec.name: spec for spec in self.models}}

    def spec(self, name: str) -> ModelSpec:
        """The model of a name or an alias.

        Args:
            name: A model's name or one of its aliases.

        Returns:
            The model.

        Raises:
            UnknownModelError: No model has that name.
        """
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            raise UnknownModelError(
                f"the pool has no model {name!r}; its models are {', '.join(self.names)}"
                f"{did_you_mean(str(name), self._by_name)}"
            ) from None

    def columns(self, models: Sequence[str]) -> PoolColumns:
        """Which column of the records is which model's.

        Args:
            models: The models of the records, in the order of their columns.

        Returns:
            The columns in pool order, and what has no partner on either side.

        Raises:
            PoolError: A pool model matches two columns, or two pool models match one.
        """
        return match_columns(self.models, models)

    def eligible(
        self,
        *,
        allow: Iterable[str] | None = None,
        require: Iterable[str] = (),
        tags: Iterable[str] = (),
        prompt_tokens: int | None = None,
    ) -> tuple[str, ...]:
        """The models that may answer; `knnrouter.pool.eligible` tells more.

        Args:
            allow: Names or aliases to choose from; None for all.
            require: Capabilities that must all be had.
            tags: Tags that must all be had.
            prompt_tokens: Tokens of the prompt, which must fit; None leaves out nobody.

        Returns:
            At least one name, in pool order.

        Raises:
            UnknownModelError: `allow` has a name that is not in the pool.
            EmptyPoolError: No model is left; the message says for each what removed it.
        """
        return eligible(self, allow=allow, require=require, tags=tags, prompt_tokens=prompt_tokens)
