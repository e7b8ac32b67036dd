"""The server over https: workers and producers that trust its CA, a certificate that is renewed, files of no use."""

import pytest

from prismq_worker_sdk import ConnectionOptions, TaskManagerClient, Worker, WorkerSettings, task_handler
from prismq_worker_sdk.errors import ServerUnreachable, SettingsError
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.listening import bind
from tests.support.api import running_api
from tests.support.certificates import encrypted, split
from tests.support.processes import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_trusted")


def health(url, authority):
    client = TaskManagerClient(url, options=ConnectionOptions(ca_file=authority.file))
    try:
        return client.stats() is not None
    except ServerUnreachable as error:
        return str(error)
    finally:
        client.close()


def test_a_task_goes_all_the_way_over_https(ours, tmp_path):
    @task_handler("Test.Some")
    def some(params, ctx):
        return {"seen": params["q"]}

    certificate, key = split(ours.signs())
    with running_api(tmp_path, own_time=True, tls_cert=certificate, tls_key=key) as api:
        assert api.url.startswith("https://127.0.0.1:")
        client = TaskManagerClient(api.url, options=ConnectionOptions(ca_file=ours.file))
        task = client.submit("Test.Some", {"q": 7})
        worker = Worker(
            [some],
            settings=WorkerSettings(
                api_url=api.url, ca_file=ours.file, max_runs=1, state_dir=tmp_path / "state", worker_id="w"
            ),
        )
        assert worker.run() == 0
        assert client.get(task.id).result == {"seen": 7}
        client.close()


def test_a_certificate_that_was_renewed_is_shown_without_a_restart(ours, theirs, tmp_path):
    served = tmp_path / "served.pem"
    ours.signs(file=served)
    with running_api(tmp_path, tls_cert=served) as api:
        assert health(api.url, ours) is True
        theirs.signs(file=served)
        wait_until(lambda: health(api.url, theirs) is True, "the new certificate")
        assert "not signed by a CA that is trusted here" in health(api.url, ours)


def test_new_files_of_no_use_change_nothing(ours, tmp_path, caplog):
    served = tmp_path / "served.pem"
    ours.signs(file=served)
    with running_api(tmp_path, tls_cert=served) as api:
        assert health(api.url, ours) is True
        served.write_text("half a file")
        wait_until(lambda: "the old certificate is served on: --tls-cert names" in caplog.text, "the log")
        assert health(api.url, ours) is True


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            lambda _ours, folder: {"tls_cert": folder / "none"},
            r"--tls-cert names .*none, which cannot be read",
        ),
        (lambda ours, _folder: {"tls_cert": split(ours.signs())[0]}, r"--tls-cert .* holds no private key"),
        (
            lambda ours, _folder: {"tls_cert": ours.signs(), "tls_key": ours.signs()},
            r"--tls-key names .*, whose key is not that of the certificate",
        ),
        (
            lambda ours, _folder: {"tls_cert": ours.signs(), "tls_key": encrypted(split(ours.signs())[1])},
            r"--tls-key names .*, whose key is encrypted",
        ),
        (lambda ours, _folder: {"tls_key": ours.signs()}, r"--tls-key is given without --tls-cert"),
    ],
)
def test_files_that_cannot_be_served_with_are_refused_at_the_start(ours, tmp_path, files, told):
    with pytest.raises(SettingsError, match=told):
        bind(TaskManagerConfig(port=0, **files(ours, tmp_path)))
