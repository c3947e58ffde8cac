"""The emitted module: its text, and loading it.

The text is printed from the typed model only. It is written to the private cache because Numba
caches machine code by file; what runs is the text printed just now, never what lies in a file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.abc import InspectLoader
from types import CodeType, ModuleType
from typing import Any

from factorgraph import cache
from factorgraph.compiler import emit
from factorgraph.compiler.emit import Storage
from factorgraph.compiler.emit_loss import loss_function
from factorgraph.compiler.kinds import KindProgram, kind_program
from factorgraph.compiler.loss import LossProgram
from factorgraph.compiler.lower import lower
from factorgraph.compiler.program import Call, CallDefinition, Program, State
from factorgraph.errors import ModelError, NotBuiltError
from factorgraph.model.expression import ParamRead, walk
from factorgraph.model.model import Model

_KERNEL = "from factorgraph.jit import kernel\n"
_PICKS = "from factorgraph.factors.picks import sum_rows\n"
_HEAD = """\
import math

import numpy as np

from factorgraph.jit import kernel

INF = math.inf


@kernel(inline="always")
def square(x):
    return x * x


@kernel
def sigmoid(x):
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@kernel
def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@kernel
def touched(values):
    for value in values:
        if value != 0.0:
            return True
    return False
"""


@dataclass(frozen=True)
class Compiled:
    """A model compiled: programs, how weights are stored, and the emitted text.

    Attributes
    ----------
    storage : for each param, its axes in the order in which they are stored: the axes that data
        index first, those that states index last, so that a row of states is a run of memory.
    arguments : for each program's symbol, the names of the arrays that its functions take.
    evaluated : factors that have no small tables, with the reason: they are evaluated at
        configurations.
    calls : the maps that programs read and what they are fed with, those first that others need.
    kinds : factors of kinds that need no table: those that can have none, and others that may be
        grounded either way.
    """

    model: Model
    programs: tuple[Program, ...]
    storage: Storage
    loss: LossProgram | None
    text: str = field(repr=False)
    arguments: dict[str, list[str]]
    evaluated: dict[str, NotBuiltError]
    calls: tuple[Call, ...] = ()
    kinds: tuple[KindProgram, ...] = ()

    @property
    def every(self) -> tuple[Program, ...]:
        """The programs of factors, of kinds' numbers, and those that make the inputs of maps."""
        made = (call.program for call in self.calls)
        return (*self.programs, *_numbers(self.kinds), *(p for p in made if p is not None))

    @cached_property
    def reads(self) -> dict[str, tuple[int, ...]]:
        """The numbers of the calls that each program reads, by its symbol."""
        number = {call.definition: k for k, call in enumerate(self.calls)}
        costs = () if self.loss is None else tuple(p for cost in self.loss.costs for p in cost)
        return {
            p.symbol: tuple(number[c.definition] for c in p.calls) for p in (*self.every, *costs)
        }


def compile_model(model: Model, loss: LossProgram | None) -> Compiled:
    """Return the compiled form of a model and, if there is one, of its loss."""
    try:
        return _compile(model, loss)
    except RecursionError:
        raise too_deep() from None


def too_deep() -> ModelError:
    """Return the error for expressions that no compiler can nest."""
    return ModelError(
        "an expression nests too deep once `let` and `fun` are written out", code="E0004"
    )


