# The gate in a login shell. Read once, as the .zshenv of a zsh that is called `-zsh`, and before any file of the user.
command rm -rf -- $ZDOTDIR
exec 9<&-
if [[ -n $__opspilot_zdotdir ]]; then ZDOTDIR=${__opspilot_zdotdir#=}; else unset ZDOTDIR; fi
unset __opspilot_zdotdir

@GATE@

# The nonce, what makes a mark authentic, comes over the silent terminal and stays in this variable. It is 32 digits, and
# a byte that ends it.
if [[ $ZSH_VERSION == (5.<1->*|<6->.*) ]]; then
  read -rs -k 33 $'__opspilot_nonce?\e]7717;?;R\a'
  __opspilot_nonce=${__opspilot_nonce%$'\x15'}
  __opspilot_install
  unfunction __opspilot_install
else
  print -n '\e]7717;?;X\a'
fi

if [[ -r ${ZDOTDIR-$HOME}/.zshenv ]]; then
  source ${ZDOTDIR-$HOME}/.zshenv
fi
