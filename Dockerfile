# syntax=docker/dockerfile:1
# The image: a static binary, its licences, and an empty folder for its data. No shell, no loader.
#
#   docker build -t mynah .
#   docker run --rm --read-only -p 127.0.0.1:4310:4310 mynah
#
# docs/ci.md explains how to use it. HEALTHCHECK --start-interval needs Docker 25 or later.

ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# Crates and build artifacts are kept in caches outside the layers, so that a changed file rebuilds one
# crate.
RUN --mount=type=cache,id=mynah-crates,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=mynah-target-${TARGETARCH},target=/src/target,sharing=locked \
    scripts/build-static /out

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mynah" \
      org.opencontainers.image.description="A mock server for the Runner API and the Characters API" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/mynah /mynah
COPY --from=build /out/licenses /licenses
# A new named volume takes the owner of the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /out/data /data
ENV MYNAH_HOST=0.0.0.0 \
    MYNAH_PORT=4310 \
    MYNAH_DATABASE=sqlite:///data/mynah.db
USER 65532:65532
# So that relative paths, such as MYNAH_DATABASE=sqlite://mynah.db, are in the volume.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 4310
STOPSIGNAL SIGTERM
# Reads the address from the same variables as the server.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=0.1s --retries=3 \
    CMD ["/mynah", "healthcheck"]
ENTRYPOINT ["/mynah"]
