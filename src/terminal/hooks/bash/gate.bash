# shellcheck shell=bash
# The gate for bash 4.4 and newer: needs its nonce in __opspilot_nonce, and __opspilot_install to be called once.
#
# It asks the bastion over the terminal before a line runs, and waits; without an answer nothing runs. Questions come
# from PS0, which bash expands after it has read a line and before it opens the line's first redirection: a SIGINT from
# there drops the line as a whole. What never passes PS0 (`bind -x`, C-x C-e, traps at the prompt) meets a DEBUG trap
# that is armed for one prompt; the user's own is given back before the line's first command.
__opspilot_seq=0             # number of the prompt
__opspilot_allowed=0         # the prompt whose line may run; -1 after a refusal
__opspilot_live=''           # set while the user edits and the line runs, unset while PROMPT_COMMAND runs
__opspilot_count=''          # commands that the shell has run, by its own count
__opspilot_entry=''          # number of the history entry that the next line will be
__opspilot_base=''           # the same when the prompt was prepared
__opspilot_skip=''           # set while a refused command's rest is skipped
__opspilot_extdebug=''       # set if the user had extdebug on before that
__opspilot_control='' __opspilot_ignore='' __opspilot_size='' # the user's history settings
__opspilot_seen='' __opspilot_trap='' __opspilot_traps='' __opspilot_last='' __opspilot_number='' __opspilot_previous=''

