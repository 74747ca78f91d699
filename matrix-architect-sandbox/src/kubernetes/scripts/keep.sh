# The first process of a session's Pod: it does nothing but end zombies, until the Pod ends.
trap 'exit 0' TERM
while :; do sleep 1000 & wait "$!"; done
