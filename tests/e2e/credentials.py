"""Keys, certificates and the kubeconfig of the test cluster; the openssl command makes what is secret."""

import base64
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.e2e.component import ClusterError


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def write_private_key(path: Path) -> None:
    """Write a new RSA key in PEM, such as the one that signs the tokens of service accounts."""
    write_secret(path, _openssl("genrsa", "2048"))


def write_serving_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a new self-signed certificate for 127.0.0.1 and its key; return both paths, the certificate first."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    write_private_key(key)
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    certificate.write_text(_openssl("req", "-x509", "-key", str(key), "-days", "30", *subject))
    return certificate, key


def kubeconfig(server: str, authority: bytes, token: str) -> str:
    """Return the kubeconfig of the holder of *token*; *authority* is the certificate that the server must have."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
        "current-context": "e2e",
    }
    return yaml.safe_dump(config)


def _openssl(*arguments: str) -> str:
    """Run openssl and return what it printed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        message = "make e2e needs the openssl command: install it and put it on the PATH"
        raise ClusterError(message)
    done = subprocess.run([openssl, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"openssl {' '.join(arguments)} failed:\n{done.stderr}"
        raise ClusterError(message)
    return done.stdout
