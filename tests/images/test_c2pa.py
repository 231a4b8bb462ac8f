from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.app import main
from reage.errors import ImageWriteError, MissingExtraError, UsageError
from reage.images import read_photo
from reage.images.c2pa import C2paSigner, holds_manifest, load_signer, read_manifest
from reage.images.provenance import read_mark
from reage.inference.ager import FaceAger

pytest.importorskip("c2pa")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC)
ROOT = ec.generate_private_key(ec.SECP256R1())
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "GIF": "gif", "AVIF": "avif"}


@dataclass
class Files:
    certificate: Path
    key: Path


def name(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Organisation")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(key, *, authority=False, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION, days=(-1, 30)):
    """A certificate as C2PA asks for one, issued by the test's own root."""
    public = key.public_key()
    allowed = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("Root" if authority else "Ada"))
        .issuer_name(name("Root"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
                **allowed,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.public_key()), critical=False
        )
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(ROOT, hashes.SHA256()).public_bytes(Encoding.PEM)


def files(
    folder: Path, key=None, *, encryption=None, style=PrivateFormat.PKCS8, **options
) -> Files:
    key = key or ec.generate_private_key(ec.SECP256R1())
    found = Files(folder / "cert.pem", folder / "key.pem")
    found.certificate.write_bytes(certificate(key, **options) + certificate(ROOT, authority=True))
    found.key.write_bytes(key.private_bytes(Encoding.PEM, style, encryption or NoEncryption()))
    return found


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return files(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def signer(identity: Files) -> C2paSigner:
    return load_signer(identity.certificate, identity.key)


def picture(format_name: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, format_name)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_signed_file_is_valid_until_a_byte_changes(signer: C2paSigner, format_name: str) -> None:
    plain = picture(format_name)
    assert read_manifest(plain) is None
    signed = signer.sign(plain, format_name, "reage 9.9", (70.0,))
    manifest = read_manifest(signed)
    assert manifest is not None
    assert manifest.signer == "Ada, Test Organisation"
    assert manifest.software == "reage 9.9"
    assert (manifest.valid, manifest.trusted, manifest.problem) == (True, False, "")
    with Image.open(io.BytesIO(plain)) as before, Image.open(io.BytesIO(signed)) as after:
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
    # A byte of the compressed pixels: it stands in the signed file as it stood in the plain one.
    place = signed.rindex(plain[-80:-60])
    changed = bytearray(signed)
    changed[place] ^= 1
    broken = read_manifest(bytes(changed))
    assert broken is not None
    assert not broken.valid
    assert broken.problem == "the file was changed after it was signed"


def test_the_manifest_says_how_the_picture_was_made(signer: C2paSigner) -> None:
    import c2pa

    signed = signer.sign(picture("PNG"), "PNG", "reage 9.9", (5.0, 70.5))
    with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
        [assertion] = reader.get_active_manifest()["assertions"]
    assert assertion["label"] == "c2pa.actions.v2"
    created, edited = assertion["data"]["actions"]
    for action in (created, edited):
        assert action["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
        assert action["softwareAgent"] == {"name": "reage", "version": "9.9"}
    assert (created["action"], edited["action"]) == ("c2pa.created", "c2pa.edited")
    assert edited["description"] == "faces shown at age 5, 70.5"


@pytest.mark.parametrize("parent", [b"8BPS\0\1" + bytes(400), b"\x89PNG\r\n\x1a\n\0"])
def test_a_photo_that_c2pa_cannot_read_is_no_parent(signer: C2paSigner, parent: bytes) -> None:
    import c2pa

    signed = signer.sign(picture("PNG"), "PNG", "reage 9.9", (70.0,), (parent, "PNG"))
    with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
        [assertion] = reader.get_active_manifest()["assertions"]
    actions = [action["action"] for action in assertion["data"]["actions"]]
    assert actions == ["c2pa.created", "c2pa.edited"]


def test_an_edit_names_its_parent_and_keeps_its_manifest(
    signer: C2paSigner, identity: Files, tiny_model: Path, astronaut_path: Path, tmp_path: Path
) -> None:
    import c2pa

    source, target = tmp_path / "me.png", tmp_path / "me_70.jpg"
    taken = signer.sign(astronaut_path.read_bytes(), "PNG", "camera 1", ())
    source.write_bytes(taken)
    options = ["--model", tiny_model, "--c2pa-cert", identity.certificate]
    options += ["--c2pa-key", identity.key, "-o", target]
    assert main(["age", str(source), "--to", "70", *map(str, options)]) == 0
    manifest = read_manifest(target.read_bytes())
    assert manifest is not None
    assert manifest.valid
    with c2pa.Reader("image/jpeg", io.BytesIO(target.read_bytes())) as reader:
        active = reader.get_active_manifest()
        [parent] = active["ingredients"]
        actions = active["assertions"][0]["data"]["actions"]
        names = [
            each["claim_generator_info"][0]["name"]
            for each in json.loads(reader.json())["manifests"].values()
        ]
    assert parent["relationship"] == "parentOf"
    assert "thumbnail" not in parent
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert sorted(names) == ["camera", "reage"]


@pytest.mark.parametrize(
    ("key", "style"),
    [
        (ec.generate_private_key(ec.SECP384R1()), PrivateFormat.TraditionalOpenSSL),
        (ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
        (rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_every_kind_of_key_signs(tmp_path: Path, key: object, style: PrivateFormat) -> None:
    found = files(tmp_path, key, style=style)
    signed = load_signer(found.certificate, found.key).sign(picture("PNG"), "PNG", "reage 1", ())
    manifest = read_manifest(signed)
    assert manifest is not None
    assert manifest.valid


def refusal(found: Files) -> str:
    with pytest.raises(UsageError) as caught:
        load_signer(found.certificate, found.key)
    return str(caught.value)


def test_what_cannot_sign_is_refused_in_one_sentence(tmp_path: Path) -> None:
    encrypted = refusal(files(tmp_path, encryption=BestAvailableEncryption(b"secret")))
    assert encrypted.startswith(f"{tmp_path / 'key.pem'}: is encrypted; ")
    expired = refusal(files(tmp_path, days=(-3, -1)))
    day = (NOW - timedelta(days=1)).date()
    assert expired == f"{tmp_path / 'cert.pem'}: expired on {day}; renew the certificate."
    assert "is valid only from" in refusal(files(tmp_path, days=(1, 2)))
    purpose = refusal(files(tmp_path, usage=ExtendedKeyUsageOID.SERVER_AUTH))
    assert "the certificate is invalid" in purpose
    assert "emailProtection" in purpose


def test_files_that_do_not_fit_are_refused(tmp_path: Path, identity: Files) -> None:
    other = files(tmp_path)
    assert "does not fit" in refusal(Files(identity.certificate, other.key))
    assert "holds no certificate" in refusal(Files(identity.key, identity.key))
    assert "holds no private key" in refusal(Files(identity.certificate, identity.certificate))
    assert "cannot be read" in refusal(Files(tmp_path / "none.pem", identity.key))


def test_the_key_is_not_shown(signer: C2paSigner) -> None:
    assert "PRIVATE" not in repr(signer)


def test_formats_without_a_place_are_refused(signer: C2paSigner) -> None:
    with pytest.raises(ImageWriteError, match="has no place for a C2PA manifest"):
        signer.check("a.bmp")
    with pytest.raises(ImageWriteError, match="a BMP picture: has no place"):
        signer.sign(picture("BMP"), "BMP", "reage 1", ())
    signer.check("a.webp")


def test_a_manifest_is_seen_without_the_extra(
    signer: C2paSigner, monkeypatch: pytest.MonkeyPatch, identity: Files
) -> None:
    signed = signer.sign(picture("PNG"), "PNG", "reage 1", ())
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert holds_manifest(signed)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[c2pa\]'"):
        read_manifest(signed)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[c2pa\]'"):
        load_signer(identity.certificate, identity.key)


def test_the_words_alone_are_no_manifest() -> None:
    assert read_manifest(picture("PNG") + b"jumdc2pa") is None


def test_results_are_signed_after_they_are_marked(
    signer: C2paSigner, astronaut_path: Path, tiny_model: Path, tmp_path: Path
) -> None:
    ager = FaceAger(tiny_model, threads=1)
    ager.age(astronaut_path, 70).save(tmp_path / "aged.jpg", signer=signer)
    sweep = ager.sweep(astronaut_path, [5, 70])
    sweep.save(tmp_path / "strip.png", signer=signer)
    sweep.save(tmp_path / "ages.gif", signer=signer)
    for path in tmp_path.iterdir():
        manifest, mark = read_manifest(path.read_bytes()), read_mark(read_photo(path))
        assert manifest is not None
        assert manifest.valid
        assert mark is not None
        assert mark.target_ages[-1] == 70


def test_commands(
    identity: Files,
    astronaut_path: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sign = ["--c2pa-cert", str(identity.certificate), "--c2pa-key", str(identity.key)]
    common = [*sign, "--model", str(tiny_model), "--threads", "1"]
    aged, strip = tmp_path / "aged.png", tmp_path / "strip.jpg"
    assert main(["age", str(astronaut_path), "--to", "70", "-o", str(aged), *common]) == 0
    assert main(["sweep", str(astronaut_path), "--ages", "70", "-o", str(strip), *common]) == 0
    source, results = tmp_path / "photos", tmp_path / "results"
    source.mkdir()
    (source / "a.png").write_bytes(astronaut_path.read_bytes())
    (source / "b.bmp").write_bytes(picture("BMP"))
    assert main(["age", str(source), "--to", "70", "-o", str(results), *common]) == 1
    assert "has no place for a C2PA manifest" in (results / "failures.csv").read_text()
    capsys.readouterr()
    for path in (aged, strip, results / "a.png"):
        assert main(["inspect", str(path)]) == 0
        assert capsys.readouterr().out.endswith(
            "; C2PA manifest signed by Ada, Test Organisation, valid, signer not in a trust list\n"
        )
    assert main(["inspect", "--json", str(aged)]) == 0
    assert json.loads(capsys.readouterr().out)["c2pa"]["valid"] is True


def test_half_of_the_options_is_refused_before_anything_is_aged(
    identity: Files, astronaut_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aged = str(tmp_path / "aged.png")
    command = ["age", str(astronaut_path), "--to", "70", "-o", aged]
    assert main([*command, "--c2pa-cert", str(identity.certificate)]) == 2
    expected = "reage: --c2pa-cert: signs nothing without --c2pa-key; give both.\n"
    assert capsys.readouterr().err == expected
    assert not Path(aged).exists()


def test_inspect_tells_of_a_changed_picture(
    signer: C2paSigner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = bytearray(signer.sign(picture("JPEG"), "JPEG", "reage 1", ()))
    changed[-20] ^= 1
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(changed))
    assert main(["inspect", str(path)]) == 1
    assert "NOT VALID: " in capsys.readouterr().out
