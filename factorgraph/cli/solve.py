"""``fgc solve``: answers for graphs in the formats of other systems."""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorgraph.cli import options as o
from factorgraph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factorgraph.engine.outcome import Point
    from factorgraph.interop.formats.instance import Instance
    from factorgraph.interop.formats.solve import Answer

EVERY = 2.0  # seconds between two lines of progress


class Task(StrEnum):
    """What is asked, by the names of the UAI competitions."""

    MAP = "MAP"
    MAR = "MAR"
    PR = "PR"


def solve(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A graph: .uai, libDAI's .fg, .wcsp, .cfn, .alist, .qc, also .gz; - reads stdin.",
        ),
    ],
    evid: Annotated[
        str | None, typer.Option("--evid", metavar="FILE", help="Evidence, as UAI writes it.")
    ] = None,
    task: Annotated[
        Task,
        typer.Option(
            "--task",
            case_sensitive=False,
            help="MAP: a configuration of least energy; MAR: marginals; PR: log10 of the sum.",
        ),
    ] = Task.MAP,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A UAI solution file; - is stdout, the default."
        ),
    ] = "-",
    infer: Annotated[
        str | None,
        typer.Option("--infer", metavar="STEPS", help="Algorithms: exact, trws + icm, ..."),
    ] = None,
    beta: Annotated[float, typer.Option(help="Inverse temperature, of MAR and PR.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = 0,
    threads: o.Threads = None,
    llr: Annotated[
        str | None,
        typer.Option(
            "--llr",
            metavar="FILE",
            help="For codes: log p(y|0)/p(y|1) of each bit sent, one frame or several.",
        ),
    ] = None,
    bsc: Annotated[
        float | None,
        typer.Option(
            "--bsc", metavar="P", help="For codes: bits of --word were flipped with probability P."
        ),
    ] = None,
    word: Annotated[
        str | None,
        typer.Option("--word", metavar="FILE", help="The bits received with --bsc; else stdin."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="uai, libdai, wcsp, cfn, alist or qc."),
    ] = None,
    budget_memory: o.Budget = None,
    budget_time: o.BudgetTime = None,
    json: o.Json = False,
) -> None:
    """Answer for a graph of another system's format."""
    o.limit(budget_memory)
    if not 0 < beta < float("inf"):
        raise UsageError("--beta is a positive number", code="E0910")
    if word is not None and bsc is None:
        raise UsageError("--word is for --bsc", code="E0911")
    if llr is not None and bsc is not None:
        raise UsageError("--llr and --bsc do not go together", code="E0911")
    inputs = [path for path in (file, evid, llr, word) if path is not None]
    if inputs.count("-") + (bsc is not None and word is None) > 1:
        raise UsageError("only one input comes from stdin", code="E0911")
    if output != "-":
        o.keep_inputs(output, *inputs)
    from factorgraph.engine.menu import steps
    from factorgraph.engine.watch import Watch
    from factorgraph.interop.formats.read import read
    from factorgraph.interop.formats.solution import solution
    from factorgraph.interop.formats.solve import solve as answer
    from factorgraph.interop.formats.solve import solve_frames
    from factorgraph.jit import once

    asked = None if infer is None else steps(infer)
    watch = Watch(budget_time, _progress())
    instance = read(file, evid, format=format_)
    frames = _frames(instance, llr, bsc, word)
    answers = []
    if len(frames) > 1 and task.value == "MAP":
        answers = solve_frames(
            frames, asked, beta=beta, seed=seed, threads=_threads(threads), watch=watch
        )
        frames = frames[: len(answers)]
    for frame in frames[len(answers) :]:
        with once() if len(frames) == 1 else nullcontext():
            answers.append(
                answer(
                    frame,
                    task.value,
                    asked,
                    beta=beta,
                    seed=seed,
                    threads=_threads(threads),
                    watch=watch,
                )
            )
        if watch.over:
            break
        watch = Watch(None if budget_time is None else budget_time - watch.seconds, _progress())
    text = solution(frames[0].structure, answers)
    whole = None if output == "-" else output
    if whole is not None:
        o.write(whole, text, *inputs)
    if json:
        for each in answers:
            _say_notes(each)
        told = [_told(frame, each, whole is None) for frame, each in zip(frames, answers)]
        head = {"file": file, "format": instance.format, "task": task.value}
        o.say_json(head | (told[0] if len(frames) == 1 else {"frames": told}))
        return
    if whole is None:
        o.say(text.rstrip("\n"))
    for each in answers:
        _say_notes(each)
        line = _summary(each)
        if whole is None:
            sys.stderr.write(line + "\n")
        else:
            o.say(line)


def _frames(
    instance: Instance, llr: str | None, bsc: float | None, word: str | None
) -> Sequence[Instance]:
    if llr is None and bsc is None:
        return (instance,)
    from factorgraph.interop.formats.channel import coded, heard, read_ratios, read_word

    bits = coded(instance)
    if llr is not None:
        return heard(instance, read_ratios(llr, bits))
    assert bsc is not None
    return heard(instance, read_word("-" if word is None else word, bits, bsc))


def _threads(asked: int | None) -> int:
    if asked is not None:
        return asked
    import os

    # As learn.shards counts them, whose import would take longer than a small graph.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _progress() -> Any:
    """Return what writes a line to stderr every two seconds, and nothing before."""
    last = [0.0]

    from factorgraph.engine.outcome import in_full

    def hear(point: Point, iteration: int) -> None:
        # An answer that is proven is told in a moment anyway.
        if point.seconds - last[0] >= EVERY and point.energy > point.bound:
            last[0] = point.seconds
            energy = (
                "no answer yet"
                if math.isinf(point.energy)
                else f"energy {in_full(point.energy, 9)}"
            )
            bound = "" if math.isinf(point.bound) else f", bound {in_full(point.bound, 9)}"
            sys.stderr.write(f"{point.seconds:.0f} s, iteration {iteration}: {energy}{bound}\n")
            sys.stderr.flush()

    return hear


def _say_notes(answer: Answer) -> None:
    for note in answer.notes:
        sys.stderr.write(f"note: {note}\n")


def _summary(answer: Answer) -> str:
    """Return an answer in a line."""
    from factorgraph.engine.outcome import in_full

    parts = []
    if math.isfinite(answer.energy):
        parts.append(f"energy {in_full(answer.energy)} (log10 {answer.log10:.9g})")
    if answer.task != "MAP" and answer.estimate:
        parts.append(answer.estimate)
    if math.isfinite(answer.bound) and answer.gap != 0:
        parts.append(f"bound {in_full(answer.bound)}")
    parts += [answer.status, answer.reason, f"{answer.outcome.seconds:.3g} s"]
    return "; ".join(parts)


def _told(instance: Instance, answer: Answer, values: bool) -> dict[str, Any]:
    """Return an answer as plain values.

    Parameters
    ----------
    values : whether states or marginals are among them; else they are in the solution file.
    """
    outcome = answer.outcome
    out: dict[str, Any] = {
        "energy": answer.energy,
        "log10": answer.log10,
        "bound": answer.bound,
        "gap": answer.gap,
        "status": answer.status,
        "seconds": outcome.seconds,
        "algorithm": outcome.algorithm,
        "reason": answer.reason,
        "iterations": outcome.iterations,
        "residual": outcome.residual,
        "variables": instance.variables,
        "factors": sum(len(g.table) for g in instance.structure.groups)
        + sum(len(g.table) for g in instance.structure.kinds),
        "trace": [
            [p.seconds, p.energy + instance.offset, p.bound + instance.offset]
            for p in outcome.trace
        ],
    }
    if answer.task != "MAP":
        out["log_partition_is"] = outcome.log_partition_is
    if outcome.notes or answer.notes:
        out["notes"] = [*outcome.notes, *answer.notes]
    if instance.format in ("wcsp", "cfn"):
        out["cost"] = -answer.energy if instance.maximised else answer.energy
    if not values:
        return out
    if instance.names:
        out["names"] = list(instance.names)
    if answer.task == "MAP" and answer.states is not None:
        out["states"] = answer.states.tolist()
        if instance.states:
            named = zip(instance.states, out["states"], strict=True)
            out["values"] = [names[k] if names else k for names, k in named]
    if answer.task == "MAR" and answer.marginals is not None:
        offset = instance.structure.state_offset.tolist()
        flat = answer.marginals.tolist()
        out["marginals"] = [flat[a:b] for a, b in zip(offset, offset[1:], strict=False)]
    return out
