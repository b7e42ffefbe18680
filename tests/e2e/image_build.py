"""podgate's image, built by buildah from the Dockerfile as it stands, on a base image that stands in for the real one.

No registry of images is asked. The base is a Debian of the same release, with the same Python, that mmdebstrap makes of
Debian's packages; it carries the name in the FROM line, so that buildah looks no further.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e import tools

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
RELEASE = "trixie"
PACKAGES = "ca-certificates,python3,python3-venv"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILD_SECONDS = 600
TAG = "localhost/podgate:test"
# Of pip's settings, those that say where packages come from and how they are reached.
PIP_SETTINGS = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout"}
SCRATCH = "/tmp"  # noqa: S108  # the image's own
BIND = 'mkdir -p "{0}{1}" && mount --bind "{2}" "{0}{1}" && mount -o remount,bind,{3} "{0}{1}"'
PIP_AUTHORITY = "/etc/pip-authority.pem"


def base_name() -> str:
    """Return the name in the first FROM line of the Dockerfile."""
    found = re.search(r"^FROM (\S+) AS base$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None, f"{DOCKERFILE} has no line FROM … AS base"
    return found[1]


class Buildah:
    """buildah with images and containers in *folder*, which holds nothing of the user's own and can be removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for program in ("buildah", "mmdebstrap"):
            if shutil.which(program) is None:
                message = "the image is built with buildah and mmdebstrap: apt-get install buildah mmdebstrap"
                raise tools.BuildError(message)

    def run(self, *arguments: str | Path) -> str:
        """Run buildah and return what it printed; raises BuildError with what it complained of."""
        storage = ("--root", self._folder / "storage", "--runroot", self._folder / "run")
        return _run("buildah", *storage, *arguments)

    def build(self) -> None:
        """Build the image, under TAG, on a base made for the purpose."""
        self._make_base()
        settings, authority = self._folder / "pip.conf", self._folder / "authority.pem"
        settings.write_text(pip_settings())
        shutil.copyfile(_pip_config().get("cert") or ssl.get_default_verify_paths().cafile or os.devnull, authority)
        # chroot works where no namespaces may be made, in a container, say; docker is the format with a HEALTHCHECK.
        flags = ("--isolation=chroot", "--pull-never", "--format=docker", "--timestamp=0", f"--tag={TAG}")
        secrets = (f"--secret=id=pip-config,src={settings}", f"--secret=id=pip-authority,src={authority}")
        self.run("bud", *flags, *secrets, ROOT)

    @property
    def config(self) -> dict[str, Any]:
        """The image's configuration: User, Env, Entrypoint and so on."""
        config: dict[str, Any] = json.loads(self.run("inspect", "--type=image", TAG))["Docker"]["config"]
        return config

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Give the root of a new container of the image, until the end."""
        container = self.run("from", "--pull-never", TAG)
        try:
            yield Path(self.run("mount", container))
        finally:
            self.run("umount", container)
            self.run("rm", container)

    def remove(self) -> None:
        """Remove everything."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")
        shutil.rmtree(self._folder)

    def _make_base(self) -> None:
        container = self.run("from", "scratch")
        self.run("add", container, _root_tar(), "/")
        root = Path(self.run("mount", container))
        for name in ("python3", "python"):  # where the real image has it
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        (pip,) = (root / "usr/share/python-wheels").glob("pip-*.whl")
        with zipfile.ZipFile(pip) as wheel:  # the real image has pip installed; the Dockerfile takes it out
            wheel.extractall(root / "usr/local/lib/python3.13/site-packages")
        (root / "usr/local/bin/pip").touch()
        self.run("umount", container)
        self.run("config", f"--env=PATH={PATH}", "--cmd=python3", container)
        self.run("commit", "--rm", container, base_name())


class Container:
    """A command in the image as a cluster runs it: its user, a root that cannot be written to, a network of its own.

    It needs root, util-linux and iproute2. `/tmp` can be written to. Folders are mounted by their paths inside:
    those of *read* cannot be written to, those of *written* can.
    """

    def __init__(
        self,
        root: Path,
        config: dict[str, Any],
        arguments: Sequence[str],
        *,
        read: Mapping[str, Path],
        written: Mapping[str, Path] | None = None,
    ) -> None:
        """Start the image's entry point with *arguments*."""
        self._config = config
        mounts = [(root, at, path, "ro") for at, path in read.items()]
        mounts += [(root, at, path, "rw") for at, path in (written or {}).items()]
        binds = "\n".join(BIND.format(*mount) for mount in mounts)
        script = f"""
            set -e
            mount --make-rprivate /
            mount --bind "{root}" "{root}"
            {binds}
            mount -o remount,bind,ro "{root}"
            mount -t tmpfs tmpfs "{root}{SCRATCH}"
            mount -t proc proc "{root}/proc"
            mount --rbind /dev "{root}/dev"
            ip link set lo up
            exec chroot --userspec={config["User"]} "{root}" "$@"
        """
        command = ["unshare", "--mount", "--net", "sh", "-c", script, "sh", *config["Entrypoint"], *arguments]
        self.process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def execute(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run *command* beside it, as its user, as `kubectl exec -i` does."""
        user, _, group = self._config["User"].partition(":")
        namespaces = (f"--target={self.process.pid}", "--mount", "--net", "--root", "--wd")
        return subprocess.run(
            ["nsenter", *namespaces, f"--setuid={user}", f"--setgid={group}", *command],
            env=self._environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def end(self, seconds: float) -> tuple[int, str, str]:
        """Send SIGTERM, wait *seconds* at most; return the exit code, standard output and standard error."""
        self.process.terminate()
        try:
            output, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, output, errors

    @property
    def _environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self._config["Env"])


def pip_settings() -> str:
    """Return a pip.conf that reaches packages as this machine's pip does, with the authority in PIP_AUTHORITY."""
    settings = {key: value for key, value in _pip_config().items() if key in PIP_SETTINGS}
    lines = [f"{key} = {value}".replace("\n", "\n  ") for key, value in (settings | {"cert": PIP_AUTHORITY}).items()]
    return "\n".join(["[global]", *lines, ""])


def _pip_config() -> dict[str, str]:
    """Return what pip is configured with, from files and environment, the latter last: it wins."""
    listed = _run(sys.executable, "-m", "pip", "config", "list").splitlines()
    pairs = [line.split("=", 1) for line in listed if "=" in line]
    ordered = sorted(pairs, key=lambda pair: pair[0].startswith(":env:"))
    return {key.rpartition(".")[2]: str(ast.literal_eval(value)) for key, value in ordered}


def _root_tar() -> Path:
    """Return the base image's root as a tar file, made now unless the cache has it."""
    name = hashlib.sha256(f"{RELEASE} {PACKAGES}".encode()).hexdigest()[:12]
    archive = tools.cache() / f"base-{RELEASE}-{name}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        partial = archive.with_name(f"partial-{os.getpid()}-{archive.name}")
        try:
            _run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, partial)
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)
    return archive


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    if done.returncode:
        message = f"{' '.join(map(str, command))} failed with code {done.returncode}:\n{done.stdout}{done.stderr}"
        raise tools.BuildError(message)
    return done.stdout.strip()
