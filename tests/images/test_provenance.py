from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.app import main
from reage.images import encode_photo, read_photo
from reage.images.provenance import SOURCE_TYPE, Mark, is_synthetic, mark_photo, read_mark
from reage.inference.ager import FaceAger

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
CAMERA = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" dc:title="Hopper"'
    b' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    b'digitalCapture"/></rdf:RDF></x:xmpmeta>'
)


def picture(format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


def marked(data: bytes, ages: tuple[float, ...] = (70.0,)) -> bytes:
    photo = read_photo(data)
    return encode_photo(mark_photo(photo, "reage 9.9", ages), photo.pixels)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_the_mark_survives_every_format(format_name: str) -> None:
    photo = read_photo(marked(picture(format_name), (5.0, 70.5)))
    assert photo.format == format_name
    assert read_mark(photo) == Mark(SOURCE_TYPE, "reage 9.9", (5.0, 70.5))
    assert is_synthetic(read_mark(photo))
    assert read_mark(read_photo(picture(format_name))) is None


def test_a_packet_that_no_jpeg_can_hold_gives_way_to_the_mark() -> None:
    packet = CAMERA.replace(b"Hopper", b"Hopper" * 20_000)
    photo = read_photo(picture("WEBP", xmp=packet))
    marked_photo = mark_photo(photo, "reage 9.9", [70])
    for format_name, kept in (("JPEG", False), ("PNG", True)):
        back = read_photo(encode_photo(marked_photo, photo.pixels, format=format_name))
        assert read_mark(back) == Mark(SOURCE_TYPE, "reage 9.9", (70.0,))
        assert (b"Hopper" in (back.metadata.xmp or b"")) is kept


def packet_of(data: bytes) -> ET.Element:
    packet = read_photo(data).metadata.xmp
    assert packet is not None
    return ET.fromstring(packet[packet.index(b"<x:xmpmeta") : packet.rindex(b"</x:xmpmeta>") + 12])


def test_the_packet_is_valid_and_keeps_what_was_there() -> None:
    root = packet_of(marked(picture("JPEG", xmp=CAMERA)))
    first, second = root.iter(f"{RDF}Description")
    assert first.get("{http://purl.org/dc/elements/1.1/}title") == "Hopper"
    # The camera's word that this is a capture is no longer true.
    assert first.get(f"{IPTC}DigitalSourceType") == SOURCE_TYPE
    assert second.get(f"{IPTC}DigitalSourceType") == SOURCE_TYPE


def test_marking_again_replaces_the_mark() -> None:
    twice = marked(marked(picture("PNG")), (5.0,))
    assert len(list(packet_of(twice).iter(f"{RDF}Description"))) == 1
    mark = read_mark(read_photo(twice))
    assert mark is not None
    assert mark.target_ages == (5.0,)


@pytest.mark.parametrize("packet", [b"<x:xmpmeta", b"no XML at all", b"\xff\xfe<\0x\0"])
def test_a_broken_packet_gives_way(packet: bytes) -> None:
    assert read_mark(read_photo(marked(picture("JPEG", xmp=packet)))) is not None


def test_entities_are_never_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rdf:RDF>&b;</rdf:RDF>'
    photo = read_photo(marked(picture("JPEG", xmp=bomb)))
    assert read_mark(photo) == Mark(SOURCE_TYPE, "reage 9.9", (70.0,))
    assert photo.metadata.xmp is not None
    assert photo.metadata.xmp.count(b"aaaa") == 1


def test_a_capture_is_not_synthetic() -> None:
    mark = read_mark(read_photo(picture("JPEG", xmp=CAMERA)))
    assert mark is not None
    assert not is_synthetic(mark)
    assert not is_synthetic(None)


def test_results_are_marked(tiny_model: Path, astronaut_path: Path, tmp_path: Path) -> None:
    ager = FaceAger(tiny_model, threads=1)
    result = ager(astronaut_path, to=70)
    result.save(tmp_path / "aged.jpg")
    result.image.save(tmp_path / "pil.jpg", xmp=result.image.info["xmp"])
    sweep = ager.sweep(astronaut_path, [5, 70])
    sweep.save(tmp_path / "strip.png")
    sweep.save(tmp_path / "ages.gif")
    sweep.frames[1].save(tmp_path / "frame.webp", xmp=sweep.frames[1].info["xmp"])
    expected = {
        "aged.jpg": (70.0,),
        "pil.jpg": (70.0,),
        "strip.png": (5.0, 70.0),
        "ages.gif": (5.0, 70.0),
        "frame.webp": (70.0,),
    }
    for name, ages in expected.items():
        mark = read_mark(read_photo(tmp_path / name))
        assert mark is not None, name
        assert mark.target_ages == ages
        assert mark.software.startswith("reage ")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(marked(picture("JPEG")))
    (tmp_path / "b.jpg").write_bytes(picture("JPEG"))
    (tmp_path / "c.jpg").write_bytes(picture("JPEG", xmp=CAMERA))
    a, b, c, none = (str(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg", "none.jpg"))
    assert main(["inspect", a]) == 0
    assert capsys.readouterr().out == f"{a}: synthetic, by reage 9.9, target age 70\n"
    assert main(["inspect", none, b, c, a]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{b}: not marked",
        f"{c}: marked as digitalCapture",
        f"{a}: synthetic, by reage 9.9, target age 70",
    ]
    assert captured.err.startswith(f"reage: {none}: ")
    assert main(["inspect", "--json", a]) == 0
    assert json.loads(capsys.readouterr().out)["target_ages"] == [70.0]
