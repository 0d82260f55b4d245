"""The learning curve of real images, and where the score with synthetic images meets it."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ganaug.report.figures.chart import ACCENT, BAND, INK, LETTERS, MUTED, Chart, draw_chart, legend, note
from ganaug.report.findings import headline_arm, metric, part, rows
from ganaug.report.words import finite, images, percent, plain

HEIGHT = 2.7  # in
NEAREST = 0.075  # of the width: labels closer than this would touch
FINE = 60  # points of a drawn curve


def curve_chart(result: dict[str, Any]) -> Chart | None:
    """Score against real images a class, seed by seed, and a line for the headline arm with where they meet."""
    points = [p for p in rows(part(result, "gain"), "curve") if (finite(p.get("per_class")) or 0) > 0]
    points = sorted((p for p in points if finite(p.get("mean")) is not None), key=lambda p: p["per_class"])
    if len(points) < 2:
        return None
    mean = finite(headline_arm(result).get("mean"))
    worth = finite(part(result, "gain", "real_equivalents").get("per_class"))

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        _scores(axes, points)
        _fit(axes, result, points, worth)
        if mean is not None:
            _headline(axes, result, points, mean, worth)
        _ticks(axes, points)
        axes.margins(y=0.12)
        axes.set_xlabel("real training images of each class")
        axes.set_ylabel(f"{metric(result)}, %")
        _key(axes)

    said = "; ".join(f"{plain(p['per_class'])} {percent(p['mean'])}" for p in points)
    with_synthetic = f"; with synthetic images {percent(mean)}, worth {images(worth)} real ones" if mean else ""
    return draw_chart(draw, HEIGHT, f"Score by real images a class: {said}{with_synthetic}", left=0.13, right=0.04)


def _scores(axes: Axes, points: list[dict[str, Any]]) -> None:
    """A dot a seed, and the mean of each size."""
    for point in points:
        seeds = [100 * s for s in point.get("scores") or () if finite(s) is not None]
        axes.plot([point["per_class"]] * len(seeds), seeds, "o", color=MUTED, markersize=3.2, alpha=0.45, mew=0)
    means = [100 * p["mean"] for p in points]
    axes.plot([p["per_class"] for p in points], means, "o", color=INK, markersize=6, zorder=3)


def _fit(axes: Axes, result: dict[str, Any], points: list[dict[str, Any]], worth: float | None) -> None:
    """The fitted curve through its stated values; beyond all images, up to where it meets the headline arm, dashed.

    The gain is worth `worth` images exactly where the fitted curve has risen by it, so that point lies on it as well.
    """
    knots = {p["per_class"]: p["fitted"] for p in points if finite(p.get("fitted")) is not None}
    if len(knots) < 2:
        return
    last, gain = max(knots), finite(part(result, "gain", "headline").get("delta"))
    meets = (last + worth, knots[last] + gain) if worth is not None and gain is not None else (last, knots[last])
    x, y = _through(knots | ({meets[0]: meets[1]} if meets[0] > last else {}))
    axes.plot(x[x <= last], y[x <= last], color=INK, linewidth=1.4)
    axes.plot(x[x >= last], y[x >= last], color=INK, linewidth=1.4, linestyle=(0, (3, 2)))


def _through(knots: dict[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A smooth line without overshoot through points on a logarithmic axis, in percent."""
    from scipy.interpolate import PchipInterpolator

    sizes = np.array(sorted(knots))
    fine = np.unique(np.concatenate([np.geomspace(sizes[0], sizes[-1], FINE), sizes]))
    return fine, 100 * PchipInterpolator(np.log(sizes), [knots[n] for n in sizes])(np.log(fine))


def _headline(
    axes: Axes, result: dict[str, Any], points: list[dict[str, Any]], mean: float, worth: float | None
) -> None:
    axes.axhline(100 * mean, color=ACCENT, linewidth=1.6, zorder=1)
    last = points[-1]["per_class"]
    label = f"with synthetic images: {percent(mean)}"
    note(axes, (0, 100 * mean), (4, 4), label, ACCENT, xycoords=axes.get_yaxis_transform())
    if worth is None or last + worth <= 0:
        return
    ends = [finite(end) for end in part(result, "gain", "real_equivalents").get("ci") or ()]
    if len(ends) == 2 and None not in ends:
        low, high = (max(last + end, points[0]["per_class"]) for end in ends if end is not None)
        axes.axvspan(low, high, color=BAND, linewidth=0, zorder=0)
    axes.plot([last + worth] * 2, [0, 1], transform=axes.get_xaxis_transform(), color=ACCENT, linewidth=1, zorder=1)
    axes.plot([last + worth], [100 * mean], "D", color=ACCENT, markersize=6, zorder=4)
    note(
        axes,
        (last + worth, 0),
        (-4, 5),
        f"{images(worth)} a class",
        ACCENT,
        xycoords=axes.get_xaxis_transform(),
        ha="right",
    )


def _ticks(axes: Axes, points: list[dict[str, Any]]) -> None:
    """A label for each measured size, the largest first; those that would touch one already there are left out."""
    low, high = (math.log(end) for end in axes.get_xlim())
    kept: list[float] = []
    for size in reversed([p["per_class"] for p in points]):
        if all(abs(math.log(size / other)) > NEAREST * (high - low) for other in kept):
            kept.append(size)
    axes.set_xticks(kept, [plain(round(size)) for size in kept], fontsize=LETTERS)
    axes.xaxis.set_minor_locator(NullLocator())


def _key(axes: Axes) -> None:
    handles = [
        *axes.plot([], [], "o", color=MUTED, markersize=3.2, alpha=0.6),
        *axes.plot([], [], "o-", color=INK, markersize=6, linewidth=1.4),
    ]
    legend(axes, handles, ["a seed", "real images only: mean and fitted curve"])
