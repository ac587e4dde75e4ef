#!/bin/sh
# Replaces a signing key in three steps; the processes that have the file restart after each.
#
#   docker/rotate-key.sh add FILE       a new key behind the others: published, it signs nothing yet
#   docker/rotate-key.sh promote FILE   the last key comes first: it signs, the others are still believed
#   docker/rotate-key.sh retire FILE    the first key alone stays: the others are forgotten
#
# How long to wait between them: docs/security.md ("Rotating keys").
set -eu
umask 022
if [ $# != 2 ] || [ ! -s "$2" ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
file=$2
count=$(grep -c '^-----BEGIN PRIVATE KEY-----$' "$file" || true)

# The keys from number $1 to number $2.
keys() { awk -v from="$1" -v to="$2" '/^-----BEGIN /{n++} n >= from && n <= to' "$file"; }
refuse() {
    echo "error: $file holds $count keys: $1" >&2
    exit 1
}

case $1 in
add)
    [ "$count" = 1 ] || refuse "promote or retire one first"
    { keys 1 1 && openssl genpkey -algorithm ed25519; } >"$file.new"
    ;;
promote)
    [ "$count" -ge 2 ] || refuse "add one first"
    { keys "$count" "$count" && keys 1 $((count - 1)); } >"$file.new"
    ;;
retire)
    [ "$count" -ge 2 ] || refuse "there is none to retire"
    keys 1 1 >"$file.new"
    ;;
*)
    echo "error: $1 is none of add, promote, retire" >&2
    exit 2
    ;;
esac
mv "$file.new" "$file"
