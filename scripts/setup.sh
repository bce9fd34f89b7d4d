#!/usr/bin/env bash
# Installs the Debian packages that are missing, and only those.
#
#   scripts/setup.sh            what building needs
#   scripts/setup.sh tests      and what the tests need
#   scripts/setup.sh fuzz       and what the fuzzers need
#   scripts/setup.sh lint       what the tests and .ci/lint need
#
# Goes through sudo where it is not root.  With nothing missing it does nothing, and needs neither root nor a network.
#
# FIRERED_CUDA=ON fetches nvcc as well where there is none, into build/nvcc; AUTO, which is the default, only where an NVIDIA card is;
# OFF never.  It compiles the GPU's kernels, and is needed for nothing else.
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

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cuda=${FIRERED_CUDA:-AUTO}
card() { [[ -e /dev/nvidiactl || -e /dev/dxg || -e /proc/driver/nvidia/version ]]; } # dxg: in WSL
has_nvcc() { # one that is new enough, where the build looks
    local nvcc
    for nvcc in /usr/local/cuda/bin/nvcc "$root/build/nvcc/nvidia/cu13/bin/nvcc" "$(command -v nvcc)"; do
        if [[ -x $nvcc ]] && "$nvcc" --version | grep -qE 'release (1[3-9]|[2-9][0-9])\.'; then return 0; fi
    done
    return 1
}
nvcc=no
if [[ $cuda == ON ]] || { [[ $cuda == AUTO ]] && card; }; then
    has_nvcc || nvcc=wanted
fi
[[ $nvcc == no ]] || python3 -m pip --version >/dev/null 2>&1 || wanted+=(python3-pip)

# NVIDIA's own packages for Python, of one version, and nothing that they would bring along.
fetch_nvcc() {
    [[ $nvcc == wanted ]] || return 0
    echo "setup: fetching nvcc (70 MB, 250 MB unpacked) into build/nvcc"
    local packages=(nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-runtime)
    rm -rf "$root/build/nvcc.part"
    if python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-compile --no-deps \
        --target "$root/build/nvcc.part" "${packages[@]/%/==13.0.*}"; then
        rm -rf "$root/build/nvcc"
        mv "$root/build/nvcc.part" "$root/build/nvcc"
        return 0
    fi
    rm -rf "$root/build/nvcc.part"
    echo "setup: nvcc could not be fetched; without it the program computes on the CPU alone" >&2
    [[ $cuda != ON ]]
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: no Debian package tools here; make sure that these are installed: ${wanted[*]}" >&2
    fetch_nvcc
    exit
fi

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
    fetch_nvcc
    exit
fi

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
fetch_nvcc
