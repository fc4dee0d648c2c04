#!/bin/sh
# Part of bootstrap.sh: becomes a fish that evaluates the hook after its configuration. The hook is no secret: it travels
# in a variable, which it takes out of the environment.
if [ "${SHELL##*/}" = fish ] && [ -x "$SHELL" ]; then
  OPSPILOT_HOOK=$(cat <<'__OPSPILOT_HOOK__'
@LOGIN@
__OPSPILOT_HOOK__
  )
  export OPSPILOT_HOOK
  # fish counts from here, as it does under sshd.
  unset SHLVL
  # shellcheck disable=SC2016  # for fish to expand
  exec "$SHELL" -l -C 'eval "$OPSPILOT_HOOK"'
fi
