"""A router in a folder, and back: data files named after their content, and one manifest.

`save` writes new data files beside the old ones and replaces the manifest last, so that a crash at
any moment leaves the old router or the new one. `load` checks what it reads and maps the arrays
into memory. `inspect` tells everything about a folder, `repair` rebuilds a damaged index. Nothing
is ever pickled.
"""

from __future__ import annotations

from .inspecting import FileState, StoreReport, inspect, repair
from .reading import Verify, load
from .saved import PROBE_TEXTS, Saved, check_probes
from .writing import check_target, save

__all__ = [
    "PROBE_TEXTS",
    "FileState",
    "Saved",
    "StoreReport",
    "Verify",
    "check_probes",
    "check_target",
    "inspect",
    "load",
    "repair",
    "save",
]
