"""Inference on a graphics processor: by Numba's simulator everywhere, and refused without a device.

The tests themselves are in `simulated.py`, which runs in a process that asked for the simulator
before Numba was imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.engine import device
from factorgraph.errors import UsageError

HERE = Path(__file__).resolve().parent


def _there() -> bool:
    try:
        device.device()
    except UsageError:
        return False
    return True


@pytest.mark.parametrize("simulated", ["1", "0"])
def test_a_device_answers(simulated: str) -> None:
    pytest.importorskip("numba.cuda")
    if simulated == "0" and not _there():
        pytest.skip("no device here")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(HERE.parent), str(HERE / "simulated.py")],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": simulated},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def small() -> fg.FactorGraph:
    g = fg.FactorGraph()
    x = g.variables("x", 2, 2)
    g.factor([x[0], x[1]], np.eye(2))
    return g


@pytest.mark.skipif(_there(), reason="there is a device")
def test_no_device_is_said() -> None:
    with pytest.raises(UsageError, match="no CUDA device") as error:
        fg.infer(small().build(), "map", "minsum(device = cuda)")
    assert error.value.code == "E0918" and "fgc[cuda]" in str(error.value.hint)


def test_no_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    monkeypatch.delattr("numba.cuda", raising=False)
    with pytest.raises(UsageError) as error:
        fg.infer(small().build(), "marginals", "bp(device = cuda)")
    assert (error.value.code, error.value.hint) == ("E0915", "pip install 'fgc[cuda]'")


@pytest.mark.skipif(_there(), reason="there is a device")
def test_the_command_line_ends_with_2(
    tmp_path: Path, fgc: Callable[..., tuple[int, str, str]]
) -> None:
    file = tmp_path / "pair.uai"
    file.write_text("MARKOV\n2\n2 2\n1\n2 0 1\n4\n1 2 2 1\n")
    code, _, said = fgc("solve", str(file), "--task", "MAP", "--infer", "minsum(device = cuda)")
    assert code == 2 and "E0918" in said