def _compile(model: Model, loss: LossProgram | None) -> Compiled:
    found: list[Program] = []
    evaluated: dict[str, NotBuiltError] = {}
    for factor in model.factors.values():
        try:
            found += lower(model, factor)
        except NotBuiltError as error:
            evaluated[factor.name] = error
    programs = tuple(found)
    kinds = tuple(
        kind
        for name, factor in model.factors.items()
        for kind in [kind_program(model, factor, evaluated.get(name))]
        if kind is not None
    )
    for kind in kinds:
        evaluated.pop(kind.name, None)
    told = _numbers(kinds)
    storage = {name: _storage(name, model, _every((*programs, *told))) for name in model.params}
    scattered = {
        k.param for p in programs for k in p.picks if storage[k.param][0] != k.axis
    }  # a state indexes elsewhere what data pick here
    if scattered:
        programs = tuple(
            again
            for f in dict.fromkeys(p.name for p in programs)
            for again in lower(model, model.factors[f], scattered)
        )
    calls = _calls((*programs, *told))
    every = _every((*programs, *told))
    # nothing here depends on where the text lies, so that a run shares its model's machine code
    lines = ["# Emitted by fgc from a model text; made again when the model changes.", ""]
    picks = any(program.picks for program in programs)
    lines += _HEAD.replace(_KERNEL, _PICKS + _KERNEL if picks else _KERNEL).splitlines()
    arguments = {}
    costs = () if loss is None else tuple(p for cost in loss.costs for p in cost)
    for program in (*every, *costs):
        text, names = emit.factor(program, storage)
        lines += ["", "", *text]
        arguments[program.symbol] = names
    if loss is not None:
        lines += ["", "", *loss_function(loss)]
    return Compiled(model, programs, storage, loss, "\n".join(lines) + "\n", arguments,
                    evaluated, calls, kinds)  # fmt: skip


def _numbers(kinds: tuple[KindProgram, ...]) -> tuple[Program, ...]:
    return tuple(kind.numbers for kind in kinds if kind.numbers is not None)


def _every(programs: tuple[Program, ...]) -> tuple[Program, ...]:
    """Return some programs, and those of the inputs of the maps that they read."""
    return (*programs, *(c.program for c in _calls(programs) if c.program is not None))


def _calls(programs: tuple[Program, ...]) -> tuple[Call, ...]:
    """Return the distinct calls of some programs, those first that others need; the programs
    of their inputs are numbered."""
    found: dict[CallDefinition, Call] = {}

    def add(program: Program) -> None:
        for call in program.calls:
            if call.definition in found:
                continue
            if call.program is not None:
                add(call.program)
                call = replace(call, program=replace(call.program, piece=len(found) + 1))
            found[call.definition] = call

    for program in programs:
        add(program)
    return tuple(found.values())


def _storage(name: str, model: Model, programs: tuple[Program, ...]) -> tuple[int, ...]:
    """Return the axes of a param, those that states index last."""
    states: set[int] = set()
    for program in programs:
        for node in emit.everything(program.body):
            if isinstance(node, ParamRead) and node.name == name:
                for k, index in enumerate(node.indices):
                    if any(isinstance(p, State) for p in walk(index)):
                        states.add(k)
    rank = len(model.params[name].axes)
    return tuple(sorted(range(rank), key=lambda k: (k in states, k)))


class _Loader(InspectLoader):
    """Runs a text under the name of the file that holds it."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path

    def get_source(self, fullname: str) -> str:
        return self.text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.text, self.path)

    def is_package(self, fullname: str) -> bool:
        return False


def module_name(text: str) -> str:
    """Return the name under which the module of an emitted text is loaded."""
    return f"factorgraph_emitted_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def load(text: str) -> ModuleType:
    """Return the module of an emitted text, compiled lazily and cached by Numba.

    The same text gives the same module object within a process.
    """
    name = module_name(text)
    if name in sys.modules:
        return sys.modules[name]
    path = cache.subfolder("emitted") / f"{name}.py"
    data = text.encode("ascii")
    if not path.exists() or path.read_bytes() != data:
        cache.write(path, data)
    spec = importlib.util.spec_from_loader(name, _Loader(text, str(path)), origin=str(path))
    assert spec is not None and spec.loader is not None
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError:
        del sys.modules[name]
        raise too_deep() from None
    except BaseException:
        del sys.modules[name]
        raise
    return module


def energy_function(module: ModuleType, symbol: str) -> Callable[..., Any]:
    """Return the emitted function that fills a program's tables."""
    return getattr(module, f"energy{symbol}")  # type: ignore[no-any-return]


def gradient_function(module: ModuleType, symbol: str) -> Callable[..., Any] | None:
    """Return the emitted function that adds a program's gradient, None if it has no params."""
    return getattr(module, f"gradient{symbol}", None)
