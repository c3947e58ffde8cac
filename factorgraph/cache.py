"""One private folder for everything that can be made again: parse tables, emitted modules,
machine code.

What lies there is executed when it is read back (machine code is), so the folder must be the
user's alone: mode 0700, owned by the user, not a symbolic link. A folder that is not gets a
private temporary one in its stead, with a warning.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path

from factorgraph import files


class CacheWarning(UserWarning):
    """The cache folder cannot be trusted or written; a temporary one is used."""


def wanted() -> Path:
    """Return where the cache should be: ``FGC_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("FGC_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fgc"


def _complaint(path: Path) -> str | None:
    """Return why ``path`` cannot hold the cache, or None; makes it if it is not there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode) or not stat.S_ISDIR(info.st_mode):
            return "it is not a plain folder"
        if hasattr(os, "getuid") and info.st_uid != os.getuid():
            return "another user owns it"
        if hasattr(os, "getuid") and stat.S_IMODE(info.st_mode) & 0o022:
            return "others may write to it"
        if not os.access(path, os.W_OK | os.X_OK):
            return "it cannot be written"
    except OSError as error:
        return error.strerror or "it cannot be made"
    return None


@cache
def folder() -> Path:
    """Return the cache folder of this process, safe to load code from."""
    path = wanted()
    complaint = _complaint(path)
    if complaint is None:
        return path
    temporary = Path(tempfile.mkdtemp(prefix="fgc-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    warnings.warn(
        f"the cache folder {path} is not used: {complaint}; "
        "compiled code is kept for this process only",
        CacheWarning,
        stacklevel=2,
    )
    return temporary


def subfolder(name: str) -> Path:
    """Return the folder ``name`` inside the cache, made if need be."""
    path = folder() / name
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write(path: Path, data: bytes) -> None:
    """Write a file of the cache so that it is there whole or not at all."""
    files.write(path, data, sync=False)


def size() -> tuple[int, int]:
    """Return the number of files in the wanted cache folder and their bytes."""
    files = [p for p in wanted().rglob("*") if p.is_file()] if wanted().is_dir() else []
    return len(files), sum(p.stat().st_size for p in files)


def clear() -> int:
    """Delete what the cache holds, if the folder is the user's own; return the bytes freed."""
    path = wanted()
    if not path.is_dir() or _complaint(path) is not None:
        return 0
    _, freed = size()
    for name in ("tables", "emitted", "machine"):
        shutil.rmtree(path / name, ignore_errors=True)
    return freed
