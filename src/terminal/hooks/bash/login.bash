# shellcheck shell=bash
# The gate in a login shell. Read once, through $ENV, by a `bash --posix` that is called `-bash`.
builtin unset ENV
exec 9<&-
builtin set +o posix
builtin shopt -u inherit_errexit 2>/dev/null
# Posix mode has chosen these two.
[[ ${HISTFILE-} == "${HOME-}/.sh_history" ]] && HISTFILE=$HOME/.bash_history
[[ ${MAILCHECK-} == 600 ]] && MAILCHECK=60

@GATE@

# shellcheck disable=SC1091  # the target's own
[[ -r /etc/profile ]] && . /etc/profile
for __opspilot_file in ~/.bash_profile ~/.bash_login ~/.profile; do
  # shellcheck disable=SC1090  # the user's own
  [[ -r $__opspilot_file ]] && { . "$__opspilot_file"; builtin break; }
done
builtin unset __opspilot_file

# The nonce, what makes a mark authentic, comes over the silent terminal and stays in this variable.
__opspilot_hello() {
  { builtin local -; builtin set +aeuxv; } 2>/dev/null
  IFS='' TMOUT='' builtin read -rs -d $'\x15' -p $'\e]7717;?;R\a' __opspilot_nonce </dev/tty 2>/dev/tty
  __opspilot_install
}
{ __opspilot_hello; } 2>/dev/null
builtin unset -f __opspilot_hello __opspilot_install
