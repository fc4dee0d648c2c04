# shellcheck shell=bash
# The gate in a bash that runs already. The line that reads this is not for the user's history.
__opspilot_nonce=@NONCE@
@GATE@

__opspilot_unwrite() {
  builtin local REPLY
  __opspilot_history
  # shellcheck disable=SC2016,SC2154  # REPLY and the number are set by __opspilot_history
  [[ $REPLY == *'eval "$(sh -c '*7717* ]] && builtin history -d "$__opspilot_number"
}
{ __opspilot_unwrite; __opspilot_install; } 2>/dev/null
builtin unset -f __opspilot_unwrite __opspilot_install
