"""What lies in a state folder beside the own instance: other users' folders, and what is no instance."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.folder import free_siblings, instances, take_instance
from prismq_worker_sdk.outbox.looking import look
from prismq_worker_sdk.outbox.schema import open_database
from prismq_worker_sdk.system import SystemClock
from tests.support.users import ROOT, SOMEBODY, an_ordinary_user


@pytest.fixture
def state_dir():
    """A state folder of the ordinary user, with a folder in it that this user may not enter."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o711)
    folder = place / "state"
    folder.mkdir()
    if ROOT:
        os.chown(folder, SOMEBODY, SOMEBODY)
    for name in ("lost+found", "instance-0"):
        (folder / name).mkdir()
        (folder / name / "outbox.db").touch()
        (folder / name).chmod(0o000)
    yield folder
    for name in ("lost+found", "instance-0"):
        (folder / name).chmod(0o700)
    shutil.rmtree(place)


def test_a_worker_passes_over_what_it_may_not_enter_and_says_whose_it_is(state_dir):
    told = []
    with an_ordinary_user():
        mine = take_instance(state_dir)
        assert list(free_siblings(state_dir, mine, tell=told.append)) == []
        mine.release()

    assert mine.path.name == "instance-1"
    (said,) = told
    assert said.startswith(f"instance-0 of {state_dir} belongs to ")
    assert f"chown -R USER {state_dir}/instance-0" in said


def test_the_named_instance_of_another_user_is_refused_with_its_owner(state_dir):
    with an_ordinary_user(), pytest.raises(StateFolderError, match=r"instance-0 of .* belongs to"):
        take_instance(state_dir, "instance-0")


def test_commands_list_the_instance_of_another_user_and_cannot_read_it(state_dir):
    with an_ordinary_user():
        (found,) = instances(state_dir)
        assert found.name == "instance-0"
        with pytest.raises(StateFolderError, match=r"instance-0 of .* belongs to"):
            look(found)


def test_a_folder_that_cannot_be_written_is_still_a_failure_at_once(state_dir):
    state_dir.chmod(0o500)
    with (
        an_ordinary_user(),
        pytest.raises(StateFolderError, match=r"cannot be written \(Permission denied\)"),
    ):
        take_instance(state_dir)
    state_dir.chmod(0o700)


def test_what_is_no_instance_is_passed_over(tmp_path):
    (tmp_path / "plugins" / "outbox.db").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".Trash-0").mkdir()
    (tmp_path / ".Trash-0" / "outbox.db").touch()

    assert instances(tmp_path) == []
    assert instances(tmp_path / "none") == []


def test_what_root_makes_in_a_users_state_folder_belongs_to_the_user(state_dir):
    mine = take_instance(state_dir, "mine")
    open_database(mine.database).close()
    mine.database.write_bytes(b"this is no database" * 500)
    assert mend(mine.database, SystemClock().utc()) is not None
    mine.release()

    made = [mine.path, mine.database, mine.path / "lock"]
    assert {path.stat().st_uid for path in made} == {state_dir.stat().st_uid}


def test_a_lock_that_is_no_file_is_told_with_its_reason(tmp_path):
    (tmp_path / "instance-0").mkdir()
    os.mkfifo(tmp_path / "instance-0" / "lock")

    with pytest.raises(StateFolderError, match=r"instance-0 cannot be written \(.* not seekable"):
        take_instance(tmp_path)
