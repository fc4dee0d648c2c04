# shellcheck shell=sh
# The gate in a shell that runs already.
__opspilot_nonce=@NONCE@
@GATE@

__opspilot_install 2>/dev/null
unset -f __opspilot_install
