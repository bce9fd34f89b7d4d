#!/usr/bin/env bash
# Runs every command of docs/api.md against the real server and compares the statuses with those that the page promises.
# Each route of the API's description must have its heading there.
#
#   api_examples.sh PROGRAM MODEL_FOLDER
#
# Exit status 77: curl is not installed.
# shellcheck disable=SC2016 # what is in single quotes is for sed, or for the shell that runs the commands
set -euo pipefail

program=$1
model=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
page=$root/docs/api.md
command -v curl >/dev/null || {
    echo "skipped: curl is not installed"
    exit 77
}

work=$(mktemp -d)
pid=
finish() {
    local status=$?
    [[ $status -eq 0 ]] || tail -n 20 "$work/log" "$work/output" >&2 || true
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    wait
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

die() {
    echo "api_examples: $*" >&2
    exit 1
}

routes=0
while IFS= read -r path; do
    routes=$((routes + 1))
    grep -q -F -- " $path\`" "$page" || die "$path has no heading in docs/api.md"
done < <(sed -n 's/^  "\(\/[^"]*\)": {$/\1/p' "$root/src/http/openapi.json")
[[ $routes -gt 10 ]] || die "the API's description has $routes paths"

touch "$work/log" "$work/output" # the loop below may look before the server has opened its log
"$program" serve --model "$model" --host 127.0.0.1 --port 0 --log-format text 2>"$work/log" &
pid=$!
port=
for ((i = 0; i < 600; i++)); do
    port=$(sed -n 's/.* listening .*port=\([0-9]*\).*/\1/p' "$work/log")
    if [[ -n $port ]] && grep -q ' ready ' "$work/log"; then break; fi
    kill -0 "$pid" 2>/dev/null || die "the server did not start"
    sleep 0.1
done

# The commands, with the status that each got written down; a command may go on over several lines.
mkdir "$work/checkout"
ln -s "$root/examples" "$root/README.md" "$work/checkout/"
{
    printf '%s\n' "set -euo pipefail; cd '$work/checkout'" \
        'curl() { command curl --silent --show-error --max-time 120 --write-out "%{stderr}status %{http_code}\n" "$@"; }'
    sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$page" | sed "s,http://localhost:7000,http://127.0.0.1:$port,"
} >"$work/commands"
bash "$work/commands" >"$work/output" 2>"$work/statuses" || die "a command failed: $(tail -n 3 "$work/statuses")"

sed -n '/^```sh$/,/^```$/s/.* # \([0-9]\{3\}\)$/\1/p' "$page" >"$work/wanted"
sed -n 's/^status \([0-9]*\)$/\1/p' "$work/statuses" >"$work/got"
commands=$(sed -n '/^```sh$/,/^```$/p' "$page" | grep -c '^curl ')
[[ $(wc -l <"$work/wanted") -eq $commands ]] || die "not every command says which status it gets"
diff "$work/wanted" "$work/got" >&2 || die "the statuses wanted (<) and got (>)"
cd "$work/checkout"
signature() { head -c 3 "$1" | od -A n -t x1 | tr -d ' \n'; }
for file in night.png both.png second.png; do
    [[ $(signature "$file") == 89504e ]] || die "$file is no PNG"
done
[[ $(signature same-size.webp) == 524946 ]] || die "same-size.webp is no WebP"
[[ $(signature small.jpg) == ffd8ff ]] || die "small.jpg is no JPEG"
echo "$routes routes, $commands commands"
