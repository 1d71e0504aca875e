"""Literal secrets in a file: finding them, and hiding them in messages.

What a user writes into a YAML file is read, shown and committed by many; a key has no place in it.
What looks like one is refused, and never repeated in a message.
"""

from __future__ import annotations

import re

__all__ = ["looks_secret", "names_secret", "redact"]

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


def _hide_if_random(token: re.Match[str]) -> str:
    text = token.group()
    if _UUID.fullmatch(text) or not (re.search("[0-9]", text) and re.search("[A-Za-z]", text)):
        return text
    parts = re.split("[_-]+", text)
    switches = sum(max(0, len(_RUN.findall(part)) - 1) for part in parts)
    return _HIDDEN if switches > _MOST_SWITCHES * sum(map(len, parts)) else text
