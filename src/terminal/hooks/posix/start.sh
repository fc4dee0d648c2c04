#!/bin/sh
# Part of bootstrap.sh: becomes a login shell with the hook on descriptor 9, which it reads as $ENV.
exec 9<<'__OPSPILOT_HOOK__'
@LOGIN@
__OPSPILOT_HOOK__
# A login shell reads its profiles and then $ENV. Where the profiles choose an ENV themselves, the hook reads them.
__opspilot_plain=-
case $(cat /etc/profile /etc/profile.d/*.sh "${HOME-}/.profile" 2>/dev/null) in
  *ENV=*) __opspilot_plain='' ;;
esac
# Calls the login shell as a login would: with a hyphen before its name.
__opspilot_become() {
  name=$__opspilot_plain${SHELL##*/}
  [ -n "${ENV-}" ] && export __opspilot_env="$ENV"
  [ -n "$__opspilot_plain" ] || export __opspilot_profiles=1
  export ENV=/dev/fd/9
  # shellcheck disable=SC3038  # not every sh has it
  if (exec -a x true) 2>/dev/null; then
    # shellcheck disable=SC3038
    exec -a "$name" "$SHELL"
  elif [ -x /bin/bash ]; then
    # shellcheck disable=SC2016  # for bash to expand
    exec /bin/bash -c 'exec -a "$0" "$1"' "$name" "$SHELL"
  elif env --argv0=x true 2>/dev/null; then
    exec env --argv0="$name" "$SHELL"
  elif [ -n "$__opspilot_plain" ]; then
    exec "$SHELL" -l
  fi
  exec "$SHELL"
}
case ${SHELL##*/} in
  dash | sh | ash | mksh | ksh | ksh93 | yash) [ -r /dev/fd/9 ] && [ -n "$(command -v stty)" ] && __opspilot_become ;;
esac
