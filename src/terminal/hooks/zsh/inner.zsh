# The gate in a zsh that runs already. The line that reads this is not for the user's history.
__opspilot_nonce=@NONCE@
@GATE@

# zsh deletes no entry. So the list is read anew from its file, if it then has all but that line; else the line stays. The
# old list is kept below, without a file that it would be written to.
__opspilot_unwrite() {
  builtin emulate -L zsh
  builtin local file=$HISTFILE
  builtin local -i entries=$#history
  [[ ${history[$HISTCMD]} == *"eval \"\$(sh -c "*7717* && -n $file ]] || builtin return 0
  builtin unset HISTFILE
  builtin fc -p -- $file $HISTSIZE $SAVEHIST
  (( $#history == entries - 1 )) && builtin return 0
  builtin fc -P
  builtin typeset -g HISTFILE=$file
}
{ __opspilot_unwrite; __opspilot_install; } 2>/dev/null
builtin unfunction __opspilot_unwrite __opspilot_install
