"""Which kind of file system holds a path, and whether locks on it can be trusted (R39)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes


NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "gpfs", "beegfs"}
    | {"ocfs2", "gfs2", "orangefs", "pvfs2", "coda", "panfs", "davfs", "davfs2", "fuse.davfs", "fuse.davfs2"}
    | {"fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.juicefs", "fuse.goofys", "fuse.curlftpfs"}
    | {"fuse.moosefs", "fuse.lizardfs", "fuse.mfs"}
)
NETWORK_FAMILIES = ("fuse.sshfs", "fuse.gluster", "fuse.s3", "fuse.rclone", "fuse.blobfuse")
UNPROVEN = frozenset({"9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "drvfs", "fakeowner", "fuse"})
"""Folders of the host of a virtual machine, and what does not say what it is."""

LOCAL_FUSE = frozenset(
    {"fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs", "fuse.ntfs-3g", "fuse.exfat"}
    | {"fuse.fuse2fs", "fuse.lxcfs"}
)
DRIVE_REMOTE = 4
"""What GetDriveTypeW answers for a network drive."""

ESCAPED = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path, *, mounts: str | None = None) -> str | None:
    """The kind of network file system that holds the path, None where it is none for certain (R39).

    Args:
        path: An existing path.
        mounts: The text of /proc/self/mounts, for tests.
    """
    if sys.platform == "win32":
        drive = Path(path).resolve().anchor
        return "a network drive" if ctypes.windll.kernel32.GetDriveTypeW(drive) == DRIVE_REMOTE else None
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        kind = _kind(path, mounts)
        return kind if kind in NETWORK or kind.startswith(NETWORK_FAMILIES) else None


def unproven_file_system(path: Path, *, mounts: str | None = None) -> str | None:
    """The kind of file system that holds the path where its locks may or may not hold: a host's folder, unknown FUSE.

    Args:
        path: An existing path, on no network file system.
        mounts: The text of /proc/self/mounts, for tests.
    """
    kind = _kind(path, mounts)
    return kind if kind in UNPROVEN or (kind.startswith("fuse.") and kind not in LOCAL_FUSE) else None


def _kind(path: Path, mounts: str | None) -> str:
    """What the mount table says of the path, "" where there is none."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    resolved = path.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, kind
            continue
        point = Path(ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[1]))
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind
