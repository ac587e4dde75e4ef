#!/bin/sh
# Takes a running shop to another release, in the order in which releases fit together; each step waits for
# the one before it, and a step that fails ends it with the shop still served by the pods that are ready.
#
#   k8s/upgrade.sh k8s/overlays/production 1.1.0          migrate, payments, workers, api, storefront
#   k8s/upgrade.sh --back k8s/overlays/production 1.0.0   storefront, api, workers, payments; migrations stay
#
# It writes VERSION into the overlay (k8s/version.sh). NAMESPACE is shop-system by default.
set -eu
here=$(dirname "$0")
back=
if [ "${1:-}" = --back ]; then
    back=yes
    shift
fi
if [ $# -ne 2 ]; then
    echo "usage: k8s/upgrade.sh [--back] OVERLAY VERSION" >&2
    exit 2
fi
overlay=$1
version=$2
export NAMESPACE="${NAMESPACE:-shop-system}"
k() { kubectl --namespace "$NAMESPACE" "$@"; }
apply() { kubectl apply --kustomize "$overlay" --selector "$1"; }
roll() {
    echo "--- $*"
    apply "app.kubernetes.io/name in ($(echo "$*" | tr ' ' ','))"
    for process in "$@"; do
        k rollout status "deployment/$process" --timeout=10m
    done
}
compatible() {
    echo "--- would the workers of $version leave live sagas alone?"
    apply "app.kubernetes.io/name in (shopctl)"
    code=0
    "$here/shopctl.sh" saga check-compat || code=$?
    if [ "$code" -ne 0 ]; then
        echo "\`k8s/shopctl.sh saga check-compat\` ended with $code. If its output names sagas, the workers of $version" >&2
        echo "would leave those alone: $1 Run this again when it ends with 0." >&2
        exit 1
    fi
}
workers="worker-saga worker-payments worker-async worker-relay"
processes="migrate,seed,payments,$(echo $workers | tr ' ' ','),api,frontend,doctor,shopctl"

"$here/version.sh" "$overlay" "$version"
if [ -n "$back" ]; then
    roll frontend
    roll api
    compatible "the workers that run stay."
    roll $workers
    roll payments
else
    echo "--- settings, policies, servers"
    apply "app.kubernetes.io/name notin ($processes)"
    compatible "no process was changed. Let them come to rest, or keep workers of the old release beside."
    echo "--- migrate"
    apply "app.kubernetes.io/name in (migrate)"
    k wait --for=condition=complete "job/migrate-$(printf %s "$version" | tr 'A-Z._' 'a-z--')" --timeout=30m
    roll payments
    roll $workers
    roll api
    roll frontend
fi
echo "--- doctor, and what runs beside"
apply "app.kubernetes.io/name in (doctor,seed,shopctl)"
# the operator has no URL of RabbitMQ's management API; the CronJob checks the bindings
"$here/shopctl.sh" doctor --without bindings
