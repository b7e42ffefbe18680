# podgate's image. Build it with `docker build .` or `buildah bud .`; docs/image.md says what is in it and why.

# An exact version: what is built from the same commit tomorrow is the same podgate on the same Python. Whoever wants to
# the same bytes below it, too, adds the digest that they have verified: python:3.13.11-slim-trixie@sha256:…
# slim has no compiler. All that podgate needs comes as wheels, built already.
FROM python:3.13.11-slim-trixie AS base


# A stage to build in. Nothing of it is in the image but what is copied from it: the package client, its cache and the
# sources stay here.
FROM base AS build

# pip in an environment of its own builds; the one beside it, which will be in the image, has no pip.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/podgate

WORKDIR /src

# Dependencies come before the code, since they change seldom: as long as these files are the same, the layer is taken
# from the cache, and an edit of the code is built in seconds.
# --require-hashes: what is installed is byte by byte what was locked, wherever it comes from. --only-binary: no code of
# a package runs here, as its setup.py would. --no-compile: see below.
# The two secrets, which may be absent, are for those who reach packages through a mirror or a proxy: pip's
# configuration and the authority of its certificate (`--secret id=pip-config,src=pip.conf`). A secret is in no layer.
COPY requirements/build.txt requirements/run.txt requirements/
RUN --mount=type=secret,id=pip-config,target=/etc/pip.conf \
    --mount=type=secret,id=pip-authority,target=/etc/pip-authority.pem \
    /build/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: -r requirements/build.txt \
    && /build/bin/pip --python /opt/podgate/bin/python install \
      --no-cache-dir --no-compile --require-hashes --only-binary :all: -r requirements/run.txt

# podgate itself, without asking anyone for packages. The code is copied piece by piece: .dockerignore keeps out what is
# none of an image's business, and a changed test or page of documentation does not even reach this layer.
COPY pyproject.toml README.md ./
COPY webhook webhook
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/podgate/bin/python install --no-compile --no-deps --no-index /wheels/*.whl

# Commands of the dependencies (flask, granian and others) are of no use here.
RUN find /opt/podgate/bin -type f ! -name podgate -delete

# Python would write .pyc files at the first import, but not into a read-only root: without them each start would
# compile all anew. Compiled here they are trusted without a look at the time of the source (unchecked-hash), which
# differs between builds and would make the layer differ, too.
RUN /opt/podgate/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/podgate/lib


FROM base

# What is not needed to run is a finding of some scanner, or a tool for an intruder: the package client goes. This hides
# what the base's layers have: the image is no smaller for it, but no process can see it.
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip*

# One layer with all that is podgate.
COPY --from=build /opt/podgate /opt/podgate

# python and podgate are found by name. Output leaves at once, also from a process that is killed.
ENV PATH=/opt/podgate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PODGATE_REPORTS=/var/lib/podgate/reports.db

# A number: by a name the kubelet cannot tell whether it is root, and refuses it under runAsNonRoot. The user needs no
# entry in /etc/passwd, owns no file here, and writes only to what is mounted: /tmp and the store of reports.
USER 65532:65532
WORKDIR /

EXPOSE 8443 8080

# For Docker and Podman; Kubernetes has probes of its own. podgate's image has no curl: podgate asks itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["podgate", "health"]

# In the form of a list: podgate is process 1 itself, and SIGTERM reaches it rather than a shell.
ENTRYPOINT ["podgate"]
CMD ["--help"]

# The keys of the OCI image specification. They stand last, where a new revision makes no layer anew.
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="podgate" \
      org.opencontainers.image.description="A Kubernetes admission controller for what runs in a pod" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="python:3.13.11-slim-trixie"
