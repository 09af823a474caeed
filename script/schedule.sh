# shellcheck shell=bash
# Sourced by script/test: runs checks side by side and prints each when it ends.
#
# A check takes as many of the slots as `weight` says (1 unless listed there) and waits for the checks in `needs`, where
# these are selected. Both are associative arrays by check, `needs` with names separated by spaces.

# schedule SLOTS RUN REPORT CLEAN CHECK ...: starts each check in the given order as soon as there is room for it.
# `scratch` is a folder for temporary files.
# RUN CHECK runs in a process group of its own, with its output in a file; REPORT CHECK STATUS SECONDS FILE follows its end.
# If this process ends before, even if it is killed, the checks are stopped and CLEAN CHECK runs for each of them.
schedule() {
    local slots=$1 run=$2 report=$3 clean=$4 check pid status free=$1 size blocked each outputs=${scratch:?}/outputs
    shift 4
    local waiting=("$@") rest
    local -A running=() began=() ended=() present=()
    for check; do present[$check]=1; done
    mkdir -p "$outputs" || return
    set -m # a process group for each, so that a check can be stopped with everything that it started
    start_reaper "$clean"
    while [[ ${#waiting[@]} != 0 || ${#running[@]} != 0 ]]; do
        rest=()
        for check in "${waiting[@]}"; do
            size=$(size_of "$check" "$slots")
            blocked=
            for each in ${needs[$check]:-}; do
                [[ ! ${present[$each]:-} || ${ended[$each]:-} ]] || blocked=1
            done
            if [[ $blocked || $size -gt $free ]]; then
                rest+=("$check")
                continue
            fi
            registered "$run" "$check" >"$outputs/${check/\//.}" 2>&1 </dev/null &
            running[$!]=$check
            began[$check]=$SECONDS
            free=$((free - size))
        done
        waiting=("${rest[@]}")
        status=0
        wait -n -p pid "${!running[@]}" || status=$?
        check=${running[$pid]}
        unset "running[$pid]"
        kill -TERM -- "-$pid" 2>/dev/null # what a check that failed left behind
        echo "ended $pid" >&"$reaper"
        ended[$check]=1
        free=$((free + $(size_of "$check" "$slots")))
        "$report" "$check" "$status" $((SECONDS - began[$check])) "$outputs/${check/\//.}"
    done
    set +m
    stop_running
}

# size_of CHECK SLOTS: its weight, or all slots where it is heavier than the machine.
size_of() {
    local size=${weight[$1]:-1}
    printf '%d\n' $((size < $2 ? size : $2))
}

# The descriptor of the reaper's pipe. A check must not keep it open.
reaper=

# start_reaper CLEAN: starts the process that stops the checks that are running when this process ends.
start_reaper() {
    coproc REAPER { reap "$1" >&2; }
    # shellcheck disable=SC2153  # coproc sets it
    reaper_pid=$REAPER_PID
    # The descriptors of a coprocess are not available in subshells, in which checks run. These are.
    exec {reaper}>&"${REAPER[1]}" && eval "exec ${REAPER[1]}>&-"
}

# registered RUN CHECK: runs the check after the reaper knows it.
registered() {
    echo "started $BASHPID $2" >&"$reaper"
    exec {reaper}>&-
    "$1" "$2"
}

# reap CLEAN: reads which checks are running until its pipe is closed, and stops those that remain.
reap() {
    local event pid check
    local -A left=()
    trap '' INT TERM HUP
    while read -r event pid check; do
        case $event in
            started) left[$pid]=$check ;;
            ended) unset "left[$pid]" ;;
        esac
    done
    for pid in "${!left[@]}"; do
        stop_group "$pid"
        "$1" "${left[$pid]}"
    done
}

# stop_group PID: ends a process group, with SIGKILL if it does not end within ten seconds.
stop_group() {
    local attempt
    kill -TERM -- "-$1" 2>/dev/null
    for ((attempt = 0; attempt < 100; attempt++)); do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null
}

# stop_running: stops the checks that are running, each with all that it started, and waits until they are cleaned up.
stop_running() {
    [[ $reaper ]] || return 0
    exec {reaper}>&-
    reaper=
    wait "$reaper_pid"
}