# REPLY: $1 as a field of a mark.
__opspilot_escape() {
  builtin local LC_ALL=C
  # shellcheck disable=SC1003  # two backslashes
  REPLY=${1//\\/'\\'}
  REPLY=${REPLY//$'\n'/'\n'}
  REPLY=${REPLY//$'\r'/'\r'}
  REPLY=${REPLY//$'\t'/'\t'}
  REPLY=${REPLY//$'\e'/'\e'}
  REPLY=${REPLY//$'\a'/'\a'}
  REPLY=${REPLY//;/'\s'}
}

# REPLY: the last history entry, as it stands.
__opspilot_history() {
  REPLY=$(HISTTIMEFORMAT='' builtin history 1; builtin printf .)
  REPLY=${REPLY%$'\n.'}
  REPLY=${REPLY#"${REPLY%%[![:space:]]*}"}
  __opspilot_number=${REPLY%%[![:digit:]]*}
  REPLY=${REPLY#"$__opspilot_number"}
  REPLY=${REPLY#[* ]}
  REPLY=${REPLY# }
}

# REPLY: name=value, a line each, of the aliases among the words of $1.
__opspilot_aliases() {
  builtin local - word found=''
  builtin set -f
  for word in ${1//[;|&()]/ }; do
    [[ $word == *[!A-Za-z0-9_.:+-]* ]] && continue
    [[ -n ${BASH_ALIASES[$word]+set} ]] && found+=$word=${BASH_ALIASES[$word]//$'\n'/ }$'\n'
  done
  REPLY=$found
}

# Asks about line $3 of kind $2 at prompt $1; fails unless the answer is yes. Input that comes before the answer goes
# back to the bastion. The terminal is silent before the question is written: `read` prints its prompt last.
__opspilot_ask() {
  builtin local IFS=$' \t\n' REPLY
  builtin local LC_ALL=C TMOUT=0 2>/dev/null
  builtin local id=$1.${SRANDOM-}$RANDOM$RANDOM kind=$2 text='' length=0 directory aliases='' mark chunk strays='' answer=n
  __opspilot_escape "$PWD"
  directory=$REPLY
  __opspilot_escape "$3"
  if (( ${#REPLY} <= 40000 )); then
    text=$REPLY length=${#3}
    (( length <= 4000 )) && { __opspilot_aliases "$3"; __opspilot_escape "${REPLY:0:4000}"; aliases=$REPLY; }
  else
    kind=u
  fi
  builtin printf -v mark '\e]7717;%s;G;%s;%s;%s;%s;%s;%s\a' \
    "$__opspilot_nonce" "$id" "$kind" "$length" "$text" "$directory" "$aliases"
  while IFS='' builtin read -rs -d $'\x15' -n 4096 -p "$mark" chunk; do
    mark=''
    strays+=$chunk
    (( ${#chunk} == 4096 )) || case $strays in
      *"$id":[yn]) answer=${strays: -1} strays=${strays%"$id":?}; break ;;
      *) strays+=$'\x15' ;;
    esac
    if (( ${#strays} > 16000 )); then
      __opspilot_escape "${strays:0:${#strays}-100}"
      builtin printf '\e]7717;%s;T;%s;%s\a' "$__opspilot_nonce" "$id" "$REPLY" >&2
      strays=${strays: -100}
    fi
  done
  __opspilot_escape "$strays"
  builtin printf '\e]7717;%s;V;%s;%s;%s\a' "$__opspilot_nonce" "$id" "$answer" "$REPLY" >&2
  [[ $answer == y ]]
} </dev/tty 2>/dev/tty

# In a subshell of PS0: writes the value of __opspilot_allowed.
__opspilot_gate() {
  builtin set +aeuxv
  builtin trap '' TSTP QUIT
  builtin local kind=u REPLY='' next=$HISTCMD
  # With such settings the last entry is the line; without cmdhist, only if it has one line.
  if [[ -o history && -z ${HISTCONTROL-}${HISTIGNORE-} && $next != "$__opspilot_entry" ]] &&
    { builtin shopt -q cmdhist || (( next == __opspilot_entry + 1 )); }; then
    __opspilot_history
    kind=h
  fi
  if __opspilot_ask "$__opspilot_seq" "$kind" "$REPLY"; then
    builtin printf %s "$__opspilot_seq"
  else
    builtin kill -INT $$
    builtin printf %s -1
  fi
}

# First in PROMPT_COMMAND, with $? and PIPESTATUS: reports how the line ended.
__opspilot_prompt() {
  builtin local status=$1 result=$1 REPLY count='\#' IFS=$' \t\n'
  builtin shift
  [[ $- == *e* ]] && result=0
  builtin local -
  builtin set +aeuxv
  __opspilot_live=''
  count=${count@P}
  if [[ -n $__opspilot_count && $count != "$__opspilot_count" ]] &&
    (( __opspilot_allowed != __opspilot_seq && __opspilot_allowed != -1 )); then
    REPLY=''
    [[ $HISTCMD == "$(( __opspilot_entry + 1 ))" ]] && __opspilot_history
    __opspilot_escape "${REPLY:0:16000}"
    builtin printf '\e]7717;%s;U;%s\a' "$__opspilot_nonce" "$REPLY" >/dev/tty
  fi
  __opspilot_count=$count
  __opspilot_seq=$(( __opspilot_seq + 1 ))
  __opspilot_escape "$PWD"
  builtin printf '\e]7717;%s;D;%s;%s;%s;%s\a' "$__opspilot_nonce" "$__opspilot_seq" "$status" "$REPLY" "$*" >/dev/tty
  [[ -n $__opspilot_skip ]] && __opspilot_unskip
  __opspilot_forget
  builtin return "$result"
}

# Last in PROMPT_COMMAND: makes the next line pass the gate, whatever the user's own prompt commands did.
__opspilot_arm() {
  builtin local -
  builtin set +aeuxv
  [[ $__opspilot_seen == *__opspilot_debug* ]] || __opspilot_traps=$__opspilot_seen
  __opspilot_hide
  builtin shopt -s promptvars
  # shellcheck disable=SC2016  # expanded by the prompt
  [[ ${PS0-} == *__opspilot_gate* ]] ||
    PS0='${__opspilot_z[__opspilot_allowed=10#0$({ __opspilot_gate; } 2>/dev/null),__opspilot_entry=HISTCMD,0]-}'${PS0-}
  # shellcheck disable=SC2016
  [[ ${PS1-} == *7717* ]] || PS1=${PS1-}'\[\e]7717;${__opspilot_nonce-};B\a\]'
  # shellcheck disable=SC2016
  [[ ${PS2-} == *7717* ]] || PS2='\[\e]7717;${__opspilot_nonce-};P\a\]'${PS2-}
  __opspilot_entry=$HISTCMD __opspilot_base=$HISTCMD
}

# The DEBUG trap while the user edits; succeeds when the user's own traps are due.
__opspilot_debug() {
  builtin local -
  builtin set +aeuxv
  __opspilot_last=$1
  [[ -z $__opspilot_live || -n $__opspilot_skip || -n ${COMP_LINE-} ]] && builtin return 1
  [[ ${FUNCNAME[1]-} == __opspilot_* || $BASH_COMMAND == __opspilot_* ]] && builtin return 1
  if [[ $__opspilot_allowed == "$__opspilot_seq" ]]; then
    [[ $__opspilot_size == 0 ]] && HISTSIZE=0
    builtin return 0
  fi
  [[ $__opspilot_allowed != -1 ]] && __opspilot_ask "$__opspilot_seq" b "$BASH_COMMAND" && builtin return 1
  # With extdebug, a DEBUG trap that fails skips its command; the signal alone comes too late.
  __opspilot_extdebug=''
  builtin shopt -q extdebug && __opspilot_extdebug=1
  builtin shopt -s extdebug
  __opspilot_skip=1
  builtin kill -INT $$
  builtin return 1
}

__opspilot_unskip() {
  __opspilot_skip='' __opspilot_allowed=0
  [[ -n $__opspilot_extdebug ]] || builtin shopt -u extdebug
}

# When a line is read its history entry must be made, whatever the user's settings say.
__opspilot_hide() {
  [[ -n ${HISTCONTROL-} || ! -v HISTCONTROL ]] && __opspilot_control=${HISTCONTROL-}
  [[ -n ${HISTIGNORE-} || ! -v HISTIGNORE ]] && __opspilot_ignore=${HISTIGNORE-}
  __opspilot_size=${HISTSIZE-}
  [[ -n ${HISTCONTROL-} && ${HISTCONTROL@a} != *r* ]] && HISTCONTROL=''
  [[ -n ${HISTIGNORE-} && ${HISTIGNORE@a} != *r* ]] && HISTIGNORE=''
  [[ ${HISTSIZE-} == 0 && ${HISTSIZE@a} != *r* ]] && HISTSIZE=1
  builtin return 0
}

# Takes an entry out of the history that the user's settings would have kept out.
__opspilot_forget() {
  [[ -o history && -n $__opspilot_control$__opspilot_ignore && $HISTCMD != "$__opspilot_base" ]] || builtin return 0
  builtin local - IFS=: REPLY line pattern previous=$__opspilot_previous
  builtin set -f
  __opspilot_history
  line=$REPLY
  [[ -n $__opspilot_number ]] || builtin return 0
  case :$__opspilot_control: in
    *:ignorespace:* | *:ignoreboth:*) [[ $line == [[:space:]]* ]] && { builtin history -d "$__opspilot_number"; builtin return 0; } ;;
  esac
  case :$__opspilot_control: in
    *:ignoredups:* | *:ignoreboth:* | *:erasedups:*)
      [[ $line == "$previous" ]] && { builtin history -d "$__opspilot_number"; builtin return 0; } ;;
  esac
  for pattern in $__opspilot_ignore; do
    [[ $pattern == '&' ]] && pattern=$previous
    # shellcheck disable=SC2053  # a pattern, as HISTIGNORE has it
    [[ -n $pattern && $line == $pattern ]] && { builtin history -d "$__opspilot_number"; builtin return 0; }
  done
  __opspilot_previous=$line
}

__opspilot_install() {
  { builtin local -; builtin set +aeuxv; } 2>/dev/null
  if [[ ${PROMPT_COMMAND@a}${PS0@a}${PS1@a} == *r* || -z $__opspilot_nonce ]]; then
    builtin printf '\e]7717;?;X\a' >/dev/tty
    builtin return 0
  fi
  # shellcheck disable=SC2016  # these are for later
  builtin local first='{ __opspilot_prompt "$?" "${PIPESTATUS[@]}"; } 2>/dev/null' \
    last='{ __opspilot_seen=$(builtin trap -p DEBUG INT); __opspilot_arm; builtin trap "$__opspilot_trap" DEBUG; builtin trap - INT; __opspilot_live=1; } 2>/dev/null'
  # shellcheck disable=SC2016
  __opspilot_trap='{ __opspilot_debug "${_-}" && builtin eval "builtin trap - DEBUG;$__opspilot_traps"; builtin : "${__opspilot_last-}"; [[ -z ${__opspilot_skip-} || $BASH_COMMAND == __opspilot_* ]]; } 2>/dev/null'
  if [[ ${PROMPT_COMMAND@a} == *a* ]] && (( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501 )); then
    PROMPT_COMMAND=("$first" "${PROMPT_COMMAND[@]}" "$last")
  else
    # shellcheck disable=SC2128,SC2178  # the only element that such a bash looks at
    PROMPT_COMMAND=$first$'\n'${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}$last
  fi
}
builtin readonly -f __opspilot_escape __opspilot_history __opspilot_aliases __opspilot_ask __opspilot_gate \
  __opspilot_prompt __opspilot_arm __opspilot_debug __opspilot_unskip __opspilot_hide __opspilot_forget
