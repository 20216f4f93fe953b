# syntax=docker/dockerfile:1
# dockside in an image that holds nothing else: no shell, no package manager. librdkafka and OpenSSL are built from the
# sources inside their crates. deploy/rootfs.sh says what is in it; among that the list of all that the binary is made of.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates perl pkg-config python3 zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin dockside \
    && deploy/rootfs.sh target/release/dockside /rootfs

FROM scratch
COPY --from=build /rootfs /
COPY --from=build --chown=10001:10001 /rootfs/var/lib/dockside /var/lib/dockside
USER 10001:10001
WORKDIR /var/lib/dockside
ENV PATH=/usr/local/bin
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/dockside"]
CMD ["run", "-c", "/etc/dockside/dockside.toml"]
