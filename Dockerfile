# The image is for `rungway serve`. Give it a Redis or Valkey by RUNGWAY_REDIS_URL; without one it keeps its state in /data,
# by the Valkey of the extra `embedded`. A volume that is mounted there with other rights is refused: name a folder
# in it (RUNGWAY_DATA_DIR=/data/store).
# It listens on all interfaces, and so it wants RUNGWAY_TLS_CERT, RUNGWAY_TLS_KEY and RUNGWAY_TOKENS=true, or
# RUNGWAY_INSECURE=true where something else guards its port (docs/security.md).
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/rungway
ENV PATH=/opt/rungway/bin:$PATH
WORKDIR /src
# What we depend on, in a layer of its own that stays until the versions change.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY client/rungway/__about__.py client/rungway/__about__.py
COPY server/rungway_server/__init__.py server/rungway_server/__init__.py
RUN pip install --constraint constraints.txt '.[server,embedded,sobol]'
COPY client client
COPY server server
RUN pip wheel --no-deps --wheel-dir /dist . && pip install --no-deps --force-reinstall /dist/*.whl

FROM python:3.12-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin rungway \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/rungway /opt/rungway
ENV PATH=/opt/rungway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    RUNGWAY_LISTEN=0.0.0.0:7077 \
    RUNGWAY_DATA_DIR=/data \
    RUNGWAY_LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 7077
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["rungway", "healthcheck"]
ENTRYPOINT ["rungway"]
CMD ["serve"]
