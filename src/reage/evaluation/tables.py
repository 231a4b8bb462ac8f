"""A report on screen: tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reage.evaluation.distances import HEADLINE_GROUPS
from reage.evaluation.judges import CONTAMINATED
from reage.evaluation.reference import MIN_PAIRS
from reage.evaluation.summary import PRIMARY

if TYPE_CHECKING:
    from rich.table import Table

Report = dict[str, Any]

# What is known of the predecessors, as published by them on data and protocols of their own.
PUBLISHED: Final = (
    ("RAGAN (ICCV 2021), its paper", "57.78", "not published", "61.4 %"),
    ("predecessor, its own discriminator", "336,668", "not published", "95.7 %"),
)


def distance_table(report: Report, summary: Report) -> Table:
    """Distances of one system to each target group; "floor" is real faces against real ones."""
    from rich.table import Table

    name = report["distance_name"]
    table = Table(title=f"{summary['system']}: {name} to real faces of the target group")
    columns = ("target", name, "means", "images", "floor", "images", "at", "KID x1000", "back")
    for column in (*columns, "held out", "trained on", "images"):
        table.add_column(column, justify="right")
    floors = {row["group"]: row for row in report["real_distances"]}
    for row in summary["by_target"]:
        floor, first = floors[row["group"]], row["first_pass"]
        table.add_row(
            row["group"],
            _number(first["distance"]),
            _number(first["distance_of_means"]),
            str(first["count"]),
            _number(floor.get("distance")),
            str(floor["count"]),
            _number(first["at_floor_count"]),
            _number(1e3 * first["kid"]),
            _number(row.get("second_pass", {}).get("distance")),
            _number(first["to_held_out"]),
            _number(first["to_trained_on"]),
            str(first["held_out_count"] or "-"),
        )
    table.caption = (
        "means: what of it all results have in common; at: with as many images as the floor; "
        "back: of the second pass; held out, trained on: to faces of that kind alone, where "
        "enough are held out"
    )
    return table


def target_table(report: Report, summary: Report) -> Table:
    """Age and identity of one system, one row per target age group."""
    from rich.table import Table

    table = Table(title=f"{summary['system']}: {summary['faces']} faces to each age")
    columns = ("target", "judged", "MAE", "judges' own", "bias", "in group", "+-1")
    for column in (*columns, "same person", "same sex", "failures"):
        table.add_column(column, justify="right")
    own = {row["group"]: row["judges"] for row in report["real_errors"]}
    for row in summary["by_target"]:
        age = row["age"][PRIMARY]
        table.add_row(
            row["group"],
            _number(row["mean_judged_age"]),
            _number(age["mean_absolute_error"]),
            _number(own[row["group"]].get(PRIMARY, {}).get("mean_absolute_error")),
            _number(age["bias"]),
            _share(age["group_accuracy"]),
            _share(age["near_accuracy"]),
            _share(row["verified"]),
            _share(row["sex_kept"]),
            str(row["failures"]),
        )
    return table


def overall_table(report: Report) -> Table:
    """One column per system, one row per figure."""
    from rich.table import Table

    table = Table(title=_title(report))
    table.add_column("figure")
    columns = []
    for summary in report["systems"]:
        table.add_column(summary["system"], justify="right")
        columns.append(_overall_figures(summary, report["distance_name"]))
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    return table


def _overall_figures(summary: Report, distance: str) -> dict[str, str]:
    overall, to_80 = summary["overall"], summary["overall"]["age_5_to_80"]
    back = overall.get("pooled_second_pass", {})
    copies = sum(row["first_pass"]["copies_of_real"] for row in summary["by_target"])
    failures = ("failures", "failures_second_pass", "failures_at_own_age")
    return {
        f"{distance} to the target group, 8 groups": _number(overall["headline_distance"]),
        f"{distance}, pooled, each face once": _number(overall["pooled_first_pass"]["distance"]),
        f"{distance}, second pass": _number(back.get("distance")),
        "age MAE, targets to 80, years": _number(to_80["mean_absolute_error"]),
        "age bias, targets to 80, years": _number(to_80["bias"]),
        "in the target group": _share(overall["age"]["group_accuracy"]),
        "in it or a neighbour": _share(overall["age"]["near_accuracy"]),
        "faces with Spearman >= 0.9": _share(overall["share_spearman_above_0.9"]),
        "same person, gaps to 30 years": _share(overall["verified_to_30_years"]),
        "judged sex kept": _share(overall["sex_kept"]),
        "of faces judged as labelled": _share(overall["sex_kept_if_judged_as_labelled"]),
        "cycle PSNR, dB": _number(overall.get("cycle_psnr")),
        "change at the own age, levels": _number(overall["self_change"], 2),
        "change outside the face, levels": _number(overall["outside_change"], 2),
        "change of the whole cycle, levels": _number(overall.get("cycle_l1"), 2),
        "of which copies of real faces": str(copies),
        "failures: there, back, own age": ", ".join(str(summary[name]) for name in failures),
    }


def breakdown_table(summary: Report) -> Table:
    """Age error of one system by sex and by ethnicity."""
    from rich.table import Table

    table = Table(title=f"{summary['system']}: over all targets")
    for column in ("faces of", "faces", "MAE", "bias", "in group", "same person"):
        table.add_column(column, justify="right")
    for part in ("by_sex", "by_ethnicity", "by_sex_and_ethnicity"):
        for label, score in summary[part].items():
            table.add_row(
                label,
                str(score["faces"]),
                _number(score["mean_absolute_error"]),
                _number(score["bias"]),
                _share(score["group_accuracy"]),
                _share(score["verified"]),
            )
    return table


def judges_table(report: Report, summary: Report) -> Table:
    """Mean absolute age error by each judge, and beside it the judge's own on real faces."""
    from rich.table import Table

    table = Table(title=f"{summary['system']}: age MAE by judge (its own on real faces), years")
    names = list(summary["by_target"][0]["age"])
    table.add_column("target", justify="right")
    for judge in names:
        mark = ", contaminated" if judge in CONTAMINATED else ""
        table.add_column(f"{judge}{mark}", justify="right")
    own = {row["group"]: row for row in report["real_errors"]}
    for row in summary["by_target"]:
        errors = own[row["group"]]["judges"]
        table.add_row(
            row["group"],
            *(
                f"{_number(row['age'][judge]['mean_absolute_error'])} "
                f"({_number(errors.get(judge, {}).get('mean_absolute_error'))})"
                for judge in names
            ),
        )
    return table


