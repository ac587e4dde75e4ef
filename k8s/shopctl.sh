#!/bin/sh
# shopctl in the cluster: a pod for this one command, in your name, removed after it. It needs kubectl and
# the rights to read the PodTemplate `shopctl` and to create, exec into and delete pods.
#
#   k8s/shopctl.sh saga why 01996e0e-0000-7000-8000-000000000001
#   k8s/shopctl.sh user create --email ada@shop.example --name Ada --role operator --reason "on call" --yes < password
#
# NAMESPACE is shop-system by default; SHOPCTL_ACTOR your name, by default that on this machine;
# SHOPCTL_IMAGE the image of another release. The exit code is shopctl's.
set -eu
namespace=${NAMESPACE:-shop-system}
actor=${SHOPCTL_ACTOR:-$(id -un)}
case $actor$namespace${SHOPCTL_IMAGE:-} in
*[!A-Za-z0-9@./:_-]*)
    echo "SHOPCTL_ACTOR, NAMESPACE and SHOPCTL_IMAGE are of letters, digits and @./:_-" >&2
    exit 2
    ;;
esac
k() { kubectl --namespace "$namespace" "$@"; }

pod=shopctl-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
template=$(k get podtemplate shopctl --output 'jsonpath={.template}')
changes="{\"op\": \"add\", \"path\": \"/metadata/name\", \"value\": \"$pod\"},
    {\"op\": \"replace\", \"path\": \"/spec/containers/0/env/0\", \"value\": {\"name\": \"SHOPCTL_ACTOR\", \"value\": \"$actor\"}}"
if [ -n "${SHOPCTL_IMAGE:-}" ]; then
    changes="$changes,
    {\"op\": \"replace\", \"path\": \"/spec/containers/0/image\", \"value\": \"$SHOPCTL_IMAGE\"}"
fi
made=$(printf '{"apiVersion": "v1", "kind": "Pod", %s' "${template#\{}" |
    kubectl patch --local --filename - --type json --patch "[$changes]" --output json)
trap 'k delete pod "$pod" --ignore-not-found --wait=false >&2 || true' EXIT
trap 'exit 130' INT TERM HUP
printf '%s' "$made" | k create --filename - >&2
k wait --for=condition=Ready "pod/$pod" --timeout=120s >&2

terminal=
if [ -t 0 ] && [ -t 1 ]; then terminal=--tty; fi
code=0
k exec --stdin $terminal "$pod" -- shopctl "$@" || code=$?
exit "$code"
