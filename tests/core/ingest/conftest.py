from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    return Path(__file__).parents[2] / "data" / "records"


@pytest.fixture
def write(tmp_path):
    """Write a file into an empty folder; text as UTF-8, bytes as they are."""

    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write
