import pytest

from knnrouter.embedders import StaticEmbedder
from knnrouter.evaluation import lint


@pytest.fixture(scope="session")
def embedder():
    return StaticEmbedder()


@pytest.fixture
def found(embedder):
    """Lints, and gives the findings by code."""

    def look(*records, **settings):
        findings = lint(*records, embedder=embedder, **settings).findings
        by_code = {finding.code: finding for finding in findings}
        assert len(by_code) == len(findings), "a code occurs once"
        return by_code

    return look
