#!/bin/sh
# Run by the login shell of an exec request on a PTY. Greets as sshd does for a login, then becomes the login shell with
# its hook. Nothing is written to the target's disk. sshd sets SHELL to the account's login shell.
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
@START@
# The shell is not what it was found to be.
exec 9<&-
printf '\033]7717;?;X\007'
exec "${SHELL:-/bin/sh}" -l
