"""The disk below TINV_HOME: whether it can be written, has room, keeps locks, and goes by this machine's clock."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinv_tui import paths
from tinv_tui.cli.health.check import Check

_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs lustre gpfs beegfs ceph glusterfs pvfs2 orangefs afs 9p ncpfs wekafs panfs".split()
)
_NETWORK_IN_USER_SPACE = frozenset(
    "fuse.sshfs fuse.s3fs fuse.rclone fuse.gcsfuse fuse.davfs fuse.glusterfs fuse.ceph".split()
)
"""Their locks hold on one host at most, and a rename may be seen late."""
_SLOW_SYNC_SECONDS = 0.5
_CLOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Disk:
    """What a file made on it told."""

    folder: Path
    kind: str
    """Of its file system, as the system names it; empty where it does not say."""
    locks: bool
    sync_seconds: float
    """How long it took to get a small file onto the disk."""
    ahead_seconds: float
    """By how much the file's time is ahead of this machine's clock."""

    @property
    def is_remote(self) -> bool:
        return self.kind in _NETWORK or self.kind in _NETWORK_IN_USER_SPACE


def check_storage() -> list[Check]:
    folder = paths.home()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    checks = [check_home(folder, nearest), check_room(shutil.disk_usage(nearest).free)]
    try:
        disk = look_at(nearest)
    except OSError as error:
        failed = f"no file can be made in {nearest}: {error}"
        return [*checks, Check("file system", False, failed, "Set TINV_HOME to a folder of yours on a disk with room.")]
    return [*checks, check_file_system(disk), check_clock(disk)]


def look_at(folder: Path) -> Disk:
    """Make a small file there, and remove it. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder, prefix=".tinv-doctor-") as file:
        began, now = time.monotonic(), time.time()
        file.write(b"tinv-tui")
        file.flush()
        os.fsync(file.fileno())
        took = time.monotonic() - began
        ahead = os.fstat(file.fileno()).st_mtime - now
        try:
            os.lockf(file.fileno(), os.F_TLOCK, 0)
            locks = True
        except OSError:
            locks = False
    return Disk(folder, _kind_of(folder), locks, took, ahead)


def _kind_of(folder: Path) -> str:
    """That of the mount it lies on; of several on one point the last covers the others."""
    real = folder.resolve()
    kind, depth = "", -1
    for mount in psutil.disk_partitions(all=True):
        point = Path(mount.mountpoint)
        if real.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = mount.fstype, len(point.parts)
    return kind


def check_home(folder: Path, nearest: Path) -> Check:
    if os.access(nearest, os.W_OK):
        return Check("home", True, f"{folder}{'' if folder.exists() else ' (made when needed)'}")
    return Check("home", False, f"{folder} cannot be written", "Set TINV_HOME to a folder of yours.")


def check_room(free_bytes: int) -> Check:
    hint = "Runs need little; previews and copies add up. Remove old runs, or set TINV_HOME to another disk."
    return Check("disk", free_bytes > 2**30, f"{free_bytes / 2**30:.1f} GiB free", hint)


def check_file_system(disk: Disk) -> Check:
    """Runs live by locks, renames and syncs; a local disk has them all."""
    kind = f"{disk.kind or 'unknown'}{', over the network' if disk.is_remote else ''}"
    elsewhere = "Set TINV_HOME to a local disk, e.g. /var/tmp/$USER/tinv"
    if not disk.locks:
        hint = f"{elsewhere}; here a run's state is told by its heartbeat only."
        return Check("file system", False, f"{kind}: keeps no locks", hint)
    if disk.kind in _NETWORK_IN_USER_SPACE:
        hint = f"{elsewhere}, or attach to runs only from the host that trains."
        return Check("file system", False, f"{kind}: locks are not seen by other hosts", hint)
    if disk.sync_seconds > _SLOW_SYNC_SECONDS:
        said = f"{kind}: takes {disk.sync_seconds:.1f} s to keep a small file"
        return Check("file system", False, said, f"{elsewhere}: every checkpoint waits for it.")
    return Check("file system", True, f"{kind}: keeps locks, syncs in {disk.sync_seconds * 1000:.0f} ms")


def check_clock(disk: Disk) -> Check:
    """A file's time is the disk's server's, on a network disk."""
    if abs(disk.ahead_seconds) > _CLOCK_SECONDS:
        way = "ahead of" if disk.ahead_seconds > 0 else "behind"
        said = f"the disk's clock is {abs(disk.ahead_seconds):.0f} s {way} this machine's"
        return Check("clock", False, said, "Turn on time synchronisation: timedatectl set-ntp true, on both hosts.")
    if time.gmtime().tm_year < 2024:
        said = f"this machine believes it is {time.strftime('%Y-%m-%d')}"
        return Check("clock", False, said, "Set the clock: timedatectl set-ntp true. Runs are filed by their day.")
    return Check("clock", True, f"{time.strftime('%Y-%m-%d %H:%M')}, and the disk agrees")
