"""Good data made bad: values, arrays and bytes."""

from __future__ import annotations

import copy
import gzip
import io
import struct
import warnings
import zipfile
from functools import cache
from random import Random
from typing import Any

import numpy as np

VALUES: tuple[Any, ...] = (
    None, "_", "", 0, 1, -1, 2, 255, 256, 2**31, 2**53 + 1, 2**62, 2**63, -(2**63), 2**64, 10**30,
    0.0, -0.0, 0.5, 1.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
    True, False, [], [[]], {}, {"a": 1}, {"y": 0, "x": 0}, [0], [0, 1], [[0, 1]], [None], ["_"],
    "a", "0", "B-NP", "é", "\x00", "\ud800", "漢字", "x" * 2000, "I-", "-", "nan", "1e5", "C", "E",
    [1, "a"], [0, 3, "C"], [[0, 0, "C"]], [[0, 1], [1, 2]], [[1, 2], [3]],
)  # fmt: skip
"""What a value is changed to."""

FIELDS = ("x", "weight", "n", "y.lengths", "edge.a", "x.offsets", "", ".", "a.b.c", "é", "h", "v")


def _spots(data: Any) -> list[tuple[Any, Any]]:
    """Return each container with each of its keys, containers of many items not in full."""
    out: list[tuple[Any, Any]] = []
    todo = [data]
    while todo:
        one = todo.pop()
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        out += [(one, k) for k in keys[:8] + keys[-2:]]
        todo += [one[k] for k in keys[:4] + keys[-1:] if isinstance(one[k], list | dict)]
    return out


def values(random: Random, data: list[Any]) -> list[Any]:
    """Return data with a few values, fields or instances changed."""
    data = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        spots = _spots(data)
        if not spots:
            return data
        box, key = random.choice(spots)
        if not (
            (isinstance(box, dict) and key in box) or (isinstance(box, list) and key < len(box))
        ):
            continue
        match random.randrange(12):
            case 0 | 1 | 2:
                box[key] = copy.deepcopy(random.choice(VALUES))
            case 3:
                del box[key]
            case 4 if isinstance(box, list):
                box.insert(key, copy.deepcopy(box[key]))
            case 5:
                box[key] = [box[key]]
            case 6 if isinstance(box[key], list):
                box[key] = box[key][0] if box[key] and random.random() < 0.5 else []
            case 7:
                other, place = random.choice(spots)
                if (isinstance(other, dict) and place in other) or (
                    isinstance(other, list) and place < len(other)
                ):
                    box[key] = copy.deepcopy(other[place])
            case 8 if isinstance(box, dict):
                box[random.choice(FIELDS)] = box.pop(key)
            case 9 if isinstance(box, dict):
                box[random.choice(FIELDS)] = copy.deepcopy(random.choice(VALUES))
            case 10 if isinstance(box[key], int | float) and not isinstance(box[key], bool):
                box[key] = random.choice((-box[key], box[key] + 1, box[key] - 1, float(box[key]),
                                          str(box[key]), box[key] * 1e6))  # fmt: skip
            case 11 if isinstance(box[key], list):
                box[key] = box[key][: len(box[key]) // 2] if random.random() < 0.5 else box[key] * 2
    return data


def text(random: Random, data: bytes) -> bytes:
    """Return JSON or columns with characters or structure changed."""
    match random.randrange(8):
        case 0:
            at = random.randrange(len(data) + 1)
            return data[:at] + random.choice(INSERTS) + data[at:]
        case 1:
            depth = random.choice((50, 500, 100_000))
            mark = random.choice((b"[", b'{"a":', b"[[],", b'"\\u'))
            return data + b'{"x": ' + mark * depth
        case 2:
            depth = random.choice((20, 64, 1000))
            return data.replace(b"[", b"[" * depth, 1).replace(b"]", b"]" * depth, 1)
        case 3:
            return data.replace(b"\n", random.choice((b"\r", b"\r\n", b"\n\n", b" ", b"")))
        case 4:
            return b"1" * random.choice((400, 5000, 300_000)) + data
    return random_bytes(random, data)


INSERTS = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"{", b"]", b",", b"\xc3", b"\xed\xa0\x80",
    b"NaN", b"Infinity", b"1e999", b"-", b"\\ud800", b"\n", b"{}\n", b"null\n", b"[]\n", b"//",
    b'{"x": 1, "x": 2}\n', b"\t", b"_", b"0", b"9" * 30, b"\x1f\x8b\x08", b"'", b"\\",
)  # fmt: skip


