# Unpacks an archive that comes in pieces, each behind its length: an end that is none is noticed.
# What tar does not take is read all the same: a real server tells no end before its input is gone.
whole() {
    while read -r length; do
        [ "$length" -eq 0 ] && return 0
        dd bs="$length" count=1 iflag=fullblock 2>/dev/null || exec >/dev/null
    done
    return 1
}
cd /workspace && { whole || echo 'the archive broke off' >&2; } | tar -xf - || exit 1
