# Names what could be taken out, relative to the tree.
cd /workspace || exit 1
for part do
    [ -e "$part" ] || [ -L "$part" ] || continue
    find "$part" \( -type f -o -type l \) -print0
done
