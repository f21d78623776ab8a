# The image is for `rungway serve`: docs/deploy.md says how to run it. It has one store of its own, the Valkey of the extra
# `embedded`, for where RUNGWAY_REDIS_URL names no Redis or Valkey; that keeps its data in /data/store, so mount a volume
# there: `-v rungway:/data`.
# It listens on all interfaces, and so it wants RUNGWAY_TLS_CERT, RUNGWAY_TLS_KEY and RUNGWAY_TOKENS=true, or
# RUNGWAY_INSECURE=true where something else guards its port (docs/security.md).

# A release names the digest too: --build-arg BASE=python:3.12-slim-trixie@sha256:… (`make image BASE=…`).
ARG BASE=python:3.12-slim-trixie
# The same, where another one has the compilers or `strip`.
ARG BUILD_BASE=$BASE

FROM $BUILD_BASE AS build
# Who builds behind a mirror of PyPI gives the build their pip.conf, and the certificate that it names, as secrets, which
# are in no layer: --secret id=pip.conf,src=… --secret id=ca.crt,src=…
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY constraints.txt ./
# The environment of the image has no pip; this one builds the wheel, with versions that constraints.txt has too.
RUN python -m venv /build && python -m venv --without-pip /opt/rungway
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    /build/bin/pip install --constraint constraints.txt hatchling
# What we depend on, in a layer of its own that stays until the versions change.
COPY pyproject.toml README.md LICENSE ./
COPY client/rungway/__about__.py client/rungway/__about__.py
COPY server/rungway_server/__init__.py server/rungway_server/__init__.py
COPY scripts/image/slim.sh ./
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /empty . && set -- /empty/*.whl \
    && /build/bin/pip --python /opt/rungway/bin/python install --constraint constraints.txt "$1[server,embedded]" dumb-init \
    && sh slim.sh /opt/rungway
COPY client client
COPY server server
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /build/bin/pip --python /opt/rungway/bin/python install --no-deps --no-index --force-reinstall /dist/*.whl \
    && cp server/rungway_server/healthprobe.py /opt/rungway/

FROM $BASE
# Group 0 may write to /data, because platforms that choose any user for a container, such as OpenShift, put it in that
# group. The store's own folder in it belongs to its user alone.
RUN useradd --uid 10001 --user-group --home-dir /opt/rungway --no-create-home --shell /usr/sbin/nologin rungway \
    && install --directory --owner 10001 --group 0 --mode 2770 /data \
    && python -m pip uninstall --quiet --yes --root-user-action ignore pip
COPY --from=build /opt/rungway /opt/rungway
COPY scripts/image/sbom.py /tmp/sbom.py
ENV PATH=/opt/rungway/bin:$PATH HOME=/opt/rungway
# Bytecode of what a start imports, of Python's own library too: its images leave it out, and a user who may not write
# compiles it anew in every process.
RUN python -c 'import rungway_server.workers, rungway_server.katib.serve, rungway_server.cli.app, rungway_server.healthprobe, socket, rungway' \
    && python /tmp/sbom.py > /opt/rungway/sbom.cdx.json && rm /tmp/sbom.py
# A drain of 4 seconds, with the half second before it and the end of the store after it, fits into the 10 seconds that
# `docker stop` gives.
ENV PYTHONDONTWRITEBYTECODE=1 \
    RUNGWAY_LISTEN=0.0.0.0:7077 \
    RUNGWAY_HEALTH_LISTEN=127.0.0.1:7079 \
    RUNGWAY_DATA_DIR=/data/store \
    RUNGWAY_DRAIN_SECONDS=4 \
    RUNGWAY_LOG_FORMAT=json
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rungway" \
    org.opencontainers.image.description="Hyperparameter search as a service" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.base.name="$BASE" \
    rungway.sbom="/opt/rungway/sbom.cdx.json"
USER 10001:10001
# gRPC, and HTTP. Probes (7079) are for this container, unless RUNGWAY_HEALTH_LISTEN says otherwise.
EXPOSE 7077 7078
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/rungway/healthprobe.py"]
# As process 1 it passes signals on from its first instruction, and takes in processes whose parent has died.
ENTRYPOINT ["dumb-init", "--single-child", "rungway"]
CMD ["serve"]
