# Packs the files that are named on standard input; a file that has gone is left out.
cd /workspace || exit 1
dd bs="$names" count=1 iflag=fullblock 2>/dev/null | xargs -0 tar -cf - 2>/dev/null
exit 0
