"""``fgc check``: is the text right?"""

from __future__ import annotations

from typing import Annotated

import typer

from factorgraph.cli import options as o


def check(
    model: o.ModelPath,
    loss: o.Loss = None,
    set_: o.Settings = None,
    without: o.Without = None,
    pedantic: Annotated[
        bool, typer.Option("--pedantic", help="Warn of what is legal, but hardly meant.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Check a model: names, kinds, shapes, every error in one run; and judge its loss.

    The verdict stands alone on its line (SAFE, SAFE BY ARCHITECTURE, WEAK, UNSAFE, ERROR or
    UNKNOWN), reasons follow. UNSAFE and ERROR end with exit code 2.
    """
    import sys

    checked = o.model(model, loss=loss, settings_=set_, without=without)
    warnings = checked.warnings(pedantic=pedantic)
    probes = [] if checked.loss is None else [str(p) for p in checked.loss.probes]
    missing = checked.missing() if checked.has_loss else None
    unanswered = checked.unanswered()
    factors = len(checked.checked.factors)
    verdict = checked.verdict
    if json:
        for warning in warnings:
            o.say_json(warning.as_dict())
        o.say_json(
            {
                "ok": True,
                "file": checked.name,
                "factors": factors,
                "loss": checked.loss_text,
                **(verdict.as_dict() if verdict is not None else {"verdict": None}),
                "probes": probes,
                "warnings": len(warnings),
                "trains": checked.has_loss and missing is None,
                "missing": None if missing is None else missing.message,
                "infers": unanswered is None,
                "missing_to_infer": None if unanswered is None else unanswered.message,
            }
        )
        raise typer.Exit(2 if verdict is not None and verdict.stops else 0)
    from factorgraph.source import visible

    for warning in warnings:
        sys.stderr.write(warning.report() + "\n")
    plural = "" if factors == 1 else "s"
    said = "no loss"
    if checked.has_loss:
        said = f"loss {checked.loss_text}: {', '.join(probes)}" if probes else (
            f"loss {checked.loss_text}"
        )  # fmt: skip
    o.say(visible(f"{checked.name}: fine; {factors} factor{plural}; {said}"))
    for what, error in (("infer answers", unanswered), ("train it", missing)):
        if error is not None:
            place = f" (line {error.span.line})" if error.span else ""
            o.say(visible(f"  to {what}, this is missing{place}: {error.message}"))
    if verdict is not None:
        o.say(verdict.word)
        for reason in verdict.reasons:
            o.say(visible(f"  {reason}"))
        if verdict.stops:
            raise typer.Exit(2)
