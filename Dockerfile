# syntax=docker/dockerfile:1
# The image: one static binary, its licences, and an empty folder for its data. No shell, no loader.
#
#   docker build -t mynah .
#   docker run --rm --read-only -p 127.0.0.1:4310:4310 mynah
#
# docs/ci.md tells how to use it.

ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# Crates and what was compiled of them stay in caches beside the layers, so a change of one file
# costs one crate.
RUN --mount=type=cache,id=mynah-crates,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=mynah-target-${TARGETARCH},target=/src/target,sharing=locked \
    scripts/build-static /out

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mynah" \
      org.opencontainers.image.description="A stand-in server for the Runner API and the Characters API" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/mynah /mynah
COPY --from=build /out/licenses /licenses
# A named volume that is new takes over the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/data /data
ENV MYNAH_HOST=0.0.0.0 \
    MYNAH_PORT=4310 \
    MYNAH_DATABASE=sqlite:///data/mynah.db
USER 65532:65532
# What is written to a relative path, MYNAH_DATABASE=sqlite://mynah.db say, is kept.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 4310
STOPSIGNAL SIGTERM
# Asks where the server's own settings say that it listens.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=0.1s --retries=3 \
    CMD ["/mynah", "healthcheck"]
ENTRYPOINT ["/mynah"]
