"""Values: objects that are equal where their fields are, and never change.

`dataclass(frozen=True)` writes six methods for each class when it is imported, which for the
hundred small classes of the language takes longer than to check a model. Here they are written
once, and a hash is computed once for each object.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any, ClassVar


class Value:
    """The root of dataclasses with ``eq=False, repr=False`` that behave as frozen ones."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[n] == theirs[n] for n in compared(type(self)))

    def __hash__(self) -> int:
        here = self.__dict__
        known: int | None = here.get("_hash")
        if known is None:
            known = hash((type(self), *[here[n] for n in compared(type(self))]))
            here["_hash"] = known
        return known

    def __repr__(self) -> str:
        shown = (f.name for f in fields(type(self)) if f.repr)
        inside = (f"{n}={self.__dict__[n]!r}" for n in shown)
        return f"{type(self).__name__}({', '.join(inside)})"

    def __getstate__(self) -> dict[str, Any]:
        return {n: v for n, v in self.__dict__.items() if n != "_hash"}


_compared: dict[type, tuple[str, ...]] = {}


def compared(cls: type) -> tuple[str, ...]:
    """Return the names of the fields by which values of a class are told apart."""
    names = _compared.get(cls)
    if names is None:
        names = _compared[cls] = tuple(f.name for f in fields(cls) if f.compare)
    return names
