from __future__ import annotations

from pathlib import Path

import pytest

from reage.cli.options import parse_age, parse_ages, parse_faces, parse_source_age
from reage.errors import AgeRangeError, ImageReadError, UsageError


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("5,15,30", (5, 15, 30)),
        ("42.5", (42.5,)),
        (" 5, 15 ", (5, 15)),
        ("10:91:10", (10, 20, 30, 40, 50, 60, 70, 80, 90)),
        ("10:13", (10, 11, 12)),
        ("90:9:-40", (90, 50, 10)),
    ],
)
def test_ages(text: str, ages: tuple[float, ...]) -> None:
    assert parse_ages(text) == ages


@pytest.mark.parametrize("text", ["", ",", "5,,7", "old", "10:5", "1:9:0", "1:2:3:4", ":", "1:2.5"])
def test_text_that_is_no_list_of_ages(text: str) -> None:
    with pytest.raises(UsageError, match=r"write it like 5,15,30 or 10:91:10\."):
        parse_ages(text)


@pytest.mark.parametrize("text", ["5,117", "-1,5", "nan", "0:1000000000000", "5:-9999999999:-1"])
def test_ages_that_the_model_does_not_know(text: str) -> None:
    with pytest.raises(AgeRangeError, match="from 0 to 116"):
        parse_ages(text)


def test_age() -> None:
    assert parse_age("42.5") == 42.5
    with pytest.raises(
        AgeRangeError, match=r"age abc: is not a number; give years from 0 to 116\."
    ):
        parse_age("abc")


def test_source_age() -> None:
    photo = Path("faces/48_0_0_20170120134009260.jpg.chip.jpg")
    assert parse_source_age("from-name")(photo) == 48
    assert parse_source_age("42.5")(photo) == 42.5
    assert parse_source_age(None)(photo) is None
    with pytest.raises(AgeRangeError, match="from 0 to 116"):
        parse_source_age("117")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("61_1_20170109142408075.jpg.chip.jpg", "has 3 of the 4 fields"),
        ("family.jpg", r"give the years with --source-age\."),
        ("117_0_0_1.jpg", "the age 117 lies outside"),
    ],
)
def test_a_name_without_an_age(name: str, message: str) -> None:
    with pytest.raises(ImageReadError, match=message):
        parse_source_age("from-name")(Path(name))


def test_faces() -> None:
    assert [parse_faces(text) for text in ("all", "largest", "3")] == ["all", "largest", 3]


@pytest.mark.parametrize("text", ["0", "-1", "ALL", "", "two", "1.5"])
def test_text_that_names_no_faces(text: str) -> None:
    with pytest.raises(UsageError, match="give all, largest"):
        parse_faces(text)
