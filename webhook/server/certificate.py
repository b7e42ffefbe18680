"""Certificates: the one that is served, and one made for the purpose where there is none."""

import base64
import ipaddress
import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

LIFETIME = timedelta(days=365)
BACKDATED = timedelta(minutes=5)  # the API server's clock may be behind ours
_DNS_NAME = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*", re.ASCII)


class CertificateError(ValueError):
    """A certificate or key cannot be served; str() names the file and says why."""


class ServingCertificate(Struct, frozen=True):
    """Files with a certificate (its chain after it) and its key, and when it is valid."""

    certificate: Path
    key: Path
    not_before: datetime
    not_after: datetime


class SelfSigned(Struct, frozen=True):
    """A certificate authority made on the spot, and a certificate of it."""

    certificate: bytes
    key: bytes
    authority: bytes

    @property
    def ca_bundle(self) -> str:
        """What a webhook's clientConfig.caBundle wants: the authority as PEM, in base64."""
        return base64.b64encode(self.authority).decode()

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write tls.crt, tls.key (for its owner only) and ca.crt into *folder*; return the paths of the first two."""
        paths = folder / "tls.crt", folder / "tls.key"
        paths[1].touch(mode=0o600)
        paths[0].write_bytes(self.certificate)
        paths[1].write_bytes(self.key)
        (folder / "ca.crt").write_bytes(self.authority)
        return paths


def load_certificate(certificate: Path, key: Path) -> ServingCertificate:
    """Read and check the files; raises CertificateError, also where the two do not belong together."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        _require_known(leaf.public_key())
    except (OSError, ValueError) as error:
        msg = f"{certificate}: no certificate can be served from it: {_why(error)}"
        raise CertificateError(msg) from error
    try:
        # OpenSSL's own reading of both, as TLS will need them. Without a password it would ask at the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        msg = f"{key}: no key in PEM for {certificate} can be read: {_why(error)}"
        raise CertificateError(msg) from error
    return ServingCertificate(certificate, key, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _require_known(key: CertificatePublicKeyTypes) -> None:
    """Raise ValueError for a kind of key that Granian's TLS, rustls with ring, does not know: it would panic."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in ("secp256r1", "secp384r1"):
        msg = f"a key on the curve {key.curve.name}: use P-256, P-384, Ed25519 or RSA"
        raise ValueError(msg)


def make_certificate(names: Sequence[str], now: datetime | None = None) -> SelfSigned:
    """Make an authority and a certificate for *names*, DNS names and IP addresses; raises CertificateError."""
    now = now or datetime.now(UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "podgate")])
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "podgate webhook")])
    leaf = (
        _builder(subject, authority_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return SelfSigned(
        certificate=leaf.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        authority=authority.public_bytes(serialization.Encoding.PEM),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if _DNS_NAME.fullmatch(name) is None:
        msg = f"{name}: neither a DNS name nor an IP address"
        raise CertificateError(msg)
    return x509.DNSName(name)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
