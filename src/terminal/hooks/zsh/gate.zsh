# The gate for zsh 5.1 and newer: needs its nonce in __opspilot_nonce, and __opspilot_install to be called once.
#
# It asks the bastion over the terminal before a line runs, and waits; without an answer nothing runs. Questions come
# from preexec, which zsh calls after it has read a line and before it expands or opens anything of it: a SIGINT from
# there drops the line as a whole.
#
# All functions are defined within `emulate -c`, and so run with these options whatever the user's are. Each word that an
# alias could stand for follows `builtin`.
__opspilot_define() {
  builtin typeset -gi __opspilot_seq=0    # number of the prompt
  builtin typeset -gi __opspilot_asked=0  # the prompt whose line was asked about
  builtin typeset -gi __opspilot_told=0   # set once the prompt that comes has been reported
  builtin typeset -gi __opspilot_entry=0  # number of the history entry that the line at this prompt will be

  # REPLY: $1 as a field of a mark.
  __opspilot_escape() {
    REPLY=${1//\\/\\\\}
    REPLY=${REPLY//$'\n'/\\n}
    REPLY=${REPLY//$'\r'/\\r}
    REPLY=${REPLY//$'\t'/\\t}
    REPLY=${REPLY//$'\e'/\\e}
    REPLY=${REPLY//$'\a'/\\a}
    REPLY=${REPLY//;/\\s}
  }

  # REPLY: digits that cannot be guessed. RANDOM can, and its sequence is the user's.
  __opspilot_challenge() {
    builtin local bytes='' byte
    builtin read -rk 8 -u 0 bytes </dev/urandom
    REPLY=''
    for byte in ${(s::)bytes}; do
      REPLY+=$(( #byte ))
    done
    [[ -n $REPLY ]] || REPLY=$RANDOM$RANDOM
  }

  # REPLY: name=value, a line each, of the aliases in line $1. Where a value begins with an alias, that is put in.
  __opspilot_aliases() {
    builtin local -a words
    words=(${(z)1})
    builtin local -A seen
    builtin local -i at
    builtin local word value next
    REPLY=''
    for (( at = 1; at <= $#words && at <= 1000; at++ )); do
      word=$words[at] value=''
      [[ -z $word || $word == *[=$'\n']* || -n ${seen[$word]} ]] && builtin continue
      seen[$word]=1
      value=${aliases[$word]}
      next=${${(z)value}[1]}
      if [[ -n $next && $next != $word && -n ${aliases[$next]} && ${aliases[$next]} != $word* ]]; then
        value=${aliases[$next]}${${value##[[:space:]]#}#$next}
      fi
      [[ -n $value ]] || value=${galiases[$word]}
      [[ -z $value && $word == ?*.?* && -n ${saliases[${word##*.}]} ]] && value="${saliases[${word##*.}]} $word"
      [[ -n $value ]] && REPLY+=$word=${value//$'\n'/ }$'\n'
    done
  }

  # Asks about line $2 of kind $1; fails unless the answer is yes. Input that comes before the answer goes back to the
  # bastion. With -k, `read` silences the terminal and leaves its line editing before it writes the question; between
  # two reads the terminal is as it was. So what was typed ahead is taken before the question, and what follows is read
  # in pieces that never end behind the answer.
  __opspilot_ask() {
    builtin local REPLY id kind=$1 text='' directory known='' mark chunk strays='' answer=n
    builtin local -i length=0 whole missing tries=0
    __opspilot_challenge
    id=$__opspilot_seq.$REPLY
    __opspilot_escape "$PWD"
    directory=$REPLY
    __opspilot_escape "$2"
    if (( $#REPLY <= 40000 )); then
      text=$REPLY length=$#2
      if (( length <= 4000 )); then
        __opspilot_aliases "$2"
        __opspilot_escape "${REPLY[1,4000]}"
        known=$REPLY
      fi
    else
      kind=u
    fi
    mark="?${__opspilot_mark}G;$id;$kind;$length;$text;$directory;$known"$'\a'
    if builtin zmodload zsh/system; then
      while builtin sysread -t 0 -s 16000 chunk; do
        strays+=$chunk
        __opspilot_strays
      done
    fi
    (( missing = whole = $#id + 3 ))
    while (( tries < 100 )); do
      if builtin read -rs -k $missing "chunk$mark"; then
        mark=''
        strays+=$chunk
      else
        (( ++tries ))
      fi
      if [[ $strays == *$id:[yn]$'\x15' ]]; then
        answer=${strays[-2]} strays=${strays[1,-whole-1]}
        builtin break
      fi
      __opspilot_strays
      # What of the answer has come so far.
      missing=1
      [[ $strays == *$id:[yn] ]] || for (( missing = 2; missing < whole; missing++ )); do
        [[ ${strays[missing-whole,-1]} == ${${:-$id:}[1,whole-missing]} ]] && builtin break
      done
    done
    __opspilot_escape "$strays"
    builtin print -rn -- "${__opspilot_mark}V;$id;$answer;$REPLY"$'\a'
    [[ $answer == y ]]
  } </dev/tty >/dev/tty

  # Gives back a part of the strays of __opspilot_ask where they are many; what may be of the answer stays.
  __opspilot_strays() {
    (( $#strays > 16000 )) || builtin return 0
    builtin local REPLY
    __opspilot_escape "${strays[1,-101]}"
    builtin print -rn -- "${__opspilot_mark}T;$id;$REPLY"$'\a'
    strays=${strays[-100,-1]}
  }

  # First of preexec_functions: $1 is the line as typed, empty where the history does not have it, $3 what it comes to.
  # A function that zsh calls by itself does without the redirection of its definition.
  __opspilot_preexec() {
    {
      builtin local allowed=''
      builtin trap - DEBUG ZERR
      {
        __opspilot_asked=$__opspilot_seq __opspilot_told=0
        __opspilot_schedule 0
        if [[ -n $1 ]]; then
          __opspilot_ask h "$1"
        else
          __opspilot_ask b "$3"
        fi && allowed=1
      } always {
        TRY_BLOCK_ERROR=0
      }
      if [[ -z $allowed ]]; then
        builtin trap - INT
        builtin kill -INT $$
        # Never reached, but where `kill` is not what it was.
        builtin exit 130
      fi
    } 2>/dev/null
  }

  # First of precmd_functions: reports how the line ended.
  __opspilot_precmd() {
    builtin local exit=$? pipe="${(j: :)pipestatus}"
    {
      builtin trap - DEBUG ZERR
      __opspilot_tell "$exit" "$pipe"
      if [[ $precmd_functions[-1] == __opspilot_arm ]]; then
        builtin local -i event="${zsh_scheduled_events[(I)*__opspilot_arm*]}"
        (( event )) && builtin sched -$event
      fi
    } 2>/dev/null
  }

  __opspilot_tell() {
    builtin local REPLY
    if (( __opspilot_seq && __opspilot_asked != __opspilot_seq && HISTCMD != __opspilot_entry )) &&
      [[ $preexec_functions[1] != __opspilot_preexec ]]; then
      __opspilot_escape "${history[$(( HISTCMD - 1 ))][1,16000]}"
      builtin print -rn -- "${__opspilot_mark}U;$REPLY"$'\a'
    fi
    __opspilot_told=1
    (( ++__opspilot_seq ))
    __opspilot_escape "$PWD"
    builtin print -rn -- "${__opspilot_mark}D;$__opspilot_seq;$1;$REPLY;$2"$'\a'
  } >/dev/tty

  # Last of precmd_functions: makes the next line pass the gate, whatever the user's own prompt functions did. It runs as
  # a scheduled event, after all of them, where the user has changed that array.
  __opspilot_arm() {
    builtin local exit=$?
    {
      builtin trap - DEBUG ZERR
      # The line editor runs such events too, for `vared`.
      if builtin zle; then
        __opspilot_schedule 1
        builtin return 0
      fi
      (( __opspilot_told )) || __opspilot_tell "$exit" "$exit"
      builtin typeset -ga precmd_functions preexec_functions
      precmd_functions=(__opspilot_precmd ${precmd_functions:#__opspilot_(precmd|arm)} __opspilot_arm)
      preexec_functions=(__opspilot_preexec ${preexec_functions:#__opspilot_preexec})
      PS1=${PS1%'%{${__opspilot_drawn-}%}'}
      [[ -o prompt_subst ]] && PS1+='%{${__opspilot_drawn-}%}'
      __opspilot_entry=HISTCMD
    } 2>/dev/null
  }

  # Has the prompt after next second $1 arm the gate, even if by then nobody else does.
  __opspilot_schedule() {
    builtin sched +$1 '{ __opspilot_arm } 2>/dev/null'
  }

  # Marks are put together from variables, so that nobody who prints a function or a prompt writes one.
  __opspilot_install() {
    builtin typeset -g __opspilot_mark=$'\e]7717;'"$__opspilot_nonce;"
    builtin typeset -g __opspilot_drawn=$__opspilot_mark$'B\a'
    builtin typeset -g +x __opspilot_nonce __opspilot_mark __opspilot_drawn
    builtin typeset -ga precmd_functions
    precmd_functions=(__opspilot_precmd $precmd_functions __opspilot_arm)
    builtin zmodload zsh/sched && __opspilot_schedule 0
  } 2>/dev/null
}
builtin emulate zsh -o no_multibyte -o no_aliases -o local_traps -o no_xtrace -o no_err_exit \
  -o no_all_export -c __opspilot_define
builtin unfunction __opspilot_define
