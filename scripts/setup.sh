#!/usr/bin/env bash
# Installs the Debian packages that are missing, and only those.
#
#   scripts/setup.sh            what building needs
#   scripts/setup.sh tests      and what the tests need
#   scripts/setup.sh fuzz       and what the fuzzers need
#   scripts/setup.sh lint       what the tests and .ci/lint need
#
# Goes through sudo where it is not root.  With nothing missing it does nothing, and needs neither root nor a network.
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config
    libjansson-dev libpcre2-dev libutf8proc-dev
    libspng-dev zlib1g-dev libjpeg62-turbo-dev libwebp-dev liblcms2-dev libmicrohttpd-dev
    libheif-dev libtiff-dev libgif-dev libjxl-dev # optional: HEIC and AVIF, TIFF, GIF, JPEG XL
    libcurl4-openssl-dev libssl-dev)
tests=(libcmocka-dev valgrind curl
    nginx-light haproxy openssl # openssl: certificates for the proxies
    chromium                    # drives the page
    python3-venv)               # for tests that bring a Python package of others
fuzz=(clang libclang-rt-14-dev)
lint=(clang-format clang-tidy)

wanted=("${build[@]}")
case "${1-}" in
'') ;;
tests) wanted+=("${tests[@]}") ;;
fuzz) wanted+=("${tests[@]}" "${fuzz[@]}") ;;
lint) wanted+=("${tests[@]}" "${lint[@]}") ;;
*)
    echo "usage: scripts/setup.sh [tests|fuzz|lint]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: no Debian package tools here; make sure that these are installed: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: missing packages, and neither root nor sudo; run as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"; }
install() { apt install -y --no-install-recommends "${missing[@]}" >/dev/null; }

echo "setup: installing ${missing[*]}"
# The package lists are only fetched when those on disk do not do: a fresh container has none.
if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
    apt update
    install
else
    install 2>/dev/null || { apt update && install; }
fi
