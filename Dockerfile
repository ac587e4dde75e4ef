# One image for every process of the shop and for payments: api, payments, worker, shopctl.
# What runs is chosen by the command: `api`, `payments`, `worker saga`, `shopctl doctor` …
#
#   docker build -t shop-system .
#   docker build -t shop-system --build-arg VERSION=1.4.0 --build-arg REVISION="$(git rev-parse HEAD)" .

ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# cargo-chef, built once: dependencies are a layer of their own, rebuilt only when Cargo.lock changes
FROM ${RUST_IMAGE} AS chef
RUN cargo install --locked --version 0.1.78 cargo-chef
WORKDIR /build

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# queries were checked against live databases before they were committed (.sqlx)
ENV SQLX_OFFLINE=true
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --recipe-path recipe.json \
    --package api --package payments --package worker --package shopctl
COPY . .
RUN cargo build --release --locked --bins \
    --package api --package payments --package worker --package shopctl \
    && mkdir /out \
    && cp target/release/api target/release/payments target/release/worker target/release/shopctl /out/ \
    && strip /out/*

# glibc, CA certificates and nothing else: no shell, no package manager
FROM ${RUNTIME_IMAGE} AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="shop-system" \
      org.opencontainers.image.description="An order system on durable sagas: api, payments, worker, shopctl" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=build /out/ /usr/local/bin/
# nonroot of distroless; a number, so that Kubernetes can see that it is not root
USER 65532:65532
# what is large goes back to the system when it is freed: messages may have 16 MiB
ENV MALLOC_MMAP_THRESHOLD_=262144
# of the container alone: what may reach it is said by ports and network policies
ENV API_LISTEN=0.0.0.0:8080 \
    API_ADMIN_LISTEN=0.0.0.0:9080 \
    PAYMENTS_LISTEN=0.0.0.0:8081 \
    PAYMENTS_ADMIN_LISTEN=0.0.0.0:9081 \
    WORKER_ADMIN_LISTEN=0.0.0.0:9082 \
    LOG_FORMAT=json
# health is asked by whoever runs it (compose, Kubernetes): each process has its own port
HEALTHCHECK NONE
CMD ["shopctl", "--help"]
