#!/bin/sh
# Writes a release into an overlay: the tags of both images, and the names of the Jobs that run once a
# release. Images that are pinned by digest have no tag: write their digests yourself, before.
#
#   k8s/version.sh k8s/overlays/production 1.1.0
set -eu
if [ $# -ne 2 ]; then
    echo "usage: k8s/version.sh OVERLAY VERSION" >&2
    exit 2
fi
file=$1/kustomization.yaml
version=$2
case $version in
*[!A-Za-z0-9._-]* | '' | [!A-Za-z0-9]*)
    echo "$version is no tag of an image: letters, digits, dots and dashes" >&2
    exit 2
    ;;
esac
# the name of an object has no capitals, and that of a pod no dots
name=$(printf %s "$version" | tr 'A-Z._' 'a-z--')
written=$(sed -E \
    -e "s/(newTag: )[A-Za-z0-9._-]+/\1$version/" \
    -e "s/(value: (migrate|seed))-[a-z0-9-]+/\1-$name/" "$file")
printf '%s\n' "$written" >"$file"
