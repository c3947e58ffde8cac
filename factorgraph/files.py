"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def write(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file by way of a temporary one beside it.

    A symbolic link is followed; what is no regular file (a device, a pipe) is written into.

    Parameters
    ----------
    sync : whether the data must have reached the disk before the file takes its name; not
        needed for what can be made again.

    Raises
    ------
    OSError : as the system says; the old file, if there was one, is then untouched.
    """
    with writing(path, sync=sync) as out:
        out(data)


def write_all(parts: Mapping[Path, bytes]) -> None:
    """Write files of one folder: where one of them cannot be written, none is changed.

    Parameters
    ----------
    parts : what each is to hold. They take their names in this order, once all are on the disk.

    Raises
    ------
    OSError : as the system says.
    """
    staged: dict[str, Path] = {}
    try:
        for name, data in parts.items():
            path = Path(os.path.realpath(name))
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            staged[temporary] = path
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
        for temporary, path in staged.items():
            os.replace(temporary, path)
    finally:
        for temporary in staged:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


@contextlib.contextmanager
def writing(path: Path, *, sync: bool = True) -> Iterator[Callable[[bytes], object]]:
    """Write a file part by part, with the promises of `write`; yield what writes a part."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("wb", buffering=0) as stream:
            yield stream.write
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out.write
            if sync:
                out.flush()
                os.fsync(out.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