def random_bytes(random: Random, data: bytes) -> bytes:
    """Return bytes with some flipped, lost, doubled or added."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        if not out:
            return bytes(out)
        at = random.randrange(len(out))
        match random.randrange(6):
            case 0 | 1:
                out[at] ^= 1 << random.randrange(8)
            case 2:
                out[at] = random.randrange(256)
            case 3:
                del out[at : at + random.choice((1, 2, 16, len(out)))]
            case 4:
                out[at:at] = out[at : at + random.choice((1, 8, 200))]
            case 5:
                out[at:at] = random.randbytes(random.choice((1, 4, 50)))
    return bytes(out)


# -- arrays

DTYPES = (
    "f8", "f4", "f2", ">f8", "i8", "i4", "i2", "i1", "u8", "u1", ">i4", "?", "U3", "U0", ">U2",
    "S2", "c16", "M8[s]", "m8[D]", "O", "V4", "f8,i4", "g",
)  # fmt: skip


def arrays(random: Random, data: dict[str, Any]) -> dict[str, Any]:
    """Return arrays with another type, shape or extent, or others besides."""
    data = dict(data)
    for _ in range(random.choice((1, 1, 2))):
        if not data:
            return data
        name = random.choice(sorted(data))
        array = data[name]
        match random.randrange(12):
            case 0 | 1:
                data[name] = _cast(array, random.choice(DTYPES))
            case 2:
                data[name] = array.reshape(-1)
            case 3:
                data[name] = array[: len(array) // 2] if array.ndim else array
            case 4:
                data[name] = np.asarray(array)[..., None] if random.random() < 0.5 else array[None]
            case 5:
                data[name] = np.asfortranarray(array.T if random.random() < 0.5 else array)
            case 6:
                del data[name]
            case 7:
                data[random.choice(FIELDS)] = array
            case 8:
                data[f"{name}.{random.choice(('offsets', 'lengths', 'lengths.offsets', 'a'))}"] = (
                    np.array(random.choice(([0], [0, 1], [0, 1, 2, 3], [3, 0], [-1, 2**62], [0.5])))
                )
            case 9 | 10:
                data[name] = _spoilt(random, array)
            case 11:
                data[name] = np.zeros(random.choice(((), (0,), (3, 0), (0, 3), (1,) * 33, (3,))),
                                      array.dtype)  # fmt: skip
    return data


def _cast(array: Any, dtype: str) -> Any:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return array.astype(dtype)
    except (ValueError, TypeError, OverflowError, RuntimeError):  # a date too far for a text
        return np.zeros(array.shape, dtype)


def _spoilt(random: Random, array: Any) -> Any:
    """Return an array with one element at an extreme."""
    if not array.size:
        return array
    array = array.copy()
    at = random.randrange(array.size)
    extremes = {
        "f": (np.nan, np.inf, -np.inf, 1e308, -0.0, 0.5, -1),
        "i": (-1, 2**62, -(2**62), 0, 1, 2**31, 255),
        "u": (0, 255), "U": ("", "_", "é", "\x00a", "I-"),
    }  # fmt: skip
    choices = extremes.get(array.dtype.kind)
    if choices:
        try:
            array.flat[at] = random.choice(choices)
        except (OverflowError, ValueError):
            array.flat[at] = array.flat[0]
        except RuntimeError:  # too many axes
            return array
    return array


# -- archives


def archive(random: Random, data: bytes) -> bytes:
    """Return an npz archive with its headers damaged, or of an odd make."""
    match random.randrange(7):
        case 0 | 1:
            return _header(random, data)
        case 2:
            return _directory(random, data)
        case 3:
            return _made(random, data)
        case 4:
            return _bomb(random)
    return random_bytes(random, data)


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def _packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return out.getvalue()


def _header(random: Random, data: bytes) -> bytes:
    """Change the header of one array; sizes and sums of the archive agree."""
    entries = _entries(data) or {"x.npy": b"\x93NUMPY\x01\x00"}
    name = random.choice(sorted(entries))
    array = entries[name]
    match random.randrange(4):
        case 0:
            array = array[: random.randrange(len(array) + 1)]
        case 1:
            head = bytearray(array[:128])
            head[random.randrange(min(128, len(head)))] = random.randrange(32, 127)
            array = bytes(head) + array[128:]
        case 2:
            shape = random.choice(("(99999999999,)", "(-1,)", "(2, 3, 4)", "()", "(0,)", "5",
                                   "(9223372036854775807, 2)", "(True,)", "(1.0,)"))  # fmt: skip
            descr = random.choice(("'<f8'", "'<i8'", "'|b1'", "'<U4'", "'|O'", "'<U999999999'",
                                   "[('a', '<f8')]", "None"))  # fmt: skip
            text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
            size = struct.pack("<H", len(text))
            array = b"\x93NUMPY\x01\x00" + size + text.encode() + array[128:]
        case 3:
            array = random_bytes(random, array)
    return _packed({**entries, name: array})


def _directory(random: Random, data: bytes) -> bytes:
    """Change a number of a local header or of the central directory."""
    out = bytearray(data)
    marks = [i for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")
             for i in range(len(out)) if out.startswith(mark, i)]  # fmt: skip
    at = random.choice(marks) + random.randrange(4, 46)
    if at + 4 <= len(out):
        struct.pack_into("<I", out, at, random.choice((0, 1, 2**31, 2**32 - 1, len(out))))
    return bytes(out)


def _made(random: Random, data: bytes) -> bytes:
    entries = _entries(data)
    match random.randrange(5):
        case 0:
            return _packed(entries, random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
        case 1:
            return _packed({f"../{n}": v for n, v in entries.items()})
        case 2:
            return _packed({**entries, "read.me": b"hello"})
        case 3:
            return gzip.compress(data)
    return _packed({})


def _bomb(random: Random) -> bytes:
    """A small archive that holds, or says that it holds, far more than the budget."""
    return _zeros(random.choice((30_000_000, 10**9, 10**15)))


@cache
def _zeros(count: int) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},), }}\n".encode()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    return _packed({"x.npy": array + bytes(min(count, 30_000_000))})


def packed_text(random: Random, data: bytes) -> bytes:
    """Return text packed by gzip, damaged or swollen."""
    match random.randrange(4):
        case 0:
            return gzip.compress(data + b" " * random.choice((1_000_000, 50_000_000)), 1)
        case 1:
            return gzip.compress(data) + gzip.compress(data)
        case 2:
            return gzip.compress(data)[: random.randrange(4, 40)]
    return random_bytes(random, gzip.compress(data))
