#!/usr/bin/env bash
# certificates.sh DIR: throwaway certificates for tests, as PEM: ca.pem, server.pem (certificate and key for 127.0.0.1,
# signed by it), and stranger.pem, a CA that signed nothing.
set -euo pipefail
cd "$1"
command -v openssl >/dev/null || {
    echo "openssl is missing: apt-get install -y openssl" >&2
    exit 3
}
# It talks a lot; only a failure is worth hearing.
exec 3>&2 2>openssl.log
trap 'cat openssl.log >&3' ERR
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

for ca in ca stranger; do
    openssl req -x509 "${key[@]}" -keyout "$ca.key" -out "$ca.pem" -subj "/CN=$ca of the tests" -days 2
done
openssl req "${key[@]}" -keyout server.key -out server.csr -subj "/CN=broker of the tests"
echo "subjectAltName=IP:127.0.0.1" >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names
cat server.crt server.key >server.pem
