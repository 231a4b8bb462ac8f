"""A report on disk: JSON, a figure, and a picture of faces."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.evaluation.summary import PRIMARY
from reage.scratch import replacing

if TYPE_CHECKING:
    from PIL import Image

Report = dict[str, Any]


def write_report(report: Report, picture: Image.Image, folder: Path) -> list[Path]:
    """Writes `report.json`, `report.png` and `grid.jpg`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(without_nan(report), indent=2, allow_nan=False) + "\n"
    paths = [folder / "report.json", folder / "report.png", folder / "grid.jpg"]
    _write(paths[0], text.encode())
    _write(paths[1], figure(report))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    _write(paths[2], buffer.getvalue())
    return paths


def without_nan(value: Any) -> Any:
    """The same report with None for what is not a finite number, which JSON does not know."""
    if isinstance(value, dict):
        return {name: without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def figure(report: Report) -> bytes:
    """Judged over target age, and the distance over it, of every system, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(12, 4.5), layout="constrained"))
    curve = report.get("strength_curve", [])
    panels = canvas.figure.subplots(1, 4 if curve else 3)
    ages, distances, people = panels[:3]
    for summary in report["systems"]:
        rows = summary["by_target"]
        targets = [row["target"] for row in rows]
        label = summary["system"]
        ages.plot(targets, [row["mean_judged_age"] for row in rows], "o-", label=label)
        distances.plot(targets, [row["first_pass"]["distance"] for row in rows], "o-", label=label)
        people.plot(targets, [row["verified"] for row in rows], "o-", label=label)
    ages.plot([0, 110], [0, 110], ":", color="grey", label="as asked")
    centers = {row["group"]: row["target"] for row in report["systems"][0]["by_target"]}
    floors = [row for row in report["real_distances"] if row["group"] in centers]
    distances.plot(
        [centers[row["group"]] for row in floors],
        [row.get("distance", math.nan) for row in floors],
        ":",
        color="grey",
        label="real against real",
    )
    for axes, title in (
        (ages, f"mean judged age ({PRIMARY})"),
        (distances, f"{report['distance_name']} to real faces of the age"),
        (people, "judged the same person"),
    ):
        axes.set(title=title, xlabel="target age, years")
        axes.grid(alpha=0.3)
    if curve:
        _draw_strengths(panels[3], curve)
    ages.legend()
    buffer = io.BytesIO()
    canvas.figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_strengths(axes: Any, curve: list[dict[str, Any]]) -> None:
    """Draws the price of ageing in identity: nothing is gained by doing nothing."""
    errors = [row["mean_absolute_error"] for row in curve]
    verified = [row["verified"] for row in curve]
    axes.plot(errors, verified, "o-")
    for row, x, y in zip(curve, errors, verified, strict=True):
        axes.annotate(f"{row['strength']:g}", (x, y), textcoords="offset points", xytext=(4, 4))
    axes.set(title="strength 0 to 1", xlabel="age MAE, years", ylabel="judged the same person")
    axes.grid(alpha=0.3)
