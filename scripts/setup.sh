#!/bin/sh
# Brings what a command needs before it runs: setup.sh start|test|check|build.
# npm packages when node_modules is missing or older than the lock file; system packages when root, each named first.
set -eu
cd "$(dirname -- "$0")/.."
purpose=${1:?usage: setup.sh start|test|check|build}

# One line a purpose: Debian packages, each with the program that shows it is there.
needs() {
  case $purpose in
    start) [ "$(uname)" != Linux ] || echo "iproute2:ip nftables:nft frr:/usr/lib/frr/bgpd arping:arping ndisc6:ndisc6 curl:curl procps:pkill iptables:iptables" ;;
    test) echo "iproute2:ip procps:ps iptables:iptables iputils-ping:ping arping:arping ndisc6:ndisc6 openssl:openssl etcd-server:etcd etcd-client:etcdctl curl:curl nftables:nft frr:/usr/lib/frr/bgpd bird2:bird gobgpd:gobgpd openbgpd:/usr/sbin/bgpd" ;;
  esac
}

stamp=node_modules/.herald-package-lock.json
if ! cmp -s package-lock.json "$stamp"; then
  echo "herald: installing npm packages (npm ci)" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json "$stamp"
fi

# A real Kubernetes API server, built once for this user where none is installed.
[ "$purpose" != test ] || node_modules/node/bin/node scripts/kube-build.ts

missing=
for pair in $(needs); do
  program=${pair#*:}
  command -v "$program" >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "herald: skipped installing$missing (needs root and apt-get); what needs them will say so" >&2
  exit 0
fi
echo "herald: installing Debian packages:$missing" >&2
# Debian starts a daemon when its package is installed, unless policy-rc.d forbids it. Ours would speak BGP on the host.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT INT TERM
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of names
apt-get install -y --no-install-recommends $missing >/tmp/herald-apt.$$ 2>&1 ||
  { apt-get update >/tmp/herald-apt.$$ 2>&1 && apt-get install -y --no-install-recommends $missing >>/tmp/herald-apt.$$ 2>&1; } ||
  { tail -n 20 /tmp/herald-apt.$$ >&2; echo "herald: could not install$missing; what needs them will say so" >&2; }
rm -f /tmp/herald-apt.$$
