#!/usr/bin/env bash
# Every disk read-only: the server starts all the same and edits, since pictures live in memory only.  And after kill -9
# nothing is left behind in its folder or in the folder for temporary files.
#
#   read_only.sh PROGRAM MODEL_FOLDER
#
# Needs a mount name space of its own.  Exit status 77: not allowed here, or no curl.
set -euo pipefail

program=$1
model=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What is read-only already, or cannot be mounted again, is the same to us as long as / is not.
# shellcheck disable=SC2016 # for the shell inside
seal='for at in /tmp /var/tmp /dev/shm /; do mount -o remount,bind,ro "$at" || [ "$at" != / ] || exit 1; done 2>/dev/null'
if ! command -v curl >/dev/null || ! unshare -m sh -c "$seal" 2>/dev/null; then
    echo "skipped: no curl, or no mount name space"
    exit 77
fi

work=$(mktemp -d)
mkdir "$work/here" "$work/tmp"
: >"$work/log"
pid=
finish() {
    [[ -z $pid ]] || kill -9 "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

die() {
    echo "read_only: $*" >&2
    cat "$work/log" >&2
    exit 1
}

# serve PREFIX...: a server whose PID is $pid, and the port it tells.
serve() {
    : >"$work/log" # here, not when the server gets to run: what the last one wrote must not be taken for this one's
    (cd "$work/here" && exec env MODEL_ID="$model" HOST=127.0.0.1 PORT=0 LOG_FORMAT=text TMPDIR="$work/tmp" THREADS=1 \
        "$@" "$program" serve) >"$work/log" 2>&1 &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        if grep -q ' ready ' "$work/log"; then break; fi
        sleep 0.1
    done
    port=$(sed -n 's/.* listening .*port=\([0-9]*\).*/\1/p' "$work/log")
    [[ -n $port ]] || die "did not start"
}

edit() {
    local status
    status=$(curl -s --max-time 60 -o "$work/out" -w '%{http_code}' -F 'prompt=make it night' -F steps="$1" -F width=64 \
        -F "image=@$root/tests/data/tiny-edit/one-image-cfg/input0.png" -F height=64 "http://127.0.0.1:$port/edit" || true)
    [[ $status == "$2" ]] || die "an edit was answered with $status"
}

serve unshare -m sh -c "$seal; ! touch probe 2>/dev/null || exit 9; exec \"\$@\"" sh
edit 2 200
kill "$pid"
wait "$pid" || die "ended with status $?"

serve
edit 100 000 &
sleep 0.2
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
wait
left=$(find "$work/here" "$work/tmp" -mindepth 1)
[[ -z $left ]] || die "left behind: $left"
serve
edit 2 200
echo "a read-only disk and kill -9: as promised"
