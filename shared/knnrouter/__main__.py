"""`python -m knnrouter` is the command `knnrouter`."""

from __future__ import annotations

from knnrouter.cli import main

if __name__ == "__main__":
    main()
