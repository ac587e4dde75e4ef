#!/bin/sh
# Makes the secrets of a composed system, once: what is there stays. Nothing of it is committed.
#
#   docker/secrets.sh [FOLDER]        FOLDER is ./secrets by default
#
# POSTGRES, RABBITMQ, RABBITMQ_MANAGEMENT and SMTP say where the servers are (host:port); by default,
# where docker-compose.yml and k8s/overlays/local have them. Delete a role's password and its URLs, run this and `migrate` again,
# and the password is rotated.
set -eu
umask 022
folder=${1:-secrets}
postgres=${POSTGRES:-postgres:5432}
rabbitmq=${RABBITMQ:-rabbitmq:5672}
management=${RABBITMQ_MANAGEMENT:-rabbitmq:15672}
roles="api payments worker-saga worker-payments worker-async worker-relay operator doctor"

# Containers read the files as users of their own, so each file is readable, and the folder is shut.
mkdir -p "$folder/roles"
chmod 700 "$folder"

# Writes a file that is not there yet; the value comes on stdin, so that `ps` never shows it.
keep() { if [ -s "$folder/$1" ]; then cat >/dev/null; else cat >"$folder/$1"; fi; }
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
text() { cat "$folder/$1"; }

for name in postgres_password rabbitmq_password grafana_password; do password | keep "$name"; done
for role in $roles; do password | keep "roles/$role"; done

printf 'default_user = admin\ndefault_pass = %s\n' "$(text rabbitmq_password)" | keep rabbitmq.conf
echo "postgres://postgres:$(text postgres_password)@$postgres/shop" | keep shop_database_url.migrate
echo "postgres://postgres:$(text postgres_password)@$postgres/payments" | keep payments_database_url.migrate
echo "amqp://admin:$(text rabbitmq_password)@$rabbitmq/%2f" | keep amqp_url.migrate
echo "http://admin:$(text rabbitmq_password)@$management" | keep rabbitmq_management_url
for role in worker-payments doctor; do
    echo "http://$role:$(text "roles/$role")@$management" | keep "rabbitmq_management_url.$role"
done
echo "smtp://${SMTP:-mailpit:1025}" | keep smtp_url

for role in api worker-saga worker-payments worker-async worker-relay operator doctor; do
    echo "postgres://$role:$(text "roles/$role")@$postgres/shop" | keep "shop_database_url.$role"
done
for role in payments operator doctor; do
    echo "postgres://$role:$(text "roles/$role")@$postgres/payments" | keep "payments_database_url.$role"
done
for role in api payments worker-payments worker-async worker-relay operator doctor; do
    echo "amqp://$role:$(text "roles/$role")@$rabbitmq/%2f" | keep "amqp_url.$role"
done

# The keys that users' tokens, the calls to payments and payments' events are signed with; `shopctl keygen` makes
# the same kind, docker/rotate-key.sh replaces one. Where one key has signed tokens and calls so far, it goes on
# signing calls until then, so that processes of both releases believe each other.
if [ ! -s "$folder/service_signing_key.pem" ] && [ -s "$folder/token_signing_key.pem" ]; then
    { text token_signing_key.pem && openssl genpkey -algorithm ed25519; } | keep service_signing_key.pem
fi
for key in token_signing_key.pem service_signing_key.pem event_signing_key.pem; do
    if [ ! -s "$folder/$key" ]; then openssl genpkey -algorithm ed25519 | keep "$key"; fi
done
