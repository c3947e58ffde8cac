"""Belief propagation beside PGMax: 50 flooding iterations, ours and the peer by turns.

Workloads: min-sum on grids (128x128, 16 states, truncated linear; 512x512, 8 states, Potts),
sum-product on 64x64 grids (Ising; 8 states, random tables) and on a random graph of 10,000
variables of 2 to 5 states with pairs and triples. PGMax takes part where it can be imported, by
this Python or by that which ``FGC_PEER_PYTHON`` names; it uses two threads. Every figure is the
median of rounds, in each of which all take turns in processes of their own; building and machine
code are not counted. Messages are those from factors of two variables or more.

`ratio` compares seconds by the clock, `processor_ratio` those of processors (of one thread of ours
with all of the peer's): on a busy machine only the latter counts.

``python propagation.py scale`` measures the cost of a message from 10^4 to 10^7 edges, of a ring
with random chords and of grids, and one run of 10^7 variables.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS, ITERATIONS = 5, 50
HERE = Path(__file__).resolve()
NAMES = ("w1a", "w1b", "w2a", "w2b", "w6")
MEASURED = {"w1a": (4.98, 2500.0), "w1b": (24.6, 9800.0), "w2a": (0.035, 300.0),
            "w2b": (0.416, 480.0), "w6": (0.431, 530.0)}  # fmt: skip
"""Seconds and megabytes of PGMax on a quiet machine of the same kind, where it is not there."""
BETHE = {"w2a": 4049.04210939, "w2b": 11102.66749392, "w6": 19143.83500315}
"""Bethe log Z by libDAI."""


def workloads() -> Any:
    for above in HERE.parents:
        if (above / "shared" / "bench" / "workloads.py").exists():
            sys.path.insert(0, str(above / "shared" / "bench"))
            import workloads as made

            return made
    raise SystemExit("no shared/bench/workloads.py here")


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], object]) -> dict[str, float]:
    clock, processor = [], []
    for _ in range(3):
        begun, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return {"seconds": statistics.median(clock), "processor_seconds": statistics.median(processor)}


# -- ours


def built(name: str) -> Any:
    """Return a workload as a graph of this library."""
    import factorgraph as fg

    made, g = workloads(), fg.FactorGraph()
    if name in ("w1a", "w1b"):
        model = made.load_w1(name)
        x = g.variables("x", len(model["unary"]), model["K"])
        g.factors(x[:, None], model["unary"])
        if model["kind"] == "potts":
            g.potts(model["edges"], model["w"])
        else:
            g.truncated_linear(model["edges"], 1.0, model["trunc"], model["w"])
    elif name == "w6":
        model = made.w6()
        for v, card in enumerate(model["cards"]):
            g.variable(f"v{v}", int(card))
        by: dict[tuple[int, ...], list[Any]] = {}
        for scope, table in model["factors"]:
            by.setdefault(table.shape, []).append((scope, -table))
        for each in by.values():
            g.factors(np.array([s for s, _ in each]), np.stack([t for _, t in each]))
    else:
        model = made.w2(name)
        x = g.variables("x", len(model["tu"]), model["K"])
        g.factors(x[:, None], -model["tu"])
        g.factors(model["edges"], -model["tp"])
    return g.build()


def ours(name: str, threads: int) -> dict[str, Any]:
    from factorgraph.engine.crew import crew
    from factorgraph.engine.flooding import Products
    from factorgraph.engine.incidence import incidence
    from factorgraph.engine.menu import step
    from factorgraph.engine.pairs import Pairs
    from factorgraph.engine.pairwise import pairwise
    from factorgraph.engine.problem import Problem
    from factorgraph.engine.watch import Watch

    graph = built(name)
    least = name.startswith("w1")
    problem = Problem(graph.structure, graph.values[0],
                      np.full(graph.structure.variables, -1, np.int32),
                      "map" if least else "marginals", threads=threads)  # fmt: skip
    algorithm = step("minsum" if least else "bp", {
        "iterations": ITERATIONS, "tolerance": 0, "schedule": "flooding",
    })  # fmt: skip
    found = algorithm.run(problem, Watch())
    out: dict[str, Any] = {"megabytes": megabytes()}
    out["energy" if least else "log_partition"] = found.energy if least else found.log_partition
    whole = timed(lambda: algorithm.run(problem, Watch()))
    with crew(threads) as workers:
        if least:
            pairs = Pairs(pairwise(problem, "benchmark"), workers)
            pairs.flood(0.0)
            out.update(timed(lambda: [pairs.flood(0.0) for _ in range(ITERATIONS)]))
            messages = len(pairs.scope)
        else:
            products = Products(incidence(problem), 1.0, workers)
            products.flood(True)
            out.update(timed(lambda: [products.flood(k % 5 == 4) for k in range(ITERATIONS)]))
            messages = len(products.graph.scope)
    out["all_seconds"] = whole["seconds"]
    out["messages"] = messages * ITERATIONS
    if not least:
        marginals = found.marginals
        assert marginals is not None and np.isfinite(marginals).all()
    return out


# -- the peer


def peer(name: str) -> dict[str, Any]:
    import jax
    from pgmax import fgraph, fgroup, infer, vgroup

    made = workloads()
    if name == "w6":
        model = made.w6()
        cards = np.asarray(model["cards"]).astype(np.int64)
        variables = vgroup.NDVarArray(num_states=cards, shape=(len(cards),))
        graph = fgraph.FactorGraph(variable_groups=variables)
        evidence = np.full((len(cards), 5), -1e9)
        by: dict[tuple[int, ...], list[Any]] = {}
        for scope, table in model["factors"]:
            if len(scope) == 1:
                evidence[scope[0], : len(table)] = table
            else:
                by.setdefault(table.shape, []).append((scope, table))
        for shape, each in by.items():
            graph.add_factors(fgroup.EnumFactorGroup(
                variables_for_factors=[[variables[i] for i in s] for s, _ in each],
                factor_configs=np.array(list(np.ndindex(*shape))),
                log_potentials=np.stack([t.ravel() for _, t in each]),
            ))  # fmt: skip
    else:
        model = made.w1_as_pairwise(name) if name.startswith("w1") else made.w2(name)
        variables = vgroup.NDVarArray(num_states=model["K"], shape=(len(model["tu"]),))
        each_variable = [variables[i] for i in range(len(model["tu"]))]
        graph = fgraph.FactorGraph(variable_groups=variables)
        graph.add_factors(fgroup.PairwiseFactorGroup(
            variables_for_factors=[
                [each_variable[a], each_variable[b]] for a, b in model["edges"]
            ],
            log_potential_matrix=model["tp"],
        ))  # fmt: skip
        evidence = model["tu"]
    propagation = infer.build_inferer(graph.bp_state, backend="bp")
    arrays = propagation.init(evidence_updates={variables: evidence})
    run = jax.jit(propagation.run, static_argnames=("num_iters", "temperature"))
    heat = 0.0 if name.startswith("w1") else 1.0

    def work() -> Any:
        found = run(arrays, num_iters=ITERATIONS, damping=0.0, temperature=heat)
        jax.block_until_ready(found.ftov_msgs)
        return found

    found = work()
    out: dict[str, Any] = timed(work)
    out["megabytes"] = megabytes()
    if name.startswith("w1"):
        beliefs = propagation.get_beliefs(found)
        states = np.asarray(infer.decode_map_states(beliefs)[variables])
        out["energy"] = made.energy_w1(made.load_w1(name), states)
    return out


# -- scale


def scale(edges: int, shape: str) -> dict[str, Any]:
    """Measure the cost of a message: of a grid in rows, or of a ring with random chords."""
    import factorgraph as fg
    from factorgraph.engine.crew import Crew
    from factorgraph.engine.pairs import Pairs
    from factorgraph.engine.pairwise import pairwise
    from factorgraph.engine.problem import Problem

    random, n = np.random.default_rng(0), edges // 2
    g = fg.FactorGraph()
    if shape == "grid":
        side = int(np.sqrt(n))
        x = g.variables("x", (side, side), 4)
        ends = np.concatenate([np.stack([x[:, :-1], x[:, 1:]], -1).reshape(-1, 2),
                               np.stack([x[:-1], x[1:]], -1).reshape(-1, 2)])  # fmt: skip
    else:
        x = g.variables("x", n, 4)
        around = np.stack([x, np.roll(x, -1)], 1)
        chords = np.stack([x, (x + random.integers(2, n - 2, n)) % n], 1).astype(np.int32)
        ends = np.concatenate([around, chords])
    g.factors(x.reshape(-1, 1), random.random((x.size, 4)))
    g.potts(ends, random.random(len(ends)))
    graph = g.build()
    before = megabytes()
    problem = Problem(graph.structure, graph.values[0], np.full(x.size, -1, np.int32))
    pairs = Pairs(pairwise(problem, "benchmark"), Crew())
    pairs.flood(0.0)
    sweeps = max(3, 10**6 // edges)
    used = timed(lambda: [pairs.flood(0.0) for _ in range(sweeps)])["processor_seconds"]
    return {
        "edges": len(ends), "shape": shape, "bytes_an_edge": pairs.bytes(0, 1, 4),
        "nanoseconds_a_message": 1e9 * used / sweeps / len(pairs.scope),
        "megabytes": megabytes(), "megabytes_before": before,
    }  # fmt: skip


def ten_million() -> dict[str, Any]:
    """Infer on 10^7 variables of 2 states, 2 * 10^7 edges, for ten sweeps, as a user would."""
    import factorgraph as fg
    from factorgraph.engine.menu import step
    from factorgraph.engine.problem import Problem
    from factorgraph.engine.watch import Watch

    random = np.random.default_rng(0)
    g = fg.FactorGraph()
    x = g.variables("x", (2500, 4000), 2)
    ends = np.concatenate([np.stack([x[:, :-1], x[:, 1:]], -1).reshape(-1, 2),
                           np.stack([x[:-1], x[1:]], -1).reshape(-1, 2)])  # fmt: skip
    g.factors(x.reshape(-1, 1), random.random((x.size, 2)))
    g.potts(ends, 0.4)
    graph = g.build()
    before, begun = megabytes(), time.perf_counter()
    problem = Problem(graph.structure, graph.values[0], np.full(x.size, -1, np.int32))
    found = step("minsum", {"iterations": 10}).run(problem, Watch())
    return {
        "variables": x.size, "edges": len(ends), "seconds": time.perf_counter() - begun,
        "energy": found.energy, "status": found.status, "megabytes": megabytes(),
        "megabytes_before": before,
    }  # fmt: skip


def child(python: str, *arguments: str) -> dict[str, Any] | None:
    """Run one part in a process of its own; None where the peer is not there, or was killed."""
    done = subprocess.run([python, str(HERE), "--child", *arguments],
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        # Killed: the largest grid takes it 10 GB, which may not be there.
        gone = done.returncode == -9 or "No module named 'pgmax'" in done.stderr
        if arguments[0] == "peer" and gone:
            return None
        raise SystemExit(f"{arguments} ended {done.returncode}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    if "--child" in sys.argv:
        what, *more = sys.argv[2:]
        work: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: ours(more[0], int(more[1])),
            "peer": lambda: peer(more[0]),
            "scale": lambda: scale(int(more[0]), more[1]),
            "ten-million": ten_million,
        }
        print(json.dumps(work[what]()))
        return
    arguments = sys.argv[1:]
    if "scale" in arguments:
        for shape in ("grid", "chords"):
            for edges in (10**4, 10**5, 10**6, 10**7):
                print(json.dumps(child(sys.executable, "scale", str(edges), shape)), flush=True)
        print(json.dumps(child(sys.executable, "ten-million")), flush=True)
        return
    rounds = int(arguments[0]) if arguments and arguments[0].isdigit() else ROUNDS
    python = os.environ.get("FGC_PEER_PYTHON", sys.executable)
    for name in [a for a in arguments if a in NAMES] or NAMES:
        child(sys.executable, "ours", name, "1")
        seen: dict[str, list[dict[str, Any]]] = {"1": [], "2": [], "peer": []}
        for _ in range(rounds):
            for who in seen:
                one = (
                    child(python, "peer", name) if who == "peer"
                    else child(sys.executable, "ours", name, who)
                )  # fmt: skip
                if one is not None:
                    seen[who].append(one)
        report(name, seen)


def report(name: str, seen: dict[str, list[dict[str, Any]]]) -> None:
    def median(who: str, key: str) -> float | None:
        values = [one[key] for one in seen[who] if key in one]
        return statistics.median(values) if values else None

    messages = seen["1"][0]["messages"]
    for who in ("1", "2"):
        line: dict[str, Any] = {"workload": name, "threads": int(who)}
        keys = ("seconds", "processor_seconds", "all_seconds", "megabytes", "energy",
                "log_partition")  # fmt: skip
        line.update({key: median(who, key) for key in keys})
        seconds = line["seconds"]
        line["million_messages_a_second"] = messages / seconds / 1e6
        if seen["peer"]:
            for key in ("seconds", "processor_seconds", "megabytes", "energy"):
                line[f"peer_{key}"] = median("peer", key)
            line["processor_ratio"] = line["peer_processor_seconds"] / line["processor_seconds"]
        else:
            line["peer_seconds"], line["peer_megabytes"] = MEASURED[name]
        line["peer"] = "in turns with ours" if seen["peer"] else "its seconds of before"
        line["ratio"] = line["peer_seconds"] / seconds
        line["memory_ratio"] = line["peer_megabytes"] / line["megabytes"]
        line["published"] = BETHE.get(name)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
