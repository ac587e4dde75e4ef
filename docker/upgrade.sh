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

running() { docker compose ps --quiet "$1" | grep -c . || true; }

# As many new containers as there are old ones, then no old ones; what follows the name keeps the number of
# those that it depends on, which compose would take back to one. Not with --no-deps: compose would take
# what it starts for another configuration, and replace it once more at the next `up`.
roll() {
    service=$1
    shift
    old=$(docker compose ps --quiet "$service")
    count=$(running "$service")
    step "$service: $count new"
    if ! docker compose up -d --wait --no-recreate "$@" --scale "$service=$((count * 2))" "$service"; then
        for container in $(docker compose ps --all --quiet "$service"); do
            case "$old" in *"$container"*) ;; *) docker rm --force "$container" >/dev/null ;; esac
        done
        echo "error: $service of version $VERSION does not become healthy; the old one goes on" >&2
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
workers="worker-saga worker-payments worker-async worker-relay"
scales=$(for service in $workers; do echo "--scale $service=$(running "$service")"; done)
# shellcheck disable=SC2086
docker compose up -d --wait $scales $workers
roll api
roll frontend --scale "api=$(running api)"

if grep -q '^VERSION=' .env; then
    sed "s|^VERSION=.*|VERSION=$VERSION|" .env >.env.new && mv .env.new .env
else
    echo "VERSION=$VERSION" >>.env
fi
step "doctor"
docker compose run --rm doctor
