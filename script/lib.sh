# shellcheck shell=bash
# Sourced by the other scripts: paths, the Python environment, timed steps.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fleetnet

# Generated files of this checkout, outside of it. The path is short because it contains the sockets of SSH connections.
work=$(printf %s "$root" | sha256sum)
work=$cache/checkouts/${work:0:8}

# use_environment run|topology|test: puts the programs of the environment first on PATH and makes Ansible find this
# checkout as the installed collection. Sets `tree`, the folder that contains ansible_collections/fleetnet/docker.
use_environment() {
    local venv
    venv=$("$root/script/bootstrap" "$1") || return
    tree=$work/tree
    mkdir -p "$tree/ansible_collections/fleetnet"
    # -n: do not follow an existing link, which would create another one inside the checkout.
    ln -sfn "$root" "$tree/ansible_collections/fleetnet/docker"

    export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
    export ANSIBLE_COLLECTIONS_PATH="$tree"
    # Ansible requires a UTF-8 locale.
    export LC_ALL=C.UTF-8
    # Tools keep their state in the cache as well, not in ~/.ansible or in the checkout.
    export ANSIBLE_HOME="$work/ansible" MYPY_CACHE_DIR="$work/mypy" RUFF_CACHE_DIR="$work/ruff"
    export HYPOTHESIS_STORAGE_DIRECTORY="$work/hypothesis"
    mkdir -p "$ANSIBLE_HOME/cp"  # sockets of testinfra's persistent connections; see .config/molecule/config.yml
    # By default, Molecule searches for the scenarios of a collection in extensions/molecule.
    export MOLECULE_GLOB="molecule/*/molecule.yml"
}

# step TITLE COMMAND ...: prints the title, runs the command, prints its duration, and returns its status.
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
