"""Certificates: the one that is made, and those that are read."""

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webhook.server.certificate import CertificateError, SelfSigned, load_certificate, make_certificate

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PKCS8 = serialization.PrivateFormat.PKCS8
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def made() -> SelfSigned:
    return make_certificate(("podgate.example.com", "*.podgate.svc", "127.0.0.1", "::1"), NOW)


def leaf(made: SelfSigned) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.certificate)


def authority(made: SelfSigned) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.authority)


def written(folder: Path, made: SelfSigned) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    return made.write(folder)


def pair(folder: Path, key: CertificateIssuerPrivateKeyTypes, password: bytes = b"") -> tuple[Path, Path]:
    """Write a certificate of *key* that signs itself, and *key*, encrypted where there is a *password*."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / "x.crt").write_bytes(builder.sign(key, algorithm).public_bytes(PEM))
    (folder / "x.key").write_bytes(key.private_bytes(PEM, PKCS8, encryption))
    return folder / "x.crt", folder / "x.key"


# What is made


def test_it_has_the_names_and_addresses_that_were_asked_for(made: SelfSigned) -> None:
    names = leaf(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["podgate.example.com", "*.podgate.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]


@pytest.mark.parametrize(
    "name",
    ["exämple.com", "a b", "", "https://podgate", "podgate:8443", "10.0.0.0/8", "a..b", ".a", "a.", "*", "a.*", "a\n"],
)
def test_what_is_neither_a_name_nor_an_address_is_refused(name: str) -> None:
    with pytest.raises(CertificateError) as caught:
        make_certificate(("localhost", name))

    assert str(caught.value) == f"{name}: neither a DNS name nor an IP address"


def test_it_is_valid_for_a_year_and_from_five_minutes_before(made: SelfSigned) -> None:
    for certificate in (leaf(made), authority(made)):
        assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert certificate.not_valid_after_utc == NOW + timedelta(days=365)


def test_it_serves_tls_and_signs_nothing(made: SelfSigned) -> None:
    extensions = leaf(made).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert usage.critical
    assert (usage.value.digital_signature, usage.value.key_cert_sign, usage.value.crl_sign) == (True, False, False)
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_its_authority_signs_certificates_and_no_further_authority(made: SelfSigned) -> None:
    extensions = authority(made).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)

    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    leaf(made).verify_directly_issued_by(authority(made))


def test_the_ca_bundle_is_the_authority_as_pem_in_base64(made: SelfSigned) -> None:
    assert base64.b64decode(made.ca_bundle) == made.authority


def test_two_are_strangers(made: SelfSigned) -> None:
    other = make_certificate(("localhost",), NOW)

    assert leaf(other).serial_number != leaf(made).serial_number
    with pytest.raises(InvalidSignature):
        leaf(other).verify_directly_issued_by(authority(made))


def test_its_key_is_for_its_owner_only(tmp_path: Path, made: SelfSigned) -> None:
    certificate, key = made.write(tmp_path)

    assert (certificate.name, key.name) == ("tls.crt", "tls.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.crt").read_bytes() == made.authority


# What is read


def test_what_was_made_can_be_read(tmp_path: Path, made: SelfSigned) -> None:
    paths = made.write(tmp_path)

    read = load_certificate(*paths)

    assert (read.certificate, read.key) == paths
    assert (read.not_before, read.not_after) == (NOW - timedelta(minutes=5), NOW + timedelta(days=365))


def test_a_chain_after_the_certificate_is_read_over(tmp_path: Path, made: SelfSigned) -> None:
    certificate, key = made.write(tmp_path)
    other = make_certificate(("x",), NOW - timedelta(days=1000))
    certificate.write_bytes(made.certificate + other.authority)

    assert load_certificate(certificate, key).not_after == NOW + timedelta(days=365)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ec.generate_private_key(ec.SECP256R1()), id="P-256"),
        pytest.param(ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="Ed25519"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
    ],
)
def test_usual_keys_are_served(tmp_path: Path, key: CertificateIssuerPrivateKeyTypes) -> None:
    paths = pair(tmp_path, key)

    assert load_certificate(*paths).not_before == NOW


@pytest.mark.parametrize("curve", [ec.SECP521R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_regression_a_key_that_the_server_does_not_know_ended_in_a_panic(
    tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    certificate, key = pair(tmp_path, ec.generate_private_key(curve))

    with pytest.raises(CertificateError) as caught:
        load_certificate(certificate, key)

    assert str(caught.value) == (
        f"{certificate}: no certificate can be served from it: "
        f"a key on the curve {curve.name}: use P-256, P-384, Ed25519 or RSA"
    )


def test_regression_an_encrypted_key_asked_for_its_password_at_the_terminal(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, ec.generate_private_key(ec.SECP256R1()), b"secret")

    with pytest.raises(CertificateError) as caught:
        load_certificate(certificate, key)

    assert str(caught.value).startswith(f"{key}: no key in PEM for {certificate} can be read: ")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "No such file or directory", id="missing"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"no certificate", "", id="not PEM"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", id="no certificate in it"),
    ],
)
def test_a_certificate_that_cannot_be_read_is_named(
    tmp_path: Path, made: SelfSigned, content: bytes | None, why: str
) -> None:
    certificate, key = made.write(tmp_path)
    certificate.unlink()
    if content is not None:
        certificate.write_bytes(content)

    with pytest.raises(CertificateError) as caught:
        load_certificate(certificate, key)

    assert str(caught.value).startswith(f"{certificate}: no certificate can be served from it: {why}")


def test_a_certificate_in_der_is_named(tmp_path: Path, made: SelfSigned) -> None:
    certificate, key = made.write(tmp_path)
    certificate.write_bytes(leaf(made).public_bytes(serialization.Encoding.DER))

    with pytest.raises(CertificateError) as caught:
        load_certificate(certificate, key)

    assert str(caught.value).startswith(f"{certificate}: no certificate can be served from it: ")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "No such file or directory", id="missing"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"no key", "", id="not PEM"),
        pytest.param(make_certificate(("x",)).key, "", id="of another certificate"),
        pytest.param(make_certificate(("x",)).certificate, "", id="a certificate"),
    ],
)
def test_a_key_that_cannot_be_read_is_named(tmp_path: Path, made: SelfSigned, content: bytes | None, why: str) -> None:
    certificate, key = made.write(tmp_path)
    key.unlink()
    if content is not None:
        key.write_bytes(content)

    with pytest.raises(CertificateError) as caught:
        load_certificate(certificate, key)

    assert str(caught.value).startswith(f"{key}: no key in PEM for {certificate} can be read: {why}")


def test_a_folder_is_no_certificate(tmp_path: Path, made: SelfSigned) -> None:
    _, key = written(tmp_path / "x", made)

    with pytest.raises(CertificateError) as caught:
        load_certificate(tmp_path, key)

    assert str(caught.value) == f"{tmp_path}: no certificate can be served from it: Is a directory"
