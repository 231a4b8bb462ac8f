"""Counts of a prepared data set by split, age group, sex and ethnicity: tables and plots."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, NUM_GROUPS, group_index
from reage.data.prepare import MANIFEST_FILE, read_dataset, read_manifest
from reage.data.splits import SPLITS
from reage.data.tfrecords import require_extra
from reage.data.utkface import ETHNICITIES, SEXES
from reage.errors import DataError
from reage.scratch import replacing

if TYPE_CHECKING:
    from rich.table import Table

Counts = NDArray[np.int64]
"""Faces by split, age group, sex and ethnicity: (3, 14, 3, 6), unknown last in the latter two."""

GROUP_NAMES: Final = tuple(group.name for group in AGE_GROUPS)
SEX_NAMES: Final = (*SEXES, "unknown")
ETHNICITY_NAMES: Final = (*ETHNICITIES, "unknown")
# Okabe and Ito's colours, told apart by colour-blind readers too; grey for the unknown.
SPLIT_COLORS: Final = ("#0072b2", "#56b4e9", "#e69f00")
SEX_COLORS: Final = ("#0072b2", "#d55e00", "#bbbbbb")
ETHNICITY_COLORS: Final = ("#56b4e9", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#bbbbbb")
DPI: Final = 120
_INK: Final = "#333333"


def count_faces(prepared: Path) -> Counts:
    """Counts the faces in use of a prepared data set.

    Raises:
        DataError: If the folder holds no prepared data set, or its manifest is damaged.
    """
    read_dataset(prepared)
    counts = np.zeros((len(SPLITS), NUM_GROUPS, len(SEX_NAMES), len(ETHNICITY_NAMES)), np.int64)
    for row in read_manifest(prepared):
        if row["split"] not in SPLITS:
            continue
        try:
            age, sex, ethnicity = (int(row[key]) for key in ("age", "sex", "ethnicity"))
            # Unknown is -1, which is the last place of its axis.
            counts[SPLITS.index(row["split"]), group_index(age), sex, ethnicity] += 1
        except (ValueError, TypeError, IndexError) as error:
            raise DataError(
                prepared / MANIFEST_FILE,
                f"has unreadable labels for {row['file']}",
                "make it again with `reage data prepare --force`",
            ) from error
    return counts


def left_out(prepared: Path) -> dict[str, int]:
    """How many files the manifest leaves out, by what it calls them, such as `conflict`."""
    found = Counter(row["split"] for row in read_manifest(prepared))
    return {split: count for split, count in sorted(found.items()) if split not in SPLITS}


def count_tables(counts: Counts) -> list[Table]:
    """Tables of split x age group, split x sex and split x ethnicity, with totals."""
    return [
        _table("age group", GROUP_NAMES, counts.sum(axis=(2, 3))),
        _table("sex", SEX_NAMES, counts.sum(axis=(1, 3))),
        _table("ethnicity", ETHNICITY_NAMES, counts.sum(axis=(1, 2))),
    ]


def _table(title: str, names: Sequence[str], counts: Counts) -> Table:
    from rich.table import Table

    table = Table(title=f"Faces by {title}", title_justify="left", header_style="bold")
    table.add_column(title)
    for split in (*SPLITS, "all"):
        table.add_column(split, justify="right")
    table.add_column("share", justify="right")
    total = max(int(counts.sum()), 1)
    for name, column in zip(names, counts.T, strict=True):
        if name != "unknown" or column.any():
            cells = [f"{count:,}" for count in (*column, column.sum())]
            table.add_row(name, *cells, f"{column.sum() / total:.1%}")
    table.add_section()
    sums = [f"{count:,}" for count in (*counts.sum(axis=1), counts.sum())]
    table.add_row("all", *sums, "", style="bold")
    return table


def write_plots(counts: Counts, folder: Path) -> list[Path]:
    """Draws the five distribution plots as PNG files into `folder`, which is made if absent.

    They are `age_group.png`, `sex_ethnicity.png`, `sex_group.png`, `ethnicity_group.png` and
    `sex_ethnicity_group.png`.

    Raises:
        DataError: If they cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    require_extra("matplotlib")
    plots: dict[str, Callable[[Counts], Any]] = {
        "age_group": _plot_groups,
        "sex_ethnicity": _plot_sex_ethnicity,
        "sex_group": _plot_sex_group,
        "ethnicity_group": _plot_ethnicity_group,
        "sex_ethnicity_group": _plot_all,
    }
    paths = []
    for name, plot in plots.items():
        out = io.BytesIO()
        # Without the software's version the same counts give the same bytes.
        plot(counts).savefig(out, format="png", dpi=DPI, metadata={"Software": None})
        paths.append(folder / f"{name}.png")
        _write_whole(paths[-1], out.getvalue())
    return paths


