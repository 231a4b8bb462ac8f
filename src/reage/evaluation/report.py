"""A report for people: tables on screen, JSON and a figure on disk."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reage.evaluation.summary import PRIMARY

if TYPE_CHECKING:
    from PIL import Image
    from rich.table import Table

Report = dict[str, Any]

# What is known of the predecessors, as published by them on data and protocols of their own.
PUBLISHED: Final = (
    ("RAGAN (ICCV 2021), its paper", "57.78", "not published", "61.4 %"),
    ("predecessor, its own discriminator", "336,668", "not published", "95.7 %"),
)


def target_table(report: Report, summary: Report) -> Table:
    """One row per target age group of one system."""
    from rich.table import Table

    name = report["distance_name"]
    table = Table(title=f"{summary['system']}: {summary['faces']} faces to each age")
    for column in (
        "target",
        name,
        "real/real",
        "KID x1000",
        f"{name} back",
        "judged age",
        "MAE",
        "judges' own",
        "in group",
        "+-1",
        "same person",
        "cycle dB",
    ):
        table.add_column(column, justify="right")
    floors = {row["group"]: row for row in report["real_distances"]}
    own = {row["group"]: row["judges"] for row in report["real_errors"]}
    for row in summary["by_target"]:
        age, group = row["age"][PRIMARY], row["group"]
        floor = floors[group].get("distance")
        errors = own[group].get(PRIMARY)
        table.add_row(
            group,
            _number(row["first_pass"]["distance"]),
            _number(floor),
            _number(1e3 * row["first_pass"]["kid"]),
            _number(row.get("second_pass", {}).get("distance")),
            _number(row["mean_judged_age"]),
            _number(age["mean_absolute_error"]),
            _number(errors and errors["mean_absolute_error"]),
            _share(age["group_accuracy"]),
            _share(age["near_accuracy"]),
            _share(row["verified"]),
            _number(row.get("cycle_psnr")),
        )
    return table


def overall_table(report: Report) -> Table:
    """One column per system, one row per figure."""
    from rich.table import Table

    table = Table(title=f"{report['split']} split, size {report['size']}; age by {PRIMARY}")
    table.add_column("figure")
    summaries = report["systems"]
    for summary in summaries:
        table.add_column(summary["system"], justify="right")
    name = report["distance_name"]
    rows: dict[str, list[str]] = {
        f"{name} to the target group, 8 groups": [
            _number(s["overall"]["headline_distance"]) for s in summaries
        ],
        f"{name}, pooled": [
            _number(s["overall"]["pooled_first_pass"]["distance"]) for s in summaries
        ],
        f"{name}, second pass": [
            _number(s["overall"].get("pooled_second_pass", {}).get("distance")) for s in summaries
        ],
        "age MAE, targets to 80, years": [
            _number(s["overall"]["age_5_to_80"]["mean_absolute_error"]) for s in summaries
        ],
        "age bias, targets to 80, years": [
            _number(s["overall"]["age_5_to_80"]["bias"]) for s in summaries
        ],
        "in the target group": [_share(s["overall"]["age"]["group_accuracy"]) for s in summaries],
        "in it or a neighbour": [_share(s["overall"]["age"]["near_accuracy"]) for s in summaries],
        "faces with Spearman >= 0.9": [
            _share(s["overall"]["share_spearman_above_0.9"]) for s in summaries
        ],
        "same person, gaps to 30 years": [
            _share(s["overall"]["verified_to_30_years"]) for s in summaries
        ],
        "judged sex kept": [_share(s["overall"]["sex_kept"]) for s in summaries],
        "cycle PSNR, dB": [_number(s["overall"].get("cycle_psnr")) for s in summaries],
        "change at the own age, levels": [
            _number(s["overall"]["self_change"], 2) for s in summaries
        ],
        "change outside the face, levels": [
            _number(s["overall"]["outside_change"], 2) for s in summaries
        ],
        "failures": [str(s["failures"]) for s in summaries],
    }
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table


def breakdown_table(summary: Report) -> Table:
    """Age error of one system by sex and by ethnicity."""
    from rich.table import Table

    table = Table(title=f"{summary['system']}: age error over all targets")
    for column in ("faces of", "MAE", "bias", "in group"):
        table.add_column(column, justify="right")
    for part in ("by_sex", "by_ethnicity", "by_sex_and_ethnicity"):
        for label, score in summary[part].items():
            table.add_row(
                label,
                _number(score["mean_absolute_error"]),
                _number(score["bias"]),
                _share(score["group_accuracy"]),
            )
    return table


def published_table(report: Report) -> Table:
    """The predecessor's table with our figures: other data, other judges, other distance."""
    from rich.table import Table

    name = report["distance_name"]
    table = Table(title="Quoted figures come from other data and protocols: they do not compare")
    table.add_column("system")
    for column in ("FID, first pass", "FID, second pass", "age accuracy"):
        table.add_column(column, justify="right")
    for row in PUBLISHED:
        table.add_row(*row)
    for summary in report["systems"]:
        overall = summary["overall"]
        back = overall.get("pooled_second_pass", {}).get("distance")
        table.add_row(
            f"{summary['system']} ({name}; judges {PRIMARY})",
            _number(overall["pooled_first_pass"]["distance"]),
            _number(back),
            _share(overall["age"]["group_accuracy"]),
        )
    return table


def write_report(report: Report, picture: Image.Image, folder: Path) -> list[Path]:
    """Writes `report.json`, `report.png` and `grid.jpg`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, allow_nan=True) + "\n"
    paths = [folder / "report.json", folder / "report.png", folder / "grid.jpg"]
    _write(paths[0], text.encode())
    _write(paths[1], figure(report))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    _write(paths[2], buffer.getvalue())
    return paths


def figure(report: Report) -> bytes:
    """Judged over target age, and the distance over it, of every system, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(12, 4.5), layout="constrained"))
    ages, distances, people = canvas.figure.subplots(1, 3)
    for summary in report["systems"]:
        rows = summary["by_target"]
        targets = [row["target"] for row in rows]
        label = summary["system"]
        ages.plot(targets, [row["mean_judged_age"] for row in rows], "o-", label=label)
        distances.plot(targets, [row["first_pass"]["distance"] for row in rows], "o-", label=label)
        people.plot(targets, [row["verified"] for row in rows], "o-", label=label)
    ages.plot([0, 110], [0, 110], ":", color="grey", label="as asked")
    floor = [(row.get("distance"), t) for row, t in zip(report["real_distances"], targets)]  # noqa: B905
    known = [(t, d) for d, t in floor if d is not None]
    distances.plot(*zip(*known, strict=True), ":", color="grey", label="real against real")
    for axes, title in (
        (ages, f"mean judged age ({PRIMARY})"),
        (distances, f"{report['distance_name']} to real faces of the age"),
        (people, "judged the same person"),
    ):
        axes.set(title=title, xlabel="target age, years")
        axes.grid(alpha=0.3)
    ages.legend()
    buffer = io.BytesIO()
    canvas.figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None or value != value else f"{100 * value:.1f} %"
