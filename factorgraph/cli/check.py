"""``fgc check``: is the text right?"""

from __future__ import annotations

from factorgraph.cli import options as o


def check(
    model: o.ModelPath,
    loss: o.Loss = None,
    set_: o.Settings = None,
    without: o.Without = None,
    json: o.Json = False,
) -> None:
    """Check a model: names, kinds, shapes, its loss."""
    checked = o.model(model, loss=loss, settings_=set_, without=without)
    probes = [] if checked.loss is None else [str(p) for p in checked.loss.probes]
    factors = len(checked.compiled.programs)
    if json:
        o.say_json(
            {
                "ok": True,
                "file": checked.name,
                "factors": factors,
                "loss": None if checked.loss is None else checked.loss.name,
                "probes": probes,
            }
        )
        return
    from factorgraph.source import visible

    plural = "" if factors == 1 else "s"
    said = "no loss" if checked.loss is None else f"loss {checked.loss.name}: {', '.join(probes)}"
    o.say(visible(f"{checked.name}: fine; {factors} factor{plural}; {said}"))
