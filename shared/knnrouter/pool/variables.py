"""Environment variables in a pool: `${VAR}` in its texts, found and expanded."""

from __future__ import annotations

import re
from collections.abc import Mapping

from knnrouter.errors import PoolError
from knnrouter.yaml_files.secrets import redact

__all__ = [
    "VARIABLE_NAME",
    "expand_env",
    "is_reference",
    "malformed_reference",
    "variables_in",
]

VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$\$\{{|\$\{{({VARIABLE_NAME})(?::-([^{{}}]*))?\}}")
_WHOLE_REFERENCE = re.compile(rf"(?:(?:Bearer|Basic) )?\$\{{{VARIABLE_NAME}\}}")


def is_reference(text: str) -> bool:
    """Whether a text is a reference to an environment variable and nothing else.

    >>> is_reference("Bearer ${TOKEN}"), is_reference("${TOKEN:-abc}")
    (True, False)
    """
    return _WHOLE_REFERENCE.fullmatch(text) is not None


def malformed_reference(text: str) -> bool:
    """Whether a `${` of the text is neither `${NAME}` nor `${NAME:-default}` nor escaped.

    >>> malformed_reference("${HOST}:${PORT:-80} $${kept}"), malformed_reference("${HOST")
    (False, True)
    """
    return "${" in _REFERENCE.sub("", text)


def variables_in(text: str) -> tuple[str, ...]:
    """The environment variables that a text refers to, in its order.

    >>> variables_in("https://${HOST}:${PORT:-80}/$${kept}")
    ('HOST', 'PORT')
    """
    return tuple(match[1] for match in _REFERENCE.finditer(text) if match[1])


def expand_env(text: str, environ: Mapping[str, str]) -> str:
    """Put the values of environment variables into a text.

    Done when a client is built, never when a file is read, so that routing needs no key.

    Args:
        text: Text with `${NAME}`, `${NAME:-default}` (the default also where the variable is
            empty), and `$${` for a literal `${`. Values are not expanded again.
        environ: The variables, such as `os.environ`.

    Returns:
        The expanded text. It may hold a secret: do not print it.

    Raises:
        PoolError: A variable is not set and has no default, or a reference is malformed.

    Example:
        >>> expand_env("${HOST:-localhost}:${PORT}/$${id}", {"PORT": "8080"})
        'localhost:8080/${id}'
    """
    if malformed_reference(text):
        raise PoolError(
            f"{redact(text)!r} holds a malformed reference; allowed are ${{NAME}} and "
            "${NAME:-default}; write $${ for a literal ${"
        )
    unset = sorted(
        {
            match[1]
            for match in _REFERENCE.finditer(text)
            if match[1] and match[2] is None and match[1] not in environ
        }
    )
    if unset:
        raise PoolError(
            [
                f"the environment variable {name} is not set, and the pool refers to it; set it, "
                f"or give it a default: ${{{name}:-value}}"
                for name in unset
            ]
        )
    return _REFERENCE.sub(lambda match: _value(match, environ), text)


def _value(match: re.Match[str], environ: Mapping[str, str]) -> str:
    name, default = match[1], match[2]
    if name is None:
        return "${"
    value = environ.get(name, "")
    return value if value or default is None else default
