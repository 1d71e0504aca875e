"""Names to be left out that the source does not have: most often a slip of the pen."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

__all__ = ["ignore_faults"]


def ignore_faults(
    source: str, ignore: Iterable[str], known: Iterable[str], *, what: str = "column"
) -> Iterator[str]:
    """Find names to be left out that are not there.

    Args:
        source: Its path, for messages.
        ignore: Names to be left out.
        known: The names that the source has.
        what: What the names are of.

    Yields:
        A fault for each name that is not known, in alphabetical order.

    Example:
        >>> list(ignore_faults("a.csv", ["comment"], ["query", "comments"]))[0]
        "a.csv: ignore has 'comment', but there is no such column; the columns are 'query', \
'comments': did you mean 'comments'?"
    """
    names = list(dict.fromkeys(known))
    for name in sorted(set(ignore).difference(names)):
        near = difflib.get_close_matches(name, names, n=1)
        advice = f"did you mean {near[0]!r}?" if near else "correct the name, or leave it away"
        yield (
            f"{source}: ignore has {name!r}, but there is no such {what}; the {what}s are "
            f"{', '.join(map(repr, names))}: {advice}"
        )
