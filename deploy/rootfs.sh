#!/usr/bin/env bash
# Puts together the root of the container's image: the binary, the libraries that it asks for, certificates of authorities,
# the configuration, one user. No shell, no package manager, nothing else that somebody who got in could use.
#
#   deploy/rootfs.sh BINARY DIRECTORY      the directory is made, and must not be there; run as root to set the owner
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'deploy/rootfs.sh: %s\n' "$*" >&2; exit 1; }
[[ $# -eq 2 ]] || fail "usage: deploy/rootfs.sh BINARY DIRECTORY"
readonly BINARY=$1 ROOT=$2 USER_ID=10001
[[ -x $BINARY ]] || fail "$BINARY is no program"
[[ ! -e $ROOT ]] || fail "$ROOT is there already"

install -D -m 755 "$BINARY" "$ROOT/usr/local/bin/dockside"

# Each library where the binary's loader looks for it, and the loader itself.
libraries=$(ldd "$BINARY" | grep -o '/[^ )]*') || fail "$BINARY asks for no library: is it linked dynamically?"
for library in $libraries; do
    install -D -m 755 "$library" "$ROOT$library"
done

# What the C library wants to resolve names of brokers, and the TLS library to trust their certificates.
install -d -m 755 "$ROOT/etc/dockside"
printf 'hosts: files dns\n' >"$ROOT/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/nowhere\ndockside:x:%d:%d::/var/lib/dockside:/nowhere\n' "$USER_ID" "$USER_ID" >"$ROOT/etc/passwd"
printf 'root:x:0:\ndockside:x:%d:\n' "$USER_ID" >"$ROOT/etc/group"
readonly AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
[[ -f $AUTHORITIES ]] || fail "$AUTHORITIES is not there: install ca-certificates"
install -D -m 644 "$AUTHORITIES" "$ROOT$AUTHORITIES"

cp -R config/. "$ROOT/etc/dockside"
install -D -m 644 LICENSE "$ROOT/usr/share/doc/dockside/LICENSE"
python3 deploy/sbom.py >"$ROOT/usr/share/doc/dockside/sbom.cdx.json"

install -d -m 1777 "$ROOT/tmp"
install -d -m 750 "$ROOT/var/lib/dockside"
if [[ $EUID -eq 0 ]]; then chown "$USER_ID:$USER_ID" "$ROOT/var/lib/dockside"; fi
