"""The start of the command `knnrouter`, which `python -m knnrouter` is too.

It imports next to nothing, so that Ctrl-C is answered while the rest is still being imported.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command of `sys.argv`, and end the process with its exit code."""
    try:
        from knnrouter.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)  # 128 and the number of SIGINT, as shells have it


if __name__ == "__main__":
    main()
