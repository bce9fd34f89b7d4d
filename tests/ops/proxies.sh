#!/usr/bin/env bash
# The examples in deploy/ with the real nginx and the real HAProxy in front of the real server: through either, an edit
# gives the same bytes, an upload over the limit is refused, the request's id and the client's address get through.  And
# byte by byte: no spelling of /metrics brings a stranger the metrics, and every path that firered takes an edit by has
# its limit.
#
#   proxies.sh PROGRAM MODEL_FOLDER
#
# Only addresses, ports and certificates of the examples are changed.  Exit status 77: something is not installed.
set -euo pipefail

program=$1
model=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
picture=$root/tests/data/tiny-edit/one-image-cfg/input0.png
PATH=$PATH:/usr/sbin:/sbin
for needed in nginx haproxy openssl curl; do
    if ! command -v "$needed" >/dev/null; then
        echo "skipped: $needed is not installed"
        exit 77
    fi
done

work=$(mktemp -d)
chmod 755 "$work" # nginx's workers are another user
pids=()
finish() {
    local status=$?
    if [[ $status -ne 0 ]]; then tail -n 20 "$work"/*.log >&2 || true; fi
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

die() {
    echo "proxies: $*" >&2
    exit 1
}

# expect WHAT WANTED GOT
expect() { [[ $2 == "$3" ]] || die "$1: wanted '$2', got '$3'"; }

# A port that nothing listens on just now, below those that the system gives to clients.
taken=()
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        [[ " ${taken[*]-} " != *" $port "* ]] || continue
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    taken+=("$port")
    found=$port
}

# await WHAT COMMAND...: until it succeeds.
await() {
    local what=$1
    shift
    for ((i = 0; i < 300; i++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    die "$what: not there after 30 seconds"
}

# Every answer within a minute; the certificate is our own.
get() { curl --silent --show-error --insecure --max-time 60 "$@"; }

# send OUT URL FLAGS...: an edit; the status on standard output, headers and body in OUT.headers and OUT.body.
send() {
    local out=$work/$1 url=$2
    shift 2
    get -D "$out.headers" -o "$out.body" -w '%{http_code}' -F "image=@$picture" -F 'prompt=make it night' -F steps=2 \
        -F seed=7 -F width=64 -F height=64 "$@" "$url/edit"
}

header() { tr -d '\r' <"$work/$1.headers" | sed -n "s/^$2: *//Ip" | tail -n 1; }

# check NAME URL: what must hold through a proxy.
check() {
    local name=$1 url=$2 status
    expect "$name: edit" 200 "$(send "$name" "$url" -H 'X-Request-ID: through-the-proxy.1')"
    cmp "$work/direct.body" "$work/$name.body" || die "$name: another picture than without the proxy"
    expect "$name: X-Request-ID" through-the-proxy.1 "$(header "$name" X-Request-ID)"
    grep -q 'through-the-proxy.1' "$work/firered.log" || die "$name: firered does not know the request's id"
    expect "$name: X-Seed" 7 "$(header "$name" X-Seed)"

    # firered's own refusals come through as they are.
    expect "$name: bad request" 400 "$(send "$name" "$url" -F steps=many)"
    grep -q '"invalid_request"' "$work/$name.body" || die "$name: not firered's own error"

    # Over MAX_UPLOAD_MB: firered's answer, or the proxy's where the proxy has the lower limit.
    status=$(send "$name" "$url" -F "image=@$work/large" || true)
    expect "$name: large upload" 413 "${status:0:3}"
    grep -q '"payload_too_large"' "$work/$name.body" || die "$name: not firered's own refusal of a large upload"
    status=$(send "$name" "$url" -F "image=@$work/huge" || true)
    expect "$name: huge upload" 413 "${status:0:3}"

    expect "$name: unknown path" 404 "$(get -o /dev/null -w '%{http_code}' "$url/nothing")"
    expect "$name: metrics from this machine" 200 "$(get -o /dev/null -w '%{http_code}' "$url/metrics")"
}

# raw PORT: the bytes of standard input, as they are; what comes back, without what a line cannot hold.
raw() { timeout 60 openssl s_client -quiet -connect "127.0.0.1:$1" 2>/dev/null | tr -d '\r\0'; }

# Sends one request in some spelling: ask PORT METHOD TARGET
ask() {
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$2" "$3" | raw "$1"
}

# check_stranger NAME PORT: what a proxy denies to who does not come from the addresses that it trusts.
check_stranger() {
    local name=$1 port=$2 target method answer
    for target in /metrics '/metrics?x=1' /%6Detrics /%6d%65trics /metric%73 /%6D%65%74%72%69%63%73 //metrics \
        /./metrics /x/../metrics /%2e/metrics /x/%2e%2e/metrics '/metrics%00x' /metrics%00 /metrics/ '/metrics;x' \
        /metrics%3fx /%256Detrics http://localhost/metrics http://localhost/%6Detrics /METRICS; do
        for method in GET HEAD POST; do
            answer=$(ask "$port" "$method" "$target")
            [[ $answer =~ ^HTTP/1\.[01]\ 4[0-9][0-9] ]] || die "$name: $method $target of a stranger: '${answer:0:80}'"
            [[ $answer != *firered_* ]] || die "$name: $method $target brings a stranger the metrics"
        done
    done
    answer=$(ask "$port" GET /health)
    [[ $answer == "HTTP/1.1 200"* ]] || die "$name: /health of a stranger: '${answer:0:80}'"

    # Forty at once on one connection: firered's own 400 to such a body has an id, the proxy's refusal has none.
    for target in /edit /v1/jobs /v1/images/edits /%65dit /v1/%6Aobs '/v1/images/edits?x=1' http://localhost/edit; do
        answer=$(flood "$port" POST "$target")
        [[ $answer == *"HTTP/1.1 429"* ]] || die "$name: 40 POSTs to $target, and none is refused"
    done
    answer=$(flood "$port" GET /health)
    [[ $answer != *" 429 "* ]] || die "$name: /health has a limit"
}

# check_prefix URL: the page and a job below /fire, where a proxy serves them and says so.
check_prefix() {
    local url=$1 path location
    for path in $(get --fail "$url/fire/" | grep -oE '(href|src)="[^"]*"' | cut -d'"' -f2); do
        expect "below a prefix: $path" 200 "$(get -o /dev/null -w '%{http_code}' "$url/fire/$path")"
    done
    expect "below a prefix: a job" 202 "$(get -D "$work/job.headers" -o "$work/job.body" -w '%{http_code}' \
        -F "image=@$picture" -F prompt=x -F steps=1 -F width=64 -F height=64 "$url/fire/v1/jobs")"
    location=$(header job Location)
    [[ $location == /fire/v1/jobs/* ]] || die "below a prefix: the job is at $location"
    expect "below a prefix: its events" 200 "$(get -o "$work/job.events" -w '%{http_code}' "$url$location/events")"
    path=$(sed -n 's/.*"result":"\([^"]*\)".*/\1/p' "$work/job.events")
    expect "below a prefix: its result" 200 "$(get -o /dev/null -w '%{http_code}' "$url$path")"
}

# flood PORT METHOD TARGET: 40 requests in a row, the last one ends the connection.
flood() {
    local connection i
    for ((i = 1; i <= 40; i++)); do
        connection=keep-alive
        if [[ $i -eq 40 ]]; then connection=close; fi
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: %s\r\n\r\n' \
            "$2" "$3" "$connection"
    done | raw "$1"
}

# ---- the server, and what both proxies need ----

free_port && direct=$found
(
    cd "$work" # a .env of whoever runs the tests is not ours
    exec env MODEL_ID="$model" HOST=127.0.0.1 PORT="$direct" LOG_FORMAT=text THREADS=2 "$program" serve
) >"$work/firered.log" 2>&1 &
pids+=($!)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=edit.example.org -keyout "$work/key.pem" \
    -out "$work/cert.pem" 2>/dev/null
cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"
head -c $((32 * 1024 * 1024 + 4096)) /dev/zero >"$work/large"
head -c $((40 * 1024 * 1024)) /dev/zero >"$work/huge"
await firered get --fail "http://127.0.0.1:$direct/ready"
expect "direct edit" 200 "$(send direct "http://127.0.0.1:$direct")"

# ---- nginx ----

# nginx_config FILE PORT UPSTREAM_PORT NAME [MORE]: the example, in the http block that it is written for.
nginx_config() {
    {
        echo "pid $work/$4.pid; error_log $work/$4-error.log; events {} http {"
        echo "access_log $work/$4-access.log;"
        for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $work/$4-$kind;"; done
        sed -e "s/listen 443 ssl/listen 127.0.0.1:$2 ssl/" -e '/listen \[::\]/d' \
            -e "s/server 127.0.0.1:7000/server 127.0.0.1:$3/" \
            -e "s|/etc/ssl/certs/edit.example.org.pem|$work/cert.pem|" \
            -e "s|/etc/ssl/private/edit.example.org.key|$work/key.pem|" "$root/deploy/nginx.conf"
        echo "${5-}"
        echo '}'
    } >"$1"
}

free_port && front=$found
free_port && strange=$found
free_port && echo_front=$found
free_port && echo_back=$found
nginx_config "$work/nginx.conf" "$front" "$direct" nginx
nginx_config "$work/nginx-stranger.conf" "$strange" "$direct" nginx-stranger
sed -i 's/allow 127.0.0.1;/allow 192.0.2.1;/' "$work/nginx-stranger.conf"
# And where other things are served beside it, below /fire.
sed -i 's|^    location / {|    location /fire/ {\n        proxy_set_header X-Forwarded-Prefix /fire;\n        proxy_pass http://firered/;\n    }\n&|' \
    "$work/nginx.conf"
# The same with a server behind it that answers with the client's address, as it was told.
nginx_config "$work/nginx-echo.conf" "$echo_front" "$echo_back" nginx-echo \
    "server { listen 127.0.0.1:$echo_back; location / { return 200 \$http_x_forwarded_for; } }"
for name in nginx nginx-stranger nginx-echo; do
    nginx -c "$work/$name.conf" -g 'daemon off;' >"$work/$name.log" 2>&1 &
    pids+=($!)
done
await nginx get --fail "https://127.0.0.1:$front/health"
await nginx get --fail "https://127.0.0.1:$echo_front/health"
check nginx "https://127.0.0.1:$front"
check_prefix "https://127.0.0.1:$front"
await nginx-stranger get --fail "https://127.0.0.1:$strange/health"
check_stranger nginx "$strange"
expect "nginx: the client's address" 127.0.0.1 \
    "$(get -H 'X-Forwarded-For: 6.6.6.6' "https://127.0.0.1:$echo_front/health")"

# ---- HAProxy ----

# haproxy_config FILE PORT UPSTREAM_PORT [MORE]
haproxy_config() {
    sed -e "s|bind :443 ssl crt [^ ]*|bind 127.0.0.1:$2 ssl crt $work/both.pem|" \
        -e "s/server one 127.0.0.1:7000 check inter 5s/server one 127.0.0.1:$3 check inter 1s/" \
        "$root/deploy/haproxy.cfg" >"$1"
    echo "${4-}" >>"$1"
}

free_port && front=$found
free_port && strange=$found
free_port && echo_front=$found
free_port && echo_back=$found
haproxy_config "$work/haproxy.cfg" "$front" "$direct"
haproxy_config "$work/haproxy-stranger.cfg" "$strange" "$direct"
sed -i 's|127.0.0.0/8|192.0.2.1|' "$work/haproxy-stranger.cfg"
haproxy_config "$work/haproxy-echo.cfg" "$echo_front" "$echo_back" "
frontend echo
    bind 127.0.0.1:$echo_back
    http-request return status 200 content-type text/plain lf-string %[req.fhdr(x-forwarded-for)]"
for name in haproxy haproxy-stranger haproxy-echo; do
    haproxy -db -f "$work/$name.cfg" >"$work/$name.log" 2>&1 &
    pids+=($!)
done
await haproxy get --fail "https://127.0.0.1:$front/health"
await haproxy get --fail "https://127.0.0.1:$echo_front/health"
check haproxy "https://127.0.0.1:$front"
await haproxy-stranger get --fail "https://127.0.0.1:$strange/health"
check_stranger haproxy "$strange"
expect "haproxy: the client's address" 127.0.0.1 \
    "$(get -H 'X-Forwarded-For: 6.6.6.6' "https://127.0.0.1:$echo_front/health")"
if grep -E '\[(WARNING|ALERT)\]' "$work"/haproxy*.log; then die "haproxy complains about its configuration"; fi

echo "nginx and HAProxy: as promised"