def _write_whole(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise DataError(
            path, f"cannot be written ({error.strerror})", "choose another folder with -o"
        ) from error


def _figure(title: str, columns: int = 1, width: float = 10.0) -> tuple[Any, Any]:
    """A figure and its axes, without pyplot and its global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 5.2), layout="constrained")
    axes = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold", color=_INK)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=_INK, length=0)
    return figure, axes


def _bars(
    axis: Any,
    ticks: Sequence[str],
    series: Sequence[tuple[str, str, NDArray[Any]]],
    *,
    stacked: bool = False,
) -> list[Any]:
    """Draws (name, colour, heights) series, each with one bar a tick, side by side or stacked."""
    places = np.arange(len(ticks))
    width = 0.8 if stacked else 0.8 / len(series)
    base = np.zeros(len(ticks))
    drawn = []
    for number, (name, color, heights) in enumerate(series):
        shift = 0.0 if stacked else (number - (len(series) - 1) / 2) * width
        drawn.append(axis.bar(places + shift, heights, width, base, color=color, label=name))
        base = base + heights if stacked else base
    axis.set_xticks(places, ticks)
    axis.set_axisbelow(True)
    axis.grid(axis="y", color="#dddddd")
    axis.spines["left"].set_visible(False)
    axis.margins(x=0.01)
    axis.yaxis.set_major_formatter("{x:,.0f}")
    return drawn


def _known(names: Sequence[str], colors: Sequence[str], counts: Counts) -> list[Any]:
    """(name, colour, counts) of each row of `counts`, without an unknown that never occurs."""
    rows = zip(names, colors, counts, strict=True)
    return [row for row in rows if row[0] != "unknown" or row[2].any()]


def _legend(axis: Any) -> None:
    columns = len(axis.get_legend_handles_labels()[0])
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3}
    axis.legend(frameon=False, ncols=columns, **place)


def _plot_groups(counts: Counts) -> Any:
    figure, (axis,) = _figure(f"Age groups of {counts.sum():,} faces")
    series = list(zip(SPLITS, SPLIT_COLORS, counts.sum(axis=(2, 3)), strict=True))
    drawn = _bars(axis, GROUP_NAMES, series, stacked=True)
    totals = [f"{total:,}" for total in counts.sum(axis=(0, 2, 3))]
    axis.bar_label(drawn[-1], labels=totals, padding=2, fontsize=9, color=_INK)
    axis.set(xlabel="age group, years", ylabel="faces")
    _legend(axis)
    return figure


def _plot_sex_ethnicity(counts: Counts) -> Any:
    figure, (axis,) = _figure("Sex and ethnicity", width=8.0)
    series = _known(SEX_NAMES, SEX_COLORS, counts.sum(axis=(0, 1)))
    ethnicities = len(ETHNICITY_NAMES) - (not counts[..., -1].any())
    shown = [(name, color, heights[:ethnicities]) for name, color, heights in series]
    for bars in _bars(axis, ETHNICITY_NAMES[:ethnicities], shown):
        axis.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=9, color=_INK)
    axis.set(xlabel="ethnicity", ylabel="faces")
    _legend(axis)
    return figure


def _plot_sex_group(counts: Counts) -> Any:
    figure, (axis,) = _figure("Sex in each age group", width=13.0)
    drawn = _bars(axis, GROUP_NAMES, _known(SEX_NAMES, SEX_COLORS, counts.sum(axis=(0, 3)).T))
    for bars in drawn:
        axis.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8, color=_INK)
    axis.set(xlabel="age group, years", ylabel="faces")
    _legend(axis)
    return figure


def _plot_ethnicity_group(counts: Counts) -> Any:
    """Shares instead of counts: the largest group has 200 times the faces of the smallest."""
    figure, (axis,) = _figure("Ethnicity in each age group")
    by_group = counts.sum(axis=(0, 2)).T
    totals = by_group.sum(axis=0)
    series = [
        (name, color, row / np.maximum(totals, 1))
        for name, color, row in _known(ETHNICITY_NAMES, ETHNICITY_COLORS, by_group)
    ]
    ticks = [f"{name}\n{total:,}" for name, total in zip(GROUP_NAMES, totals, strict=True)]
    _bars(axis, ticks, series, stacked=True)
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.set(xlabel="age group, years, and its faces", ylabel="share of the group", ylim=(0, 1))
    _legend(axis)
    return figure


def _plot_all(counts: Counts) -> Any:
    """One table of ethnicity x age group for each sex, shaded by the logarithm of the count."""
    table = counts.sum(axis=0)
    sexes = [index for index in range(len(SEX_NAMES)) if index < len(SEXES) or table[:, -1].any()]
    ethnicities = len(ETHNICITY_NAMES) - (not table[..., -1].any())
    figure, axes = _figure("Faces by sex, ethnicity and age group", len(sexes), 5.5 * len(sexes))
    shades = np.log1p(table)
    # The darkest shades are left out: with them, the middle ones hide dark and white figures alike.
    darkest = max(float(shades.max()), 1.0) * 1.35
    for axis, sex in zip(axes, sexes, strict=True):
        shown = shades[:, sex, :ethnicities]
        axis.imshow(shown, cmap="Blues", vmin=0, vmax=darkest, aspect="auto")
        for group, ethnicity in np.ndindex(*shown.shape):
            count = table[group, sex, ethnicity]
            color = "white" if shown[group, ethnicity] > 0.6 * darkest else _INK
            place = {"ha": "center", "va": "center", "fontsize": 9}
            axis.text(ethnicity, group, f"{count:,}", color=color, **place)
        axis.set_xticks(range(ethnicities), ETHNICITY_NAMES[:ethnicities])
        axis.set_yticks(range(NUM_GROUPS), GROUP_NAMES)
        axis.set_title(SEX_NAMES[sex], loc="left", color=_INK)
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel("age group, years")
    return figure
