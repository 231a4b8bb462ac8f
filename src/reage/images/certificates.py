"""A certificate and its private key, read from PEM files and checked against each other."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reage.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Identity:
    """Somebody's certificate and the key that proves it.

    Attributes:
        chain: PEM, their own certificate, then those above it.
        key: PEM, PKCS #8, not encrypted.
        algorithm: C2PA's name of the signature algorithm, such as "es256".
    """

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str


def load_identity(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> Identity:
    """Reads a certificate and its key.

    Args:
        certificate: PEM file, the own certificate first, then those above it.
        key: PEM file, not encrypted: ECDSA (P-256, P-384, P-521), Ed25519 or RSA.

    Raises:
        UsageError: If a file cannot be read, the key is encrypted, of another kind or does not
            fit, or the certificate is not valid today.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    chain, private = _read_chain(certificate), _read_key(key)
    _check_dates(certificate, chain[0])
    if chain[0].public_key() != private.public_key():
        raise UsageError(
            key, f"does not fit the first certificate in {certificate}", "name the key it is for"
        )
    return Identity(
        b"".join(each.public_bytes(Encoding.PEM) for each in chain),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        _algorithm(private, key),
    )


def _read_chain(path: str | os.PathLike[str]) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise UsageError(
            path, "holds no certificate in PEM form", "name a file with BEGIN CERTIFICATE"
        ) from error


def _read_key(path: str | os.PathLike[str]) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(path), password=None)
    except TypeError as error:
        raise UsageError(
            path, "is encrypted", "decrypt it first, with openssl pkcs8 for example"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            path, "holds no private key in PEM form", "name a file with BEGIN PRIVATE KEY"
        ) from error


def _read(path: str | os.PathLike[str]) -> bytes:
    file = Path(path)
    try:
        # Reading a pipe might never end.
        if file.exists() and not file.is_file():
            raise UsageError(path, "is no regular file", "name another file")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(path, f"cannot be read ({error.strerror})", "name another file") from error


def _check_dates(path: str | os.PathLike[str], certificate: Certificate) -> None:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        day = certificate.not_valid_after_utc.date()
        raise UsageError(path, f"expired on {day}", "renew the certificate")
    if now < certificate.not_valid_before_utc:
        day = certificate.not_valid_before_utc.date()
        raise UsageError(path, f"is valid only from {day} on", "wait, or set the clock")


def _algorithm(key: PrivateKeyTypes, path: str | os.PathLike[str]) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise UsageError(path, "is of a kind that C2PA does not know", "use ECDSA, Ed25519 or RSA")
