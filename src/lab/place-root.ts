/**
 * The root of a place: this host's files under a layer of the place's own (an overlay), so that an `exec` line may
 * write anywhere and nothing of it is left. What a container would have fresh is fresh: /tmp, /run, /var/log and
 * FRR's /etc/frr. The script runs as the first process of the place, and stays.
 */
import { readFileSync } from 'node:fs';

export interface RootPlan {
  /** The lab's folder, which is the same inside. Below it, `root` is where the new root is mounted at first. */
  readonly folder: string;
  readonly hostName: string;
  /** Not in a namespace that somebody else has set up. */
  readonly ownNetwork: boolean;
  /** `from` has no symbolic link in it. */
  readonly binds: readonly { readonly from: string; readonly to: string; readonly readOnly: boolean }[];
  readonly sysctls: Readonly<Record<string, string>>;
}

/** What the script says once everything is in place, before the pid of the first process as this host counts. */
export const readyWord = 'ready';

/** As containers have it; and addresses can be bound to at once, for none is probed for. */
const containerSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.disable_ipv6': '0',
  'net.ipv6.conf.default.disable_ipv6': '0',
  'net.ipv6.conf.lo.disable_ipv6': '0',
  'net.ipv6.conf.all.accept_dad': '0',
  'net.ipv6.conf.default.accept_dad': '0',
};

/** The words after `unshare …` that make the root and stay; they read `rootScript`. */
export function rootWords(plan: RootPlan): readonly string[] {
  const sysctls = Object.entries(plan.ownNetwork ? { ...containerSysctls, ...plan.sysctls } : plan.sysctls);
  return [
    ...['sh', '-s', plan.folder, plan.hostName, plan.ownNetwork ? 'own' : 'shared'],
    ...otherMounts().flatMap(path => ['mount', path]),
    ...plan.binds.flatMap(({ from, to, readOnly }) => [readOnly ? 'bind-ro' : 'bind', from, to]),
    ...sysctls.flatMap(([name, value]) => ['sysctl', name, value]),
    'end',
  ];
}

/** What every place has of its own, and what belongs to other containers. */
const notTaken =
  /^\/(?:(?:proc|sys|dev|run|tmp|snap|var\/(?:run|log|lib\/(?:docker|containerd|containers|kubelet)))(?:\/|$)|$)/;

/** The outermost mount points of this host's other file systems, `/home` say: an overlay over `/` has none of them. */
function otherMounts(): readonly string[] {
  const found: string[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const path = line
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
    if (path !== undefined && !notTaken.test(path)) found.push(path);
  }
  return found
    .sort()
    .filter((path, i, all) => !all.slice(0, i).some(each => path === each || path.startsWith(`${each}/`)));
}

/**
 * Until pivot_root(8) nothing is written but to the layer, which is in memory; what follows sees the host's tree below
 * /.host, so that a symbolic link in the new root never leads out of it. A single file that is mounted (a container's
 * /etc/hosts) is copied: it is the place's own. The last process waits for whatever is left to it: the dead go.
 */
export const rootScript = `set -e
folder=$1 name=$2 network=$3
shift 3
read -r self rest < /proc/self/stat
mount -n -t tmpfs -o mode=755 layer "$folder/root"
cd "$folder/root"
mkdir upper work new
mount -n -t overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" overlay new
cd new
mkdir .host
pivot_root . .host
cd /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount --rbind /.host/dev /dev
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 log /var/log
[ -L /var/run ] || mount --bind /run /var/run
point() {
  if [ -d "$1" ]; then mkdir -p "$2"; elif [ ! -e "$2" ]; then mkdir -p "\${2%/*}"; : > "$2"; fi
}
mkdir -p /run/lock /run/frr /var/log/frr "$folder"
: > /var/log/frr.log
mount --bind "/.host$folder" "$folder"
if id frr > /dev/null 2>&1; then
  rm -rf /etc/frr
  mkdir -m 750 /etc/frr
  {
    for each in bgpd ospfd ospf6d ripd ripngd isisd pimd pim6d ldpd nhrpd eigrpd babeld sharpd pbrd bfdd fabricd; do
      echo "$each=no"
    done
    echo 'vrrpd=no'
    echo 'pathd=no'
    echo 'vtysh_enable=yes'
    echo 'zebra_options="  -A 127.0.0.1 -s 90000000"'
    for each in bgpd ospfd ospf6d ripd ripngd isisd pimd staticd bfdd fabricd pathd; do
      echo "\${each}_options=\\"  -A 127.0.0.1\\""
    done
    echo '#frr_profile="traditional"'
  } > /etc/frr/daemons
  echo 'service integrated-vtysh-config' > /etc/frr/vtysh.conf
  : > /etc/frr/frr.conf
  chmod 640 /etc/frr/*
  chown -R frr:frr /etc/frr /run/frr /var/log/frr /var/log/frr.log
fi
while [ "$1" = mount ]; do
  if [ -d "/.host$2" ]; then
    mkdir -p "$2"
    mount --rbind "/.host$2" "$2" || echo "$2 is not there: it cannot be mounted again" >&2
  else
    cp "/.host$2" "$2" 2> /dev/null || :
  fi
  shift 2
done
while [ "$1" = bind ] || [ "$1" = bind-ro ]; do
  point "/.host$2" "$3"
  mount --bind "/.host$2" "$3"
  [ "$1" = bind ] || mount -o remount,bind,ro "$3"
  shift 3
done
umount -l /.host
rmdir /.host
echo "$name" > /proc/sys/kernel/hostname
[ "$network" = shared ] || ip link set lo up
while [ "$1" = sysctl ]; do
  { echo "$3" > "/proc/sys/$(echo "$2" | tr . /)"; } 2> /dev/null || echo "sysctl $2=$3 is refused" >&2
  shift 3
done
echo "${readyWord} $self"
exec sh -c 'sleep infinity & wait' "herald-lab $name" < /dev/null > /dev/null 2>&1
`;
