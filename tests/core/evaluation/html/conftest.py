"""The browser of these tests: it must be there in CI, and is asked for elsewhere."""

import os

import pytest
from browser import chromium


@pytest.fixture(scope="session")
def browser():
    """Chromium is installed."""
    if chromium() is None:
        missing = "no `chromium` on the path; Debian has it as the package chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
