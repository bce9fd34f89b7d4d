#!/usr/bin/env bash
# Sends N edits at once and tells how each of them went.
#
#   IMAGE_PATH=photo.png BASE_URL=http://localhost:7000 N=4 PROMPT='make it night' scripts/concurrency_test.sh
#
# All four have defaults.  API_KEY is sent where it is set.  SEED, STEPS, GUIDANCE_SCALE are sent where they are set.
# Exit status 0 only if every request was answered with 200 and a picture.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
image=${IMAGE_PATH:-$root/tests/data/tiny-edit/one-image-cfg/input0.png}
base_url=${BASE_URL:-http://localhost:7000}
count=${N:-4}
prompt=${PROMPT:-Add a red hat on the dog}

if [[ ! -r $image ]]; then
    echo "concurrency_test: cannot read IMAGE_PATH $image" >&2
    exit 2
fi
if [[ ! $count =~ ^[1-9][0-9]{0,3}$ ]]; then
    echo "concurrency_test: N=$count must be a whole number from 1 to 9999" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fields=(-F "image=@$image" --form-string "prompt=$prompt")
[[ -z ${SEED-} ]] || fields+=(--form-string "seed=$SEED")
[[ -z ${STEPS-} ]] || fields+=(--form-string "steps=$STEPS")
[[ -z ${GUIDANCE_SCALE-} ]] || fields+=(--form-string "guidance_scale=$GUIDANCE_SCALE")
if [[ -n ${API_KEY-} ]]; then
    # From a file, so that the key is not seen in the list of processes.
    (umask 077 && printf 'X-API-Key: %s\n' "$API_KEY" >"$work/key")
    fields+=(-H "@$work/key")
fi

# send I: one request; writes STATUS and SECONDS, the headers and the body to files of its own.
send() {
    curl --silent --show-error --max-time "${MAX_TIME:-600}" "${fields[@]}" -D "$work/$1.headers" -o "$work/$1.body" \
        -w '%{http_code} %{time_total}\n' "$base_url/edit" >"$work/$1.result" 2>"$work/$1.error" || true
}

started=$(date +%s.%N)
for ((i = 1; i <= count; i++)); do send "$i" & done
wait
ended=$(date +%s.%N)

ok=0
printf '%-4s %-6s %10s  %s\n' '#' status seconds 'request id'
for ((i = 1; i <= count; i++)); do
    read -r status seconds <"$work/$i.result" || { status=000 seconds=0; }
    id=$(tr -d '\r' <"$work/$i.headers" 2>/dev/null | sed -n 's/^[Xx]-[Rr]equest-[Ii][Dd]: *//p' | tail -n 1)
    note=
    if [[ $status == 200 && -s $work/$i.body ]]; then
        ok=$((ok + 1))
    elif [[ $status == 000 ]]; then
        note=$(tail -n 1 "$work/$i.error")
    else
        note=$(head -c 300 "$work/$i.body" 2>/dev/null | tr -d '\r' | tr '\n' ' ')
    fi
    printf '%-4s %-6s %10s  %s%s\n' "$i" "$status" "$seconds" "${id:--}" "${note:+  $note}"
done
awk -v n="$count" -v ok="$ok" -v a="$started" -v b="$ended" \
    'BEGIN { printf "%d requests: %d ok, %d failed, %.2f s in all\n", n, ok, n - ok, b - a }'
[[ $ok -eq $count ]]
