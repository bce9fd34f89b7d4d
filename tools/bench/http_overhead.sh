#!/usr/bin/env bash
# What the service adds around an edit.  Two figures:
#
#   1. requests per second of GET /health, beside a minimal FastAPI + uvicorn app, turn by turn on the same machine;
#   2. for POST /edit, the time outside its own stages: total at the client, less what Server-Timing and the log tell
#      (queue, reading the picture, encode, denoise, decode, writing the picture).
#
#   tools/bench/http_overhead.sh [PROGRAM [MODEL]]      build/release/firered, the tiny model of the tests
#
# SECONDS_EACH=5 ROUNDS=3 CONNECTIONS=32 EDITS=101 VENV=build/bench-venv
#
# Needs wrk and curl, and for the comparison python3 with venv: the app, with uvicorn's fast loop and parser, goes
# into VENV and nowhere else.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$(realpath -- "${1:-$root/build/release/firered}") # the server runs in a folder of its own
model=${2:-$root/tests/data/tiny-edit/model}
seconds=${SECONDS_EACH:-5}
rounds=${ROUNDS:-3}
connections=${CONNECTIONS:-32}
edits=${EDITS:-101}
venv=$(realpath -m -- "${VENV:-$root/build/bench-venv}")
[[ ! -e $model ]] || model=$(realpath -- "$model") # else the word demo, or an id of the hub

for needed in wrk curl python3; do
    command -v "$needed" >/dev/null || { echo "http_overhead: $needed is not installed" >&2; exit 2; }
done
if [[ ! -x $venv/bin/uvicorn ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q fastapi 'uvicorn[standard]'
fi

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

await() {
    for ((i = 0; i < 300; i++)); do
        if curl -sf -o /dev/null "$1"; then return; fi
        sleep 0.1
    done
    echo "http_overhead: nothing at $1" >&2
    exit 1
}

cat >"$work/app.py" <<'APP'
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health():
    return {"status": "ok"}
APP
ours=$((20000 + RANDOM % 5000))
theirs=$((25000 + RANDOM % 5000))
(
    cd "$work"
    exec env HOST=127.0.0.1 PORT=$ours MODEL_ID="$model" LOG_FORMAT=json "$program" serve
) 2>"$work/log" &
pids+=($!)
(
    cd "$work"
    # No log of requests, which costs it a third; firered writes its own all the same.
    exec "$venv/bin/uvicorn" app:app --host 127.0.0.1 --port $theirs --log-level warning --no-access-log
) &
pids+=($!)
await "http://127.0.0.1:$ours/ready"
await "http://127.0.0.1:$theirs/health"

rate() {
    wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$1/health" | awk '/^Requests\/sec/ { print $2 }'
}

printf 'machine: %s cores, %s\n' "$(nproc)" \
    "$(grep -m1 '^flags' /proc/cpuinfo | tr ' ' '\n' | grep -xE 'avx2|fma|avx512f|avx512_bf16|amx_bf16' | sort -u | tr '\n' ' ')"
printf '/health, %d connections, %d s each: requests per second\n' "$connections" "$seconds"
for ((i = 1; i <= rounds; i++)); do
    a=$(rate $ours)
    b=$(rate $theirs)
    awk -v a="$a" -v b="$b" 'BEGIN { printf "  firered %.0f   FastAPI + uvicorn %.0f   ratio %.1f\n", a, b, a / b }'
done

# Connections are kept, as a proxy does: one curl, all edits.
fields=(-F "image=@$root/tests/data/tiny-edit/one-image-cfg/input0.png" -F 'prompt=make it night' -F steps=1
    -F width=64 -F height=64 -F seed=1)
for ((i = 0; i < edits; i++)); do
    [[ $i -eq 0 ]] || echo next
    printf 'url = "http://127.0.0.1:%d/edit"\noutput = "/dev/null"\nheader = "X-Request-ID: edit-%d"\n' "$ours" "$i"
    printf 'write-out = "edit-%d %%{http_code} %%{time_pretransfer} %%{time_total}\\n"\nsilent\n' "$i"
    for ((f = 1; f < ${#fields[@]}; f += 2)); do printf 'form = "%s"\n' "${fields[f]}"; done
done >"$work/edits"
curl -K "$work/edits" >"$work/times"

# The log's line of a request has all stages; what is left of the client's time is the service's own and curl's.
awk '
    function field(name,   at, rest) {
        at = index($0, "\"" name "\":")
        if (!at) return 0
        rest = substr($0, at + length(name) + 3)
        return rest + 0
    }
    FNR == NR {
        if (match($0, /"request_id":"edit-[0-9]+"/) && index($0, "\"denoise_ms\":")) {
            id = substr($0, RSTART + 14, RLENGTH - 15)
            staged[id] = field("queue_ms") + field("read_ms") + field("encode_ms") + field("denoise_ms") + \
                         field("decode_ms") + field("write_ms")
            told[id] = field("ms")
        }
        next
    }
    $2 != 200 || !($1 in staged) { bad++; next }
    { print (($4 - $3) * 1000 - staged[$1]), (told[$1] - staged[$1]), ($4 - $3) * 1000 }
    END { if (bad) print "http_overhead: " bad " edits failed" > "/dev/stderr" }
' "$work/log" "$work/times" >"$work/added"
median() { sort -g -k"$1","$1" "$work/added" | awk -v k="$1" '{ v[NR] = $k } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }
printf '/edit, %d edits one after another: median %s ms in all,\n' "$(wc -l <"$work/added")" "$(median 3)"
printf '  outside the stages %s ms seen by the client, %s ms in the server\n' "$(median 1)" "$(median 2)"
