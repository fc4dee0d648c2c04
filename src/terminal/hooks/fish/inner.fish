# The gate in a fish that runs already. The line that reads this begins with a blank, so that no history keeps it.
set -g __opspilot_nonce @NONCE@
@GATE@

__opspilot_install
functions -e __opspilot_install
