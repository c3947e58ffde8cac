"""Make a noisy picture with holes whole: 256 labels a pixel, with a bound that nearly meets.

    python models/denoise/demo.py [PICTURE.png MASK.png] [--weight W] [--picture denoise.png]
                                  [--curve bound.png]

Without a picture it is `camera.npz`. A mask is 0 where the picture holds nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.interop import gallery, pictures


def main() -> int:
    options = argparse.ArgumentParser(description="Denoise and fill in a grey picture.")
    options.add_argument("given", nargs="*", type=Path, metavar="PNG", help="picture, mask")
    options.add_argument("--weight", type=float, help="of smoothness: 0.5, or 5 for your own")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw what was found")
    options.add_argument("--curve", type=Path, metavar="PNG", help="draw energy and bound by time")
    chosen = options.parse_args()
    if len(chosen.given) not in (0, 2):
        options.error("a picture and its mask, or none")
    try:
        demo(chosen)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(chosen: argparse.Namespace) -> None:
    """Read, infer, draw what was found."""
    if chosen.given or chosen.picture or chosen.curve:
        pictures.require()
    with (
        as_file(files("factorgraph.models") / "denoise") as here,
        tempfile.TemporaryDirectory() as t,
    ):
        path = here / "camera.npz"
        if chosen.given:
            img, mask = (_read(p) for p in chosen.given)
            path = Path(t) / "given.npz"
            np.savez(path, img=img[None], ok=(mask[None] > 0).astype(np.uint8))
        with np.load(path) as stored:
            data = {name: stored[name][0] for name in stored.files}
        weight = chosen.weight if chosen.weight is not None else 5 if chosen.given else 0.5
        model = fg.load(here / "denoise.fg", settings={"weight": weight})
        (found,) = model.init().predict(path)
    x = np.array(found["answers"]["x"])
    print(
        f"energy {found['energy']:.10g}, no less than {found['bound']:.10g} by any picture: "
        f"{found['status']}, {found['iterations']} sweeps, {found['seconds']:.1f} s"
    )
    if "x" in data:
        ok = data["ok"] > 0
        print(
            f"peak signal to noise: {psnr(data['img'][ok], data['x'][ok]):.1f} dB of the noisy "
            f"pixels, {psnr(x[ok], data['x'][ok]):.1f} of the same found, "
            f"{psnr(x[~ok], data['x'][~ok]):.1f} of those that were missing"
        )
    if chosen.picture:
        shown = [(" given", np.where(data["ok"] > 0, data["img"], 0)),
                 (f" found: energy {found['energy']:.10g}", x)]  # fmt: skip
        gallery.images(shown, chosen.picture)
    if chosen.curve:
        gallery.bounds({"trws": found["trace"]}, chosen.curve)


def psnr(found: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Return the peak signal to noise ratio in dB."""
    error = float(((found.astype(float) - truth) ** 2).mean())
    return float(10 * np.log10(255**2 / error))


def _read(path: Path) -> np.ndarray[Any, Any]:
    """Return a grey picture as uint8 [h, w]."""
    from matplotlib.image import imread

    try:
        image = imread(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise fg.UsageError(f"{path} cannot be read: {error}", code="E0802") from None
    if image.ndim == 3:
        image = image[..., :3].mean(axis=2)
    return np.rint(255 * image).astype(np.uint8) if image.dtype.kind == "f" else image


if __name__ == "__main__":
    sys.exit(main())
