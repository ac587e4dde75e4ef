#!/bin/sh
# Replaces what runs by another version, back or forth, while people order:
#
#   docker/upgrade.sh VERSION
#
# Builds VERSION from this checkout unless its images are here. A new container of payments, the api and the
# storefront is healthy before the old one is told to end, and `edge`, which has the ports, stays. At
# the end .env says VERSION, so that the next `docker compose up -d` means it too. Run it again when it was
# cut short; where a new container does not become healthy the old one goes on.
set -eu
if [ $# != 1 ]; then
    echo "usage: docker/upgrade.sh VERSION" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
export VERSION="$1"
step() { echo "--- $*" >&2; }

if ! docker image inspect "shop-system:$VERSION" "shop-frontend:$VERSION" >/dev/null 2>&1; then
    step "build $VERSION"
    docker compose build migrate frontend
fi

step "does $VERSION work on every live saga"
docker compose run --rm --no-deps shopctl saga check-compat

step "migrate"
docker compose up --no-deps --force-recreate --exit-code-from migrate migrate

# How many of each there are, but of one service: compose would go back to one.
running() { docker compose ps --quiet "$1" | grep -c . || true; }
others() {
    for service in payments worker-saga worker-payments worker-async worker-relay api frontend; do
        [ "$service" = "$1" ] || echo "--scale $service=$(running "$service")"
    done
}

# As many new containers as there are old ones, then no old ones. Not with --no-deps: compose would take
# what it starts for another configuration, and replace it once more at the next `up`.
roll() {
    old=$(docker compose ps --quiet "$1")
    count=$(running "$1")
    step "$1: $count new"
    # shellcheck disable=SC2046
    if ! docker compose up -d --wait --no-recreate $(others "$1") --scale "$1=$((count * 2))" "$1"; then
        for container in $(docker compose ps --all --quiet "$1"); do
            case "$old" in *"$container"*) ;; *) docker rm --force "$container" >/dev/null ;; esac
        done
        echo "error: $1 of version $VERSION does not become healthy; the old one goes on" >&2
        exit 1
    fi
    # edge and the storefront know the new address after a second
    sleep 2
    for container in $old; do
        docker stop --time 60 "$container" >/dev/null
        docker rm "$container" >/dev/null
    done
}

roll payments
step "workers"
# shellcheck disable=SC2046
docker compose up -d --wait $(others none) worker-saga worker-payments worker-async worker-relay
roll api
roll frontend

if grep -q '^VERSION=' .env; then
    sed "s|^VERSION=.*|VERSION=$VERSION|" .env >.env.new && mv .env.new .env
else
    echo "VERSION=$VERSION" >>.env
fi
step "doctor"
docker compose run --rm doctor
