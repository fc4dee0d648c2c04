# shellcheck shell=sh
# Typed at the prompt of an inner shell, in words that sh, bash, zsh and fish (3.4 or newer) read alike: says which shell
# it is, reads the code of its hook over the silent terminal, and evaluates it.
# shellcheck disable=SC2016,SC2154,SC3028
 eval "$(sh -c 'stty -echo;printf "\033]7717;?;N;%s\007" "$1";while IFS= read -r l&&[ "$l" != . ];do printf "%s\n" "$l" >&3;done;stty echo' sh "$BASH_VERSION;$ZSH_VERSION;$FISH_VERSION" 3>&1 >/dev/tty </dev/tty)"
