# Looks around in a fresh Pod and says what it sees, one fact a line.
first() { for file in "$@"; do [ -r "$file" ] && read -r line <"$file" && echo "$line" && return; done; }
echo "memory=$(first /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes)"
echo "pids=$(first /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max)"
while read -r name value _; do
    case $name in
        Uid:) echo "uid=$value" ;;
        CapEff:) echo "capabilities=$value" ;;
        NoNewPrivs:) echo "no_new_privs=$value" ;;
        Seccomp:) echo "seccomp=$value" ;;
    esac
done </proc/self/status
read -r _ outside _ </proc/self/uid_map && echo "uid_map=$outside"
interfaces=
while IFS=: read -r name rest; do
    [ "$rest" ] && interfaces="$interfaces ${name##* }"
done </proc/net/dev
echo "interfaces=$interfaces"
(: >/architect-looks) 2>/dev/null && echo root=writable || echo root=read-only
[ -e /var/run/secrets/kubernetes.io ] && echo token=present || echo token=absent
for tool in tar find xargs dd; do command -v "$tool" >/dev/null || echo "lacks=$tool"; done
echo "held=$(limit)"
if [ "$interfaces" != ' lo' ] && [ "$api_host" ]; then
    for try in bash python3 nc none; do command -v "$try" >/dev/null && break; done
    case $try in
        bash) timeout 3 bash -c ": </dev/tcp/$api_host/$api_port" ;;
        python3) python3 -I -c 'import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)' "$api_host" "$api_port" ;;
        nc) nc -z -w 3 "$api_host" "$api_port" ;;
        *) false ;;
    esac 2>/dev/null && echo "reached=$try" || echo "refused=$try"
fi
echo end=seen