def gap_table(summary: Report) -> Table:
    """Identity of one system by the years between source and target age."""
    from rich.table import Table

    table = Table(title=f"{summary['system']}: identity by years between source and target")
    for column in ("years", "images", "same person", "mean L2"):
        table.add_column(column, justify="right")
    for row in summary["by_gap"]:
        table.add_row(
            row["years"],
            str(row["count"]),
            _share(row["verified"]),
            _number(row["mean_embedding_distance"], 3),
        )
    return table


def strength_table(report: Report) -> Table:
    """Age error against identity as the change is applied in part."""
    from rich.table import Table

    table = Table(title="Age error against identity over strength, 8 target ages")
    for column in ("strength", "images", "MAE", "in group", "same person"):
        table.add_column(column, justify="right")
    for row in report["strength_curve"]:
        table.add_row(
            f"{row['strength']:g}",
            str(row["images"]),
            _number(row["mean_absolute_error"]),
            _share(row["group_accuracy"]),
            _share(row["verified"]),
        )
    return table


def sources_sentence(report: Report) -> str:
    """Where the real faces behind the distances come from."""
    parts = [
        f"{row['group']} {row['reference_held_out']}+{row['reference_training']}"
        for row in report["real_distances"]
    ]
    headline = [report["real_distances"][group] for group in HEADLINE_GROUPS]
    held_out = sum(row["reference_held_out"] for row in headline)
    trained_on = sum(row["reference_training"] for row in headline)
    pairs = f"{report['verification_pairs']:,} pairs of different held-out faces"
    origin = (
        f"which one in a thousand of {pairs} are"
        if report["verification_pairs"] >= MIN_PAIRS
        else f"as on UTKFace: {pairs} are too few to tell"
    )
    return (
        f"Real faces for distances, {report['split']}+train split: {', '.join(parts)}; "
        f"of those of the headline's 8 groups {held_out / max(1, held_out + trained_on):.0%} are "
        "held out. "
        f"Same person: L2 below {report['verification_threshold']:.3f}, {origin}."
    )


def mirror_sentence(report: Report) -> str:
    """What the judges make of mirror images: no system need do better."""
    mirrored = report["mirrored"]
    return (
        f"The judges' own noise, on the mirror images of the faces: sex kept "
        f"{_share(mirrored['sex_kept'])}, same person {_share(mirrored['verified'])}, judged age "
        f"off by {_number(mirrored['age_change'])} years. Of the faces themselves the sex is "
        f"judged as labelled for {_share(mirrored['sex_as_labelled'])}."
    )


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


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None or value != value else f"{100 * value:.1f} %"


def _title(report: dict[str, Any]) -> str:
    changing = "; shapes change too" if report.get("shape") else ""
    return f"{report['split']} split, size {report['size']}; age by {PRIMARY}{changing}"
