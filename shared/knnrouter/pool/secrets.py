"""Keys and environment variables in a pool: finding literal secrets, expanding `${VAR}`.

A pool.yaml is read, shown and committed by many; a key has no place in it. What looks like one is
refused, and never repeated in a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from knnrouter.errors import PoolError

__all__ = [
    "VARIABLE_NAME",
    "expand_env",
    "is_reference",
    "looks_secret",
    "malformed_reference",
    "names_secret",
    "redact",
    "variables_in",
]

VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$\$\{{|\$\{{({VARIABLE_NAME})(?::-([^{{}}]*))?\}}")
_WHOLE_REFERENCE = re.compile(rf"(?:(?:Bearer|Basic) )?\$\{{{VARIABLE_NAME}\}}")

_KNOWN_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|nvapi)-[A-Za-z0-9_-]{8,}"
    r"|(?:AIza|AKIA|ghp_|gho_|github_pat_|glpat-|gsk_|hf_|pplx-|r8_|xai-|xox[abprs]-)"
    r"[A-Za-z0-9]{16}[A-Za-z0-9_-]{0,200}"
    r"|Bearer [A-Za-z0-9._~+/=-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}"
    r")"
)
_URL_PASSWORD = re.compile(r"(?<=://)[^/@\s:]{1,200}:[^/@\s:${}]{1,200}(?=@)")
_URL_KEY = re.compile(
    r"([?&](?:[A-Za-z0-9_-]{0,40}[_-])?(?:api_?key|key|token|secret|password)=)[^&#\s$]{1,200}",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MOST_SWITCHES = 0.28  # from letters to digits and back, a character: words below, keys above
_SECRET_NAMES = (
    "api_key", "apikey", "access_key", "access_token", "api_token", "auth_token", "authorization",
    "password", "secret", "secret_key",
)  # fmt: skip
_HIDDEN = "(hidden)"


def looks_secret(text: str) -> bool:
    """Whether a text holds something that looks like a key or a password.

    Looked for are the beginnings that providers give their keys (`sk-`, `nvapi-`, `hf_` and so
    on), bearer tokens, passwords and keys in URLs, and tokens of 20 characters or more that mix
    letters and digits as random text does. A UUID is an id, no secret.

    Args:
        text: Any text.

    Returns:
        Whether to refuse it in a file.

    Example:
        >>> looks_secret("nvapi-0123456789abcdef")
        True
        >>> looks_secret("Meta-Llama-3.1-405B-Instruct-Turbo")
        False
    """
    return redact(text) is not text


def redact(text: str) -> str:
    """The text with everything that looks secret replaced by "(hidden)"; else `text` itself.

    >>> redact("unknown model 'sk-0123456789abcdef'")
    "unknown model '(hidden)'"
    """
    hidden = _TOKEN.sub(_hide_if_random, text)
    hidden = _URL_PASSWORD.sub(_HIDDEN, _KNOWN_KEYS.sub(_HIDDEN, hidden))
    hidden = _URL_KEY.sub(rf"\1{_HIDDEN}", hidden)
    return text if hidden == text else hidden


def names_secret(key: str) -> bool:
    """Whether a key of `params` by its name holds a secret.

    >>> names_secret("x-api-key"), names_secret("max_tokens")
    (True, False)
    """
    plain = key.lower().replace("-", "_")
    return any(plain == name or plain.endswith(f"_{name}") for name in _SECRET_NAMES)


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


def _hide_if_random(token: re.Match[str]) -> str:
    text = token.group()
    if _UUID.fullmatch(text) or not (re.search("[0-9]", text) and re.search("[A-Za-z]", text)):
        return text
    parts = re.split("[_-]+", text)
    switches = sum(max(0, len(_RUN.findall(part)) - 1) for part in parts)
    return _HIDDEN if switches > _MOST_SWITCHES * sum(map(len, parts)) else text
