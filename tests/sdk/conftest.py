import uuid

import pytest

from support import forget_requests, requests_at_provider


@pytest.fixture(autouse=True)
def provider_accepts_what_arrives():
    forget_requests()
    yield
    assert [request for request in requests_at_provider() if not request["accepted"]] == []


@pytest.fixture
def model():
    """A name of the test's own: the provider holds its streams by model."""
    return f"model-{uuid.uuid4()}"
