"""What a worker makes is for its user alone, whatever the umask; what others may have put there is not used."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from prismq_worker_sdk.errors import StateFolderError
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.folder import free_siblings, take_instance
from prismq_worker_sdk.outbox.schema import open_database
from prismq_worker_sdk.system import SystemClock
from tests.support.users import ROOT, SOMEBODY, an_ordinary_user

needs_two_users = pytest.mark.skipif(not ROOT, reason="needs root, who can be two users")
STRANGER = SOMEBODY - 1


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def shared():
    """A state folder in which everybody can make something, with an instance of a stranger in it."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o711)
    folder = place / "state"
    folder.mkdir()
    folder.chmod(0o777)
    planted = folder / "instance-0"
    planted.mkdir()
    planted.chmod(0o777)
    open_database(planted / "outbox.db").close()
    for path in (planted, *planted.iterdir()):
        os.chown(path, STRANGER, STRANGER)
        path.chmod(0o777)
    yield folder
    shutil.rmtree(place)


def rights(path):
    return oct(path.lstat().st_mode & 0o777)


def test_all_that_a_worker_makes_is_for_its_user_alone(no_umask, tmp_path):
    mine = take_instance(tmp_path / "state")
    database = open_database(mine.database)
    database.execute("BEGIN IMMEDIATE")
    database.execute("COMMIT")
    made = {path.name: rights(path) for path in mine.path.iterdir()}
    database.close()
    mine.release()

    assert rights(tmp_path / "state") == rights(mine.path) == "0o700"
    assert made == dict.fromkeys(("lock", "outbox.db", "outbox.db-shm", "outbox.db-wal"), "0o600")


def test_what_is_left_of_a_damaged_outbox_is_for_its_user_alone(no_umask, tmp_path):
    mine = take_instance(tmp_path / "state")
    open_database(mine.database).close()
    mine.database.write_bytes(b"this is no database" * 500)
    assert mend(mine.database, SystemClock().utc()) is not None
    mine.release()

    assert {rights(path) for path in mine.path.iterdir()} == {"0o600"}


@needs_two_users
def test_an_instance_that_a_stranger_may_have_planted_is_passed_over(shared):
    told = []
    with an_ordinary_user():
        mine = take_instance(shared)
        assert list(free_siblings(shared, mine, tell=told.append)) == []
        mine.release()

    assert mine.path.name == "instance-1"
    assert "instance-0 of" in told[0]
    assert "belongs to" in told[0]


@needs_two_users
def test_an_instance_of_a_stranger_is_not_taken_by_its_name_either(shared):
    with an_ordinary_user(), pytest.raises(StateFolderError, match=r"instance-0 of .* belongs to"):
        take_instance(shared, "instance-0")


@needs_two_users
def test_a_link_of_a_stranger_to_a_folder_of_ours_is_not_followed(shared):
    shutil.rmtree(shared / "instance-0")
    (shared / "ours").mkdir()
    os.chown(shared / "ours", SOMEBODY, SOMEBODY)
    (shared / "instance-0").symlink_to("ours")
    os.chown(shared / "instance-0", STRANGER, STRANGER, follow_symlinks=False)
    with an_ordinary_user(), pytest.raises(StateFolderError, match=r"instance-0 of .* belongs to"):
        take_instance(shared, "instance-0")


@needs_two_users
def test_root_works_for_the_owner_of_a_state_folder_and_for_nobody_else(shared):
    os.chown(shared, SOMEBODY, SOMEBODY)
    with an_ordinary_user():
        take_instance(shared, "theirs").release()

    take_instance(shared, "theirs").release()
    with pytest.raises(StateFolderError, match="belongs to"):
        take_instance(shared, "instance-0")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("worth keeping")
    (tmp_path / "state" / "instance-0").mkdir(parents=True)
    (tmp_path / "state" / "instance-0" / "lock").symlink_to(victim)

    with pytest.raises(
        StateFolderError, match=r"instance-0 cannot be written \(Too many levels of symbolic links"
    ):
        take_instance(tmp_path / "state")
    assert victim.read_text() == "worth keeping"


def test_a_link_in_the_place_of_the_outbox_is_not_followed(tmp_path):
    (tmp_path / "state" / "instance-0").mkdir(parents=True)
    (tmp_path / "state" / "instance-0" / "outbox.db").symlink_to(tmp_path / "victim")

    with pytest.raises(StateFolderError, match=r"outbox\.db is a symbolic link"):
        take_instance(tmp_path / "state")
    assert not (tmp_path / "victim").exists()


def test_the_whole_state_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to("disk")
    take_instance(tmp_path / "state").release()

    assert (tmp_path / "disk" / "instance-0" / "lock").exists()
