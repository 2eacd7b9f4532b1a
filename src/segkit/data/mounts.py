"""Whether a lock on a file system holds for every machine that sees it, or for this one alone.

Linux says in /proc/self/mountinfo how a folder is mounted. NFS hands flock on to its server, unless
it is mounted with locks kept to the client; Lustre and CIFS have options of the same sense; FUSE
hands flock on only where its program does, and those below do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
OPTIONS = {  # of a kind of file system: what keeps locks to this machine
    "nfs": ("nolock", "local_lock=flock", "local_lock=all"),
    "nfs4": ("local_lock=flock", "local_lock=all"),
    "lustre": ("localflock",),
    "cifs": ("nobrl",),
    "smb3": ("nobrl",),
}
PROGRAMS = ("sshfs", "s3fs", "gcsfuse", "goofys", "rclone", "mountpoint-s3", "blobfuse", "davfs")


@dataclass(frozen=True)
class Mount:
    """How a folder is mounted."""

    point: str
    kind: str  # "nfs4", "ext4", "fuse.sshfs"
    options: tuple[str, ...] = ()

    @property
    def why_local(self) -> str:
        """Why locks on it are seen by this machine alone; empty where they hold for all."""
        for option in OPTIONS.get(self.kind, ()):
            if option in self.options:
                return f"{self.kind} at {self.point} is mounted with {option}"
        if self.kind.startswith("fuse.") and self.kind.removeprefix("fuse.").startswith(PROGRAMS):
            return f"{self.point} is {self.kind.removeprefix('fuse.')}, which keeps locks to itself"
        return ""


def mount_of(path: Path, table: str | None = None) -> Mount | None:
    """The mount that holds a path; None where the system does not say."""
    try:
        text = MOUNTS.read_text(encoding="utf-8") if table is None else table
    except OSError:
        return None
    place = path.absolute() if table is not None else path.resolve()
    found = [mount for mount in map(_read, text.splitlines()) if mount is not None]
    holding = [mount for mount in found if place.is_relative_to(mount.point)]
    # of two at one point the later lies on top
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)


def _read(line: str) -> Mount | None:
    """`22 1 0:20 / /home rw,noatime shared:1 - nfs4 server:/home rw,vers=4.2`"""
    head, sign, tail = line.partition(" - ")
    fields, rest = head.split(), tail.split()
    if not sign or len(fields) < 6 or len(rest) < 3:
        return None
    options = (*fields[5].split(","), *rest[2].split(","))
    return Mount(_unescaped(fields[4]), rest[0], options)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
