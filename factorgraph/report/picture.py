"""Grey pictures as PNG files inside a page."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Any

LARGEST = 1 << 16
"""Pixels of a picture that is shown."""


def png(grey: bytes, height: int, width: int) -> bytes:
    """Return a PNG file of grey values, a byte a pixel, row by row.

    Reference: the PNG specification, chunks IHDR, IDAT and IEND.
    """
    rows = b"".join(b"\0" + grey[k * width : (k + 1) * width] for k in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def data_uri(image: Any, height: Any, width: Any) -> str | None:
    """Return a picture of a log as an address that holds it, None where it is damaged."""
    if not (isinstance(image, str) and isinstance(height, int) and isinstance(width, int)):
        return None
    if not 0 < height * width <= LARGEST or height < 0 or len(image) > 2 * LARGEST:
        return None
    try:
        grey = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(grey) != height * width:
        return None
    packed = base64.b64encode(png(grey, height, width)).decode("ascii")
    return f"data:image/png;base64,{packed}"
