#!/usr/bin/env bash
# OpenAI's own Python client edits a picture through the real server, in a Python environment of the test's own.  Skipped
# (77) where there is no Python that can make one, or the client cannot be had.
#
#   openai_client.sh PROGRAM MODEL_FOLDER FOLDER      FOLDER keeps the environment for the next run
set -euo pipefail

program=$1
model=$2
version=3.57.0
environment=$3/openai-client-$version
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
picture=$here/../data/tiny-edit/one-image-cfg/input0.png
skip() {
    echo "skipped: $1"
    exit 77
}

if [[ ! -e $environment/complete ]]; then
    python3 -m venv "$environment" 2>/dev/null || skip "no Python that can make an environment (python3-venv)"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "openai==$version" 2>/dev/null ||
        skip "the package openai $version cannot be installed"
    touch "$environment/complete"
fi

work=$(mktemp -d)
pid=
finish() {
    local status=$?
    [[ $status -eq 0 ]] || tail -n 20 "$work/log" >&2
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    wait
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

: >"$work/log" # there before the server is: what waits for its port reads it
API_KEY=some-key "$program" serve --model "$model" --host 127.0.0.1 --port 0 --log-format text 2>"$work/log" &
pid=$!
port=
for ((i = 0; i < 300; i++)); do
    port=$(sed -n 's/.* listening .*port=\([0-9]*\).*/\1/p' "$work/log")
    if [[ -n $port ]] && grep -q ' ready ' "$work/log"; then break; fi
    kill -0 "$pid" 2>/dev/null || exit 1
    sleep 0.1
done
"$environment/bin/python" "$here/openai_client.py" "http://127.0.0.1:$port" "$picture" some-key
