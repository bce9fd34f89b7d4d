#!/usr/bin/env bash
# Installs what is missing, builds the program, and serves on port 7000.
#
#   ./run_local.sh [--no-install] [flags of `firered serve`]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${PORT:-7000}
install=yes
flags=()
while [[ $# -gt 0 ]]; do
    case "$1" in
    --no-install) install=no ;;
    --port=*) port=${1#--port=} && flags+=("$1") ;;
    --port) port=${2-} && flags+=("$1") ;;
    *) flags+=("$1") ;;
    esac
    shift
done

[[ $install == no ]] || "$root/scripts/setup.sh"

cd "$root"
# The tests stay as they are in a folder that exists; in a new one they are not configured, which saves their packages.
if [[ ! -f build/release/build.ninja ]]; then
    cmake --preset release -DFIRERED_TESTS=OFF >/dev/null
elif [[ build/nvcc -nt build/release/build.ninja ]]; then # now the GPU's kernels can be built, too
    cmake --preset release >/dev/null
fi
cmake --build --preset release --target firered
cd "$OLDPWD"

# What to do next is the last thing to be read, once the service is ready.
tell_when_ready() {
    until "$root/build/release/firered" health --ready --port "$port" 2>/dev/null; do
        kill -0 $$ 2>/dev/null || return 0
        sleep 0.2
    done
    cat <<END

Edit a picture: open http://localhost:$port/ in a browser, or from another terminal

  curl -F image=@$root/examples/cat.jpg -F prompt='make it black and white' \\
       -o edited.png http://localhost:$port/edit

END
}
(tell_when_ready &) # nobody's child: the service, which this shell becomes, waits for none
exec "$root/build/release/firered" serve "${flags[@]}"
