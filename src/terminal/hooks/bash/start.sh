#!/bin/sh
# Part of bootstrap.sh: becomes a bash with the hook on descriptor 9, which `bash --posix` reads as $ENV.
exec 9<<'__OPSPILOT_HOOK__'
@LOGIN@
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
