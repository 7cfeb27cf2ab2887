# One image for everything: collector, dashboard, and each process of the shop is a command of it.
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY tracelab tracelab
COPY collectors collectors
COPY dashboards dashboards
COPY demo_services demo_services
RUN python3 -m venv /opt/tracelab && /opt/tracelab/bin/pip install --no-cache-dir '.[compose]'
ENV NUMBA_CACHE_DIR=/opt/numba
RUN /opt/tracelab/bin/python -m tracelab.kernels.warm && chmod -R a+rwX /opt/numba

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/tracelab /opt/tracelab
COPY --from=build /opt/numba /opt/numba
RUN useradd --create-home --uid 10001 tracelab && mkdir -p /lake /data /lab && chown tracelab /lake /data /lab
USER tracelab
WORKDIR /data
ENV PATH=/opt/tracelab/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/numba \
    TRACELAB_LAKE=/lake \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    ARROW_DEFAULT_MEMORY_POOL=system
VOLUME /lake
ENTRYPOINT []
CMD ["tracelab", "collect", "--host", "0.0.0.0"]
