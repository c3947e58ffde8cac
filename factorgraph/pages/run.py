"""Codes of run folders and other files that are written: E0800 to E0899."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0801",
        "The folder for a run is in use",
        """
`fgc train -o RUN` writes a folder of its own. Where RUN already holds a run, `--overwrite`
replaces it; a folder that holds anything else is never touched, so that a slip of the finger
costs no work.
""",
        "fgc train model.fg data.npz -o results        # results/ holds an older run",
        "fgc train model.fg data.npz -o results --overwrite",
        "words",
    ),
    Page(
        "E0802",
        "A file or folder cannot be written",
        """
The system refuses: no permission, no space, or a path that leads nowhere. The message holds its
reason. Or the command reads this very file, and would destroy it. Nothing half-written is left
behind.
""",
        "fgc train model.fg data.npz -o /no/such/folder/run",
        "fgc train model.fg data.npz -o run",
        "words",
    ),
    Page(
        "E0803",
        "A run folder is missing, incomplete or damaged",
        """
A run folder holds `model.fg`, `weights.npz` and `run.json`, and all are checked when they are
read: names, shapes, and that they belong together. If `run.json` is missing, training has not
finished in this folder. `log.jsonl`, an event a line, is read where a curve is drawn or a report
is made. A damaged folder is not repaired: train again.
""",
        "fgc infer model.fg test.npz -w half-copied-run",
        "fgc infer model.fg test.npz -w run",
        "words",
    ),
    Page(
        "E0804",
        "The run was trained with another model",
        """
Weights mean something only together with the factors that they were trained in. The text that
was given differs from the run's own in a factor or a param. Train again with the new text, or
use the text that lies in the run folder.
""",
        "fgc infer changed.fg test.npz -w run",
        "fgc infer run/model.fg test.npz -w run",
        "words",
    ),
    Page(
        "E0805",
        "There is no training to go on with",
        """
`--resume` goes on with a training that was interrupted: its folder holds `checkpoint.npz`, which
belongs to one text, the same data and the same options. A training that has ended has none, and
one of another text or other data cannot be gone on with: the result would be neither of the two.
The message names what differs.
""",
        "fgc train changed.fg data.npz -o run --resume",
        "fgc train model.fg data.npz -o run --resume",
        "words",
    ),
    Page(
        "E0806",
        "Other machines fail, or cannot be reached",
        """
`fgc train --dask ADDRESS` has the gradients computed by the workers of a Dask cluster. A scheduler
has to answer at the address, workers have to be there, and each of them needs the same version of
fgc, since it compiles the model anew. A worker that is lost gives its part to the others; where
none is left, or they are lost again and again, training ends, and `--resume` goes on from the last
checkpoint, on the cluster or without it.
""",
        "fgc train model.fg data.npz -o run --dask tcp://10.0.0.7:8786    # nothing runs there",
        "dask scheduler & dask worker tcp://10.0.0.7:8786 &",
        "words",
    ),
)
