"""``fgc eval``: how well does a model answer?"""

from __future__ import annotations

from factorgraph.cli import options as o


def eval_(
    model: o.ModelPath,
    data: o.DataPath,
    weights: o.Weights = None,
    with_: o.With = None,
    columns: o.Columns = None,
    group: o.Group = None,
    comments: o.Comments = False,
    binarize: o.Binarize = None,
    unknown: o.Unknown = o.Missing.error,
    without: o.Without = None,
    only: o.Only = None,
    how: o.Infer = None,
    budget_time: o.BudgetTime = None,
    budget_memory: o.Budget = None,
    json: o.Json = False,
) -> None:
    """Compare the answers of a run, or of a model without params, with labelled data."""
    from factorgraph.learn.measure import together

    o.limit(budget_memory)
    run = o.run(o.model(model, without=without), weights)
    run.skip_unknown = unknown is o.Missing.skip
    parts, count = [], 0
    for records in o.stream(
        data, run.model, only, columns=columns, group=group, comments=comments, binarize=binarize
    ):
        count += records.count
        parts.append(run.evaluate(records, with_=with_, infer=how, seconds=budget_time))
    scores = together(parts, list(run.model.checked.answers))
    skipped = count - scores.instances
    o.left_out(skipped, count, data)
    if json:
        o.say_json({**scores.as_dict(), "skipped": skipped})
        return
    o.say(f"instances          {scores.instances}")
    for name, value in scores.accuracy.items():
        counts = f"({scores.right[name]} of {scores.observed[name]})"
        o.say(f"accuracy of {name:<6} {_percent(value)} {counts}")
    for name, error in scores.errors.items():
        shown = "  none" if not error.count else (
            f"{error.absolute / error.count:.4g} absolute, "
            f"{(error.squared / error.count) ** 0.5:.4g} root mean square"
        )  # fmt: skip
        o.say(f"mean error of {name:<4} {shown} ({error.count} observed)")
    whole = f"({scores.whole} of {scores.labelled})"
    o.say(f"whole instances    {_percent(scores.instance_accuracy)} {whole}")
    if scores.chunks is not None:
        rates = "  ".join(f"{name} {rate:.2f}" for name, rate in scores.chunks.as_dict().items())
        o.say(f"chunks, percent    {rates}")
    if scores.forbidden:
        o.say(f"forbidden answers  {scores.forbidden} (infinite energy; not in the mean gap)")
    if scores.mean_gap is not None:
        o.say(f"mean energy gap    {scores.mean_gap:.4g}")


def _percent(value: float | None) -> str:
    return "  none" if value is None else f"{value:6.3f}"
