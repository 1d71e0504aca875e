"""How numbers are written where people read them."""

from __future__ import annotations

import math

__all__ = ["UNKNOWN", "decimal", "dollars", "percent", "signed"]

UNKNOWN = "n/a"
"""Stands where a figure cannot be had."""

_MINUS = "\N{MINUS SIGN}"


def decimal(value: float, digits: int = 3) -> str:
    """A score, with so many digits after the point.

    Example:
        >>> decimal(0.65432), decimal(-0.5, 1), decimal(float("nan"))
        ('0.654', '−0.5', 'n/a')
    """
    if math.isnan(value):
        return UNKNOWN
    text = f"{abs(value):,.{digits}f}"
    return _MINUS + text if value < 0 and float(text.replace(",", "")) else text


def signed(value: float, digits: int = 3) -> str:
    """A difference, always with its sign.

    Example:
        >>> signed(0.0326), signed(-0.0101), signed(-0.00001)
        ('+0.033', '−0.010', '0.000')
    """
    text = decimal(value, digits)
    return f"+{text}" if value > 0 and any(each in "123456789" for each in text) else text


def percent(share: float, digits: int = 0) -> str:
    """A part of the whole.

    Example:
        >>> percent(0.256), percent(0.004), percent(0.0), percent(float("nan"))
        ('26 %', '<1 %', '0 %', 'n/a')
    """
    if math.isnan(share):
        return UNKNOWN
    least = 10.0**-digits
    if 0 < 100 * share < least / 2:
        return f"<{least:.{digits}f} %"
    return f"{decimal(100 * share, digits)} %"


def dollars(cost: float) -> str:
    """US dollars, to three figures; whole ones from 1,000 on.

    Example:
        >>> [dollars(cost) for cost in (0.000123, 0.5, 12.3456, 1234.6, 0.0, -0.25)]
        ['$0.000123', '$0.50', '$12.35', '$1,235', '$0', '−$0.25']
    """
    if not math.isfinite(cost):
        return UNKNOWN
    sign, size = (_MINUS if cost < 0 else ""), abs(cost)
    if size == 0:
        return "$0"
    if size >= 999.5:
        return f"{sign}${size:,.0f}"
    digits = max(2, 2 - math.floor(math.log10(size)))
    text = f"{size:.{digits}f}"
    if digits > 2:
        whole, _, part = text.partition(".")
        text = f"{whole}.{part.rstrip('0').ljust(2, '0')}"
    return f"{sign}${text}"
