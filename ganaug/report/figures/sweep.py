"""The share of synthetic images: chosen on validation, reported on test."""

from typing import Any

from matplotlib.axes import Axes

from ganaug.report.figures.chart import ACCENT, BAND, INK, MUTED, PAPER, Chart, draw_chart, legend, write
from ganaug.report.findings import arms, metric, part, rows
from ganaug.report.words import finite, interval, plain, points, synthetic_share

HEIGHT = 2.5  # in
ASIDE = 0.13  # how far validation and test stand apart


def sweep_chart(result: dict[str, Any]) -> Chart | None:
    """Validation and test differences side by side for each share that was tried; the chosen one on a band."""
    head = part(result, "gain", "headline")
    told = _by_share(result, arms(result))
    seen = _by_share(result, rows(part(result, "gain", "selection"), "arms"))
    seen = seen or {s: arm["validation"] for s, arm in told.items() if _has_delta(arm.get("validation"))}
    shares = sorted({*seen, *told})
    if not seen or not shares:
        return None

    def draw(axes: Axes) -> None:
        axes.grid(axis="x", visible=False)
        axes.axhline(0, color=MUTED, linewidth=1)
        for x, share in enumerate(shares):
            chosen = share == head.get("fraction")
            if chosen:
                axes.axvspan(x - 0.42, x + 0.42, color=BAND, linewidth=0)
                write(axes, x, 0.97, "chosen", MUTED, transform=axes.get_xaxis_transform(), ha="center", va="top")
            _point(axes, x - ASIDE, seen.get(share), MUTED, PAPER, "s")
            colour = ACCENT if chosen else INK
            _point(axes, x + ASIDE, told.get(share), colour, colour, "o")
        axes.set_xticks(range(len(shares)), [synthetic_share(share) for share in shares])
        axes.set_xlim(-0.6, len(shares) - 0.4)
        axes.margins(y=0.16)
        axes.set_xlabel("synthetic images in each batch")
        axes.set_ylabel(f"points of {metric(result)}")
        _key(axes, result)

    alt = "; ".join(f"{synthetic_share(s)} {_said(seen.get(s))}, {_said(told.get(s))}" for s in shares)
    return draw_chart(draw, HEIGHT, f"Difference by share of synthetic images, validation, then test: {alt}", left=0.13)


def _by_share(result: dict[str, Any], found: list[dict[str, Any]]) -> dict[float, dict[str, Any]]:
    """Share -> arm, of the headline's kind."""
    kind = part(result, "gain", "headline").get("arm")
    return {
        arm["fraction"]: arm
        for arm in found
        if arm.get("name") == kind and finite(arm.get("fraction")) is not None and _has_delta(arm)
    }


def _has_delta(arm: Any) -> bool:
    return isinstance(arm, dict) and finite(arm.get("delta")) is not None


def _point(axes: Axes, x: float, arm: dict[str, Any] | None, colour: str, inside: str, marker: str) -> None:
    if arm is None:
        return
    ends = [end * 100 for end in arm.get("ci") or () if finite(end) is not None]
    if len(ends) == 2:
        axes.plot([x, x], ends, color=colour, linewidth=2, zorder=2)
    axes.plot([x], [arm["delta"] * 100], marker=marker, color=colour, markerfacecolor=inside, markersize=6.5, zorder=3)


def _key(axes: Axes, result: dict[str, Any]) -> None:
    handles = [
        *axes.plot([], [], marker="s", color=MUTED, markerfacecolor=PAPER, markersize=6, linestyle="none"),
        *axes.plot([], [], marker="o", color=MUTED, markersize=6, linestyle="none"),
    ]
    tried, told = part(result, "gain", "selection").get("seeds"), part(result, "gain").get("seeds")
    legend(axes, handles, [f"validation{_of(tried)}: chooses", f"test{_of(told)}: decides"])


def _of(seeds: Any) -> str:
    return "" if finite(seeds) is None else f", {plain(seeds)} seeds"


def _said(arm: dict[str, Any] | None) -> str:
    return "not run" if arm is None else f"{points(arm['delta'])} ({interval(arm.get('ci'))})"
