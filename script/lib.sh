# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, the Python environment, steps that tell how long they took.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fleetnet

# Files that belong to this checkout and are no part of it. The path is short: sockets of SSH connections live below it.
work=$(printf %s "$root" | sha256sum)
work=$cache/checkouts/${work:0:8}

# use_environment run|topology|test: puts the environment's programs first on PATH and lets Ansible find this checkout as the
# installed collection. Sets `tree`, the folder that holds ansible_collections/fleetnet/docker.
use_environment() {
    local venv
    venv=$("$root/script/bootstrap" "$1") || return
    tree=$work/tree
    mkdir -p "$tree/ansible_collections/fleetnet"
    # -n: or a link that is there already would be followed, and another one made inside of the checkout.
    ln -sfn "$root" "$tree/ansible_collections/fleetnet/docker"

    export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
    export ANSIBLE_COLLECTIONS_PATH="$tree"
    # Ansible refuses to run where the locale is not UTF-8.
    export LC_ALL=C.UTF-8
    # What tools keep between runs goes to the cache as well, not to ~/.ansible and not into the checkout.
    export ANSIBLE_HOME="$work/ansible" MYPY_CACHE_DIR="$work/mypy" RUFF_CACHE_DIR="$work/ruff"
    export HYPOTHESIS_STORAGE_DIRECTORY="$work/hypothesis"
    mkdir -p "$ANSIBLE_HOME/cp"  # sockets of connections that testinfra keeps; see .config/molecule/config.yml
    # Without this, a collection's scenarios are looked for in extensions/molecule.
    export MOLECULE_GLOB="molecule/*/molecule.yml"
}

# step TITLE COMMAND ...: runs the command under a title, tells how long it took, passes its status on.
# Sets `step_seconds`.
step() {
    local title=$1 started=$SECONDS status=0 result
    shift
    printf '\n==> %s\n' "$title"
    "$@" || status=$?
    step_seconds=$((SECONDS - started))
    [[ $status == 0 ]] && result="done" || result="failed ($status)"
    printf '==> %s: %s in %d s\n' "$title" "$result" "$step_seconds"
    return "$status"
}
