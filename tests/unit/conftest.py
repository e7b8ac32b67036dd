import pytest

from prismq_worker_sdk.wire.tls import CA_VARIABLES


@pytest.fixture
def nothing_is_trusted(monkeypatch):
    """No variable of the environment names a CA."""
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ours(tmp_path):
    """The CA of the test."""
    from tests.support.certificates import Authority

    return Authority(tmp_path)


@pytest.fixture
def theirs(tmp_path):
    """Another CA."""
    from tests.support.certificates import Authority

    folder = tmp_path / "theirs"
    folder.mkdir()
    return Authority(folder)
