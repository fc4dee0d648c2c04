# Runs each script of the standard input (they are separated by NUL bytes) in a process of its own, where no program can be
# found, and prints the names that it would have run, one a line, with a NUL byte behind those of each script.
# shellcheck disable=SC2317 # the scripts call the functions
# shellcheck disable=SC2329

shopt -s expand_aliases

note() {
    # A newline in a name is told by a byte that no script has.
    printf '%s\n' "${1//$'\n'/$'\1'}" >&9
}

command_not_found_handle() {
    note "$1"
    return 1
}

# Wrappers and shells that are known for what they do, as functions that do just that.
sudo() {
    note sudo
    "$@"
}
nohup() {
    note nohup
    "$@"
}
env() {
    note env
    while [[ $1 == *=* ]]; do shift; done
    "$@"
}
sh() {
    note sh
    local text
    case $1 in
        -c)
            text=$2
            shift $(($# > 2 ? 3 : 2))
            ;;
        *) IFS= read -r -d '' text ;;
    esac
    # A shell of its own has what is exported, and no functions.
    (
        unset -v v w x y a
        unset -f f g h
        unalias -a
        eval "$text"
    )
}

run() {
    # Nothing is written, nothing runs for long, and no builtin reaches outside.
    ulimit -t 2 -f 64
    enable -n kill cd pushd popd source . exec ulimit umask enable suspend disown logout
    set -r
    local script=$1
    set --
    eval "$script"
    wait
}

# shellcheck disable=SC2123 # nothing is to be found
PATH=/nonexistent
unset -v v w x y a
while IFS= read -r -d '' script; do
    # The substitution ends when the last process of the script has.
    names=$( (run "$script") 9>&1 >/dev/null 2>&1 </dev/null)
    printf '%s\0' "$names"
done
