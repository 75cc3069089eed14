# The worker and every `rewake` command. Libraries are locked with hashes; nothing is compiled here, and no compiler stays.
ARG PYTHON=3.12.11-slim-bookworm
FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements.image.lock requirements.build.lock ./
RUN python -m venv /opt/rewake \
    && /opt/rewake/bin/pip install --require-hashes -r requirements.image.lock \
    && pip install --require-hashes -r requirements.build.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY segmenters segmenters
COPY streams streams
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
    && /opt/rewake/bin/pip install --no-deps --no-index dist/*.whl \
    && /opt/rewake/bin/pip check \
    && /opt/rewake/bin/pip uninstall --yes pip

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home rewake \
    && mkdir /var/cache/rewake \
    && chown rewake /var/cache/rewake
COPY --from=build /opt/rewake /opt/rewake
COPY rules/default.toml /etc/rewake/rules.toml
# Compiled rules are kept below XDG_CACHE_HOME: give it a volume, and a second start takes seconds.
ENV PATH=/opt/rewake/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/var/cache/rewake
USER rewake
WORKDIR /etc/rewake
EXPOSE 9100 8080
# A worker leaves within 30 s of SIGTERM; give it longer. Its health probe is `rewake worker --check` (alive), for traffic or rollouts `rewake worker --ready`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["rewake"]
CMD ["worker"]
