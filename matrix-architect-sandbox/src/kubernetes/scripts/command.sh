# Runs one command and tells how it went: records on standard error, between two rare bytes and
# behind a word that only this command's reader knows.
exec 3<&0 4>&2 2>/dev/null
tell() { printf '\036%s %s\035' "$nonce" "$*" >&4; }

cd "/workspace/$directory" || { tell flaw=directory; exit 1; }
# Some shells export it.
unset OLDPWD

found() (
    environment
    case $1 in
        */*) [ -e "$1" ] || exit 127; [ -f "$1" ] && [ -x "$1" ] || exit 126; exit 0 ;;
    esac
    set -f
    IFS=:
    for directory in $PATH; do [ -f "$directory/$1" ] && [ -x "$directory/$1" ] && exit 0; done
    exit 127
)
found "$1"
case $? in
    0) ;;
    126) tell flaw=not_executable; exit 1 ;;
    *) tell flaw=not_found; exit 1 ;;
esac

# How often the kernel has killed for want of memory in this Pod.
oom() {
    ooms=0
    for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -r "$file" ] || continue
        while read -r name value; do [ "$name" = oom_kill ] && ooms=$value; done <"$file"
        return
    done
}

# Watches the memory and the number of all processes but this session's own.
watch() {
    peak=0 most=0
    while :; do
        bytes=0 count=0
        for process in /proc/[0-9]*; do
            { read -r _ resident shared _ <"$process/statm"; } || continue
            bytes=$((bytes + (resident - shared) * page))
            count=$((count + 1))
        done
        grown=
        [ "$bytes" -gt "$((peak + peak / 8))" ] && peak=$bytes grown=yes
        [ "$count" -gt "$most" ] && most=$count grown=yes
        [ "$grown" ] && tell "peak=$peak most=$most"
        [ "$bytes" -le "$memory" ] || { tell exceeded=memory; kill -9 -1; exit; }
        sleep 0.1 || sleep 1
    done
}

run() {
    quiet
    environment
    held=$(limit)
    limit >/dev/null
    if [ "$strict" ]; then
        for name in $strict; do
            case " $held " in *" $name "*) ;; *) tell "flaw=limit $name"; exit 1 ;; esac
        done
    fi
    exec "$@" 2>&4 3<&- 4>&- 8<&- 9>&-
}

# Exactly as many bytes as there are: the end of the stream is not the end of the input. What a
# command does not read is read for it: a real server tells no end before its input is gone.
feed() {
    left=$input piece=65536
    while [ "$left" -gt 0 ]; do
        [ "$left" -ge "$piece" ] || piece=$left
        dd bs="$piece" count=1 iflag=fullblock || exec >/dev/null
        left=$((left - piece))
    done
}

oom
before=$ooms
watch 3<&- >/dev/null &
listen
if [ "$input" -gt 0 ]; then
    # What dd counts is no word of the shell.
    feed <&3 2>/dev/null | (run "$@")
else
    (run "$@") </dev/null
fi
ended
exec 2>/dev/null
# Daemons, and the watch.
kill -9 -1
oom
full=
df -Pk /workspace /tmp "$HOME" | { read -r _; while read -r _ _ _ left _; do [ "$left" -gt 0 ] || exit 1; done; } || full=' disk=full'
tell "code=$__s oom=$((ooms - before))$full${__e:+ by=signal}"
printf '\036%s times ' "$nonce" >&4
times >&4
printf '\035' >&4
