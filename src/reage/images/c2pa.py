"""Content Credentials: a signed C2PA manifest inside the file, and reading one.

C2PA Technical Specification 2.2. The manifest says that the picture is a composite with trained
algorithmic media and which program made it; the signature covers the picture and its metadata.
Nothing here uses the network: no time is stamped, no manifest or revocation list is fetched.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reage.errors import ImageWriteError, MissingExtraError, UsageError
from reage.images.certificates import Identity, load_identity
from reage.images.provenance import SOURCE_TYPE
from reage.images.write import format_for_path

_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
_PARENT: Final = {"title": "photo", "relationship": "parentOf"}
_SETTINGS: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_IN_WORDS: Final = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "signingCredential.expired": "the certificate has expired",
}
_UNTRUSTED: Final = "signingCredential.untrusted"
# Content type of a description box of JUMBF, then the first bytes of C2PA's own kind of box.
_BOX: Final = b"jumdc2pa"


@dataclass(frozen=True)
class C2paSigner:
    """Signs picture files; made by `load_signer`."""

    identity: Identity

    def check(self, path: str | os.PathLike[str]) -> None:
        """Checks that a file of this name can hold a manifest.

        Raises:
            ImageWriteError: If its format cannot, or is unknown.
        """
        format_name = format_for_path(path)
        if format_name is not None and format_name not in _MEDIA_TYPES:
            raise _unsignable(path)

    def sign(
        self,
        data: bytes,
        format_name: str,
        software: str,
        target_ages: Sequence[float],
        edited: tuple[bytes, str] | None = None,
    ) -> bytes:
        """A picture file with a signed manifest in it.

        Args:
            data: The file.
            format_name: Pillow's name of its format, e.g. "PNG".
            software: Name and version of the program.
            target_ages: Ages shown, in years.
            edited: The photo that it was made from, as a file and the name of its format: the
                manifest names it as the parent, and keeps the manifest that it holds. Without one,
                or where its format holds no manifest or cannot be read, the picture counts as newly
                created.

        Raises:
            ImageWriteError: If the format cannot hold a manifest, or signing fails.
        """
        import c2pa

        if format_name not in _MEDIA_TYPES:
            raise _unsignable(f"a {format_name} picture")
        signed, parent = io.BytesIO(), None
        if edited is not None and edited[1] in _MEDIA_TYPES:
            parent = (edited[0], _MEDIA_TYPES[edited[1]])
        try:
            identity = self.identity
            info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None)
            with (
                c2pa.Signer.from_info(info) as signer,
                c2pa.Context(c2pa.Settings.from_dict(_SETTINGS)) as context,
                c2pa.Builder.from_json(
                    _manifest(software, target_ages, is_edit=parent is not None), context
                ) as builder,
            ):
                if parent is not None:
                    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
                    builder.add_ingredient(_PARENT, parent[1], io.BytesIO(parent[0]))
                builder.sign(signer, _MEDIA_TYPES[format_name], io.BytesIO(data), signed)
        except c2pa.C2paError as error:
            if parent is not None:
                # A photo that C2PA's library cannot read, as a Photoshop file, is no parent.
                return self.sign(data, format_name, software, target_ages)
            raise ImageWriteError(
                "C2PA", f"refuses to sign ({_reason(error)})", "check certificate and key"
            ) from error
        return signed.getvalue()


@dataclass(frozen=True)
class Manifest:
    """What a file's C2PA manifest says, and whether it holds.

    Attributes:
        signer: Whom the certificate names; empty if it cannot be read.
        software: Name and version of the program that signed.
        valid: Whether the signature fits and no byte was changed since.
        trusted: Whether the signer is in a trust list; `reage` brings none.
        problem: What is wrong with it; empty if it is valid.
    """

    signer: str
    software: str
    valid: bool
    trusted: bool
    problem: str


def load_signer(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> C2paSigner:
    """Reads a certificate and its key, and signs a picture of one pixel on trial.

    Args:
        certificate: PEM file, the signer's own certificate first, then those above it.
        key: PEM file, not encrypted: ECDSA (P-256, P-384, P-521), Ed25519 or RSA.

    Raises:
        MissingExtraError: If c2pa-python is not installed.
        UsageError: If a file cannot be read, the key is encrypted or does not fit, or the
            certificate has expired or may not sign.
    """
    _require_c2pa(certificate)
    signer = C2paSigner(load_identity(certificate, key))
    try:
        signer.sign(_one_pixel(), "PNG", "reage", ())
    except ImageWriteError as error:
        raise UsageError(
            certificate,
            f"is no certificate to sign with: C2PA {error.reason}",
            "use one for emailProtection or documentSigning that an authority has issued",
        ) from error
    return signer


def holds_manifest(data: bytes) -> bool:
    """Whether a file holds a C2PA manifest; this needs no extra."""
    return _BOX in data


def read_manifest(data: bytes) -> Manifest | None:
    """The active manifest of a picture file, checked against the file; None if it has none.

    Raises:
        MissingExtraError: If there is one, but c2pa-python is not installed.
    """
    if not holds_manifest(data):
        return None
    _require_c2pa("a C2PA manifest")
    import c2pa

    try:
        with c2pa.Context(c2pa.Settings.from_dict(_SETTINGS)) as context:
            reader = c2pa.Reader.try_create(None, io.BytesIO(data), context=context)
            if reader is None:
                return None
            with reader:
                return _described(json.loads(reader.json()))
    except c2pa.C2paError as error:
        return Manifest("", "", False, False, _reason(error))


def _described(store: dict[str, Any]) -> Manifest:
    active = store["manifests"][store["active_manifest"]]
    signature = active.get("signature_info") or {}
    names = dict.fromkeys((signature.get("common_name"), signature.get("issuer")))
    generator = (active.get("claim_generator_info") or [{}])[0]
    state = store.get("validation_state")
    failures = dict.fromkeys(
        _IN_WORDS.get(each["code"]) or each.get("explanation") or each["code"]
        for each in store.get("validation_status") or ()
        if each["code"] != _UNTRUSTED
    )
    valid = state in ("Valid", "Trusted")
    return Manifest(
        ", ".join(name for name in names if name),
        f"{generator.get('name', '')} {generator.get('version', '')}".strip(),
        valid,
        state == "Trusted",
        "" if valid else "; ".join(failures),
    )


def _manifest(software: str, target_ages: Sequence[float], *, is_edit: bool) -> str:
    name, _, version = software.partition(" ")
    agent = {"name": name, "version": version}
    made = {"digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    ages = ", ".join(f"{age:g}" for age in target_ages)
    actions = [{"action": "c2pa.edited", **made, "description": f"faces shown at age {ages}"}]
    if not is_edit:  # else C2PA's library says what was opened
        actions.insert(0, {"action": "c2pa.created", **made})
    assertion = {"label": "c2pa.actions.v2", "data": {"actions": actions}}
    return json.dumps({"claim_generator_info": [agent], "assertions": [assertion]})


def _require_c2pa(subject: str | os.PathLike[str]) -> None:
    try:
        import c2pa  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            subject, "needs c2pa-python, which is not installed", "run pip install 'reage[c2pa]'"
        ) from error


def _one_pixel() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def _unsignable(subject: str | os.PathLike[str]) -> ImageWriteError:
    return ImageWriteError(
        subject, "has no place for a C2PA manifest", "write JPEG, PNG, WebP, TIFF, AVIF or GIF"
    )


def _reason(error: Exception) -> str:
    """The library's words as a clause."""
    return " ".join(str(error).split()).rpartition("Signature: ")[2].rstrip(".")
