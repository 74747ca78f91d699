# What the kernel says of a limit of this process, by the name in /proc/self/limits.
read_back() {
    while read -r line; do
        case $line in
            "$1 "*)
                line=${line#"$1"}
                echo "${line%"${line##*[! ]}"}" | { read -r soft _ && echo "$soft"; }
                return
                ;;
        esac
    done </proc/self/limits
}

# hold NAME FLAG VALUE: sets a limit and reads it back. Shells count in units of their own.
hold() {
    for unit in 1 512 1024; do
        ulimit -S "$2" "$(($3 / unit))" 2>/dev/null || continue
        [ "$(read_back "$1")" = "$3" ] || continue
        ulimit -H "$2" "$(($3 / unit))" 2>/dev/null && return 0
    done
    return 1
}

# Sets all limits and names those that hold. Processes last: after it, forks may fail.
limit() {
    hold 'Max core file size' -c 0 && printf ' core'
    hold 'Max cpu time' -t "$cpu_seconds" && printf ' cpu'
    hold 'Max file size' -f "$file_size" && printf ' file_size'
    hold 'Max open files' -n "$open_files" && printf ' open_files'
    { hold 'Max processes' -u "$processes" || hold 'Max processes' -p "$processes"; } && printf ' processes'
}
