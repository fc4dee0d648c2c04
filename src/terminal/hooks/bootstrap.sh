#!/bin/sh
# Sent as `exec sh -c '...'` in an exec request on a PTY. Greets as sshd does for a login, then becomes the login shell
# with the hook on descriptor 9, which `bash --posix` reads as $ENV. Nothing is written to the target's disk.
# sshd sets SHELL to the account's login shell.
__opspilot_greet() {
  [ -e "${HOME-}/.hushlogin" ] && return
  for file in /run/motd.dynamic /etc/motd; do
    [ -r "$file" ] && cat "$file"
  done
  # The first line is this very login.
  last -n 2 "${LOGNAME:-$USER}" 2>/dev/null |
    awk 'NR == 2 && NF > 6 { print "Last login: " $4 " " $5 " " $6 " " $7 " from " $3 }'
}
__opspilot_greet
unset -f __opspilot_greet
unset file
exec 9<<'__OPSPILOT_HOOK__'
@HOOK_BASH@
__OPSPILOT_HOOK__
if [ "${SHELL##*/}" = bash ] && [ -r /dev/fd/9 ]; then
  # shellcheck disable=SC2016  # for the login shell to expand
  exec "$SHELL" -c '
    if (( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404 )); then
      ENV=/dev/fd/9 exec -a -bash "$0" --posix
    fi
    exec 9<&-
    printf "\033]7717;?;X\a"
    exec -l "$0"
  ' "$SHELL"
fi
exec 9<&-
printf '\033]7717;?;X\007'
exec "${SHELL:-/bin/sh}" -l
