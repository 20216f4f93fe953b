# syntax=docker/dockerfile:1
# dockside in a small image. librdkafka and OpenSSL are built from the sources inside their crates.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential perl pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin dockside \
    && cp target/release/dockside /usr/local/bin/dockside

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/dockside --create-home dockside
COPY --from=build /usr/local/bin/dockside /usr/local/bin/dockside
COPY config /etc/dockside
USER dockside
WORKDIR /var/lib/dockside
STOPSIGNAL SIGTERM
ENTRYPOINT ["dockside"]
CMD ["run", "-c", "/etc/dockside/dockside.toml"]
