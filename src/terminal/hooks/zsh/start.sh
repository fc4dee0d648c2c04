#!/bin/sh
# Part of bootstrap.sh: becomes a zsh with the hook on descriptor 9, which it reads as its .zshenv.
#
# zsh reads its first file in a directory and nowhere else. So there is one, in memory where the target has such a place,
# with a link to the descriptor and nothing else. The hook removes it before any file of the user is read; the watch does
# so where the hook is not.
exec 9<<'__OPSPILOT_HOOK__'
@LOGIN@
__OPSPILOT_HOOK__

__opspilot_directory() {
  for base in /dev/shm "${XDG_RUNTIME_DIR-}" "${TMPDIR-}" /tmp; do
    [ -n "$base" ] && directory=$(umask 077 && mktemp -d "$base/.opspilot.XXXXXXXXXX" 2>/dev/null) && return 0
  done
  return 1
}

__opspilot_watch() {
  trap '' HUP INT QUIT TERM
  exec 9<&- </dev/null >/dev/null 2>&1
  seconds=0
  while [ -d "$directory" ] && kill -0 $$ && [ "$seconds" -lt 10 ]; do
    sleep 1
    seconds=$((seconds + 1))
  done
  [ ! -d "$directory" ] || rm -rf -- "$directory"
}

# A zshenv of the system that has a say in ZDOTDIR would lead past the directory, or be led past by it.
if [ "${SHELL##*/}" = zsh ] && [ -r /dev/fd/9 ] &&
  ! grep -hsxv '[[:blank:]]*#.*' /etc/zshenv /etc/zsh/zshenv /usr/local/etc/zshenv | grep -q ZDOTDIR &&
  __opspilot_directory; then
  __opspilot_watch &
  if ln -s /dev/fd/9 "$directory/.zshenv"; then
    # An equal sign, then the value; nothing where the user has none.
    __opspilot_zdotdir=${ZDOTDIR+=}${ZDOTDIR-}
    ZDOTDIR=$directory
    export ZDOTDIR __opspilot_zdotdir
    # As sh, so that no file is read before the login shell's own.
    # shellcheck disable=SC2016  # for the login shell to expand
    exec "$SHELL" --emulate sh -c 'exec -a -zsh "$0"' "$SHELL"
  fi
  rm -rf -- "$directory"
fi
