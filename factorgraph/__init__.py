"""fgc: a language for energy-based models.

>>> import factorgraph as fg
>>> model = fg.load("models/ocr/ocr.fg")          # doctest: +SKIP
>>> run = model.fit("train.npz", seed=0)          # doctest: +SKIP
>>> next(run.predict("test.npz"))                 # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factorgraph.data.python import read
    from factorgraph.engine.decoding import decode
    from factorgraph.engine.solve import (
        infer,
        k_best,
        log_partition,
        marginals,
        minimise,
        sample,
    )
    from factorgraph.errors import (
        BudgetError,
        DataError,
        FgError,
        InferenceError,
        ModelError,
        NotBuiltError,
        NumericalError,
        RunError,
        UsageError,
    )
    from factorgraph.factors.builder import FactorGraph
    from factorgraph.factors.check import check_factor
    from factorgraph.factors.kind import Kind
    from factorgraph.factors.registry import register
    from factorgraph.interop.formats.read import read as read_graph
    from factorgraph.pipeline import Model, Run, compile, load, load_run

__version__ = "0.1.0"

_WHERE = {
    "BudgetError": "errors",
    "DataError": "errors",
    "FactorGraph": "factors.builder",
    "FgError": "errors",
    "InferenceError": "errors",
    "Kind": "factors.kind",
    "Model": "pipeline",
    "ModelError": "errors",
    "NotBuiltError": "errors",
    "NumericalError": "errors",
    "Run": "pipeline",
    "RunError": "errors",
    "UsageError": "errors",
    "check_factor": "factors.check",
    "compile": "pipeline",
    "decode": "engine.decoding",
    "infer": "engine.solve",
    "k_best": "engine.solve",
    "load": "pipeline",
    "load_run": "pipeline",
    "log_partition": "engine.solve",
    "marginals": "engine.solve",
    "minimise": "engine.solve",
    "read": "data.python",
    "read_graph": "interop.formats.read",
    "register": "factors.registry",
    "sample": "engine.solve",
}

_CALLED = {"read_graph": "read"}
"""Names that are others where they are made."""

__all__ = [
    "BudgetError",
    "DataError",
    "FactorGraph",
    "FgError",
    "InferenceError",
    "Kind",
    "Model",
    "ModelError",
    "NotBuiltError",
    "NumericalError",
    "Run",
    "RunError",
    "UsageError",
    "check_factor",
    "compile",
    "decode",
    "infer",
    "k_best",
    "load",
    "load_run",
    "log_partition",
    "marginals",
    "minimise",
    "read",
    "read_graph",
    "register",
    "sample",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module 'factorgraph' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"factorgraph.{_WHERE[name]}"), _CALLED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
