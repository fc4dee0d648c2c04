# shellcheck shell=sh disable=SC2154
# The gate for POSIX shells that cannot ask before they run a line: needs its nonce in __opspilot_nonce, and
# __opspilot_install to be called once. The bastion holds the Enter key itself.
#
# For that it must know all that the shell will read. So each prompt begins with a barrier: it makes the terminal silent,
# reports what ended and how the terminal is set, gives back whatever was typed ahead, up to a word of the bastion's, and
# sets the terminal as it was. From the drawn prompt on, all input comes from the bastion.
#
# PS1 runs it in a subshell; only its number is the shell's own. dash keeps an interrupt until a substitution has ended.
__opspilot_seq=0  # number of the prompt, whether first or continued
__opspilot_void='' # expands to nothing

# REPLY: $1 as a field of a mark.
__opspilot_escape() {
  REPLY=''
  rest=$1
  while :; do
    head=${rest%%[\\\;"$__opspilot_odd"]*}
    [ "$head" = "$rest" ] && break
    rest=${rest#"$head"}
    tail=${rest#?}
    case ${rest%"$tail"} in
      \\) mark=\\\\ ;;
      \;) mark=\\s ;;
      "$__opspilot_newline") mark=\\n ;;
      "$__opspilot_return") mark=\\r ;;
      "$__opspilot_tab") mark=\\t ;;
      "$__opspilot_bell") mark=\\a ;;
      *) mark=\\e ;;
    esac
    REPLY=$REPLY$head$mark
    rest=$tail
  done
  REPLY=$REPLY$rest
}

# Writes a mark of type and fields $1.
__opspilot_mark() {
  command printf '\033]7717;%s;%s\007' "$__opspilot_nonce" "$1"
}

# In a subshell of PS1: a prompt is about to show, after a line that ended with $1.
__opspilot_prompt() {
  __opspilot_escape "$PWD"
  __opspilot_mark "D;$__opspilot_seq;$1;$REPLY;"
  __opspilot_drain
}

# In a subshell of PS2: the shell wants more.
__opspilot_more() {
  __opspilot_mark P
  __opspilot_drain
}

# Gives back what was typed ahead.
__opspilot_drain() {
  trap '' INT QUIT TSTP
  settings=$("$__opspilot_stty" -g) || return
  "$__opspilot_stty" -echo -icanon -isig -ixon -icrnl -inlcr -igncr -istrip min 1 time 0 || return
  __opspilot_escape "$settings"
  __opspilot_mark "S;$__opspilot_seq;$REPLY;$__opspilot_program;$-"
  while IFS='' command read -r line; do
    case $line in
      *"$__opspilot_nonce.$__opspilot_seq")
        __opspilot_stray "${line%"$__opspilot_nonce.$__opspilot_seq"}"
        break
        ;;
    esac
    __opspilot_stray "$line$__opspilot_newline"
  done
  "$__opspilot_stty" "$settings"
  __opspilot_mark "Q;$__opspilot_seq"
}

# What is longer than a line of a terminal was never a line.
__opspilot_stray() {
  [ "${#1}" -gt 0 ] && [ "${#1}" -lt 8000 ] || return 0
  __opspilot_escape "$1"
  __opspilot_mark "T;$__opspilot_seq;$REPLY"
}

# Puts the barrier into the prompts, whatever the user made of them.
__opspilot_arm() {
  # shellcheck disable=SC2016  # expanded by the prompts
  case ${PS1-} in
    *__opspilot_prompt*) ;;
    *) PS1=$__opspilot_columns'${__opspilot_void#$((__opspilot_seq+=1))$({ __opspilot_prompt "$?"; } </dev/tty >/dev/tty 2>/dev/null)}'${PS1-}'${__opspilot_drawn}' ;;
  esac
  # mksh does not expand its second prompt: marks alone stand there.
  # shellcheck disable=SC2016
  case $__opspilot_program:${PS2-} in
    *__opspilot_more* | *"$__opspilot_nonce"*) ;;
    mksh:* | lksh:*)
      PS2=$__opspilot_columns$__opspilot_invisible$(__opspilot_mark P)$__opspilot_invisible${PS2-}$__opspilot_drawn
      ;;
    *) PS2='${__opspilot_void#$((__opspilot_seq+=1))$({ __opspilot_more; } </dev/tty >/dev/tty 2>/dev/null)}'${PS2-}'${__opspilot_drawn}' ;;
  esac
}

__opspilot_install() {
  __opspilot_program=$(readlink "/proc/$$/exe")
  __opspilot_program=${__opspilot_program##*/}
  # How others edit and prompt is not known.
  case $__opspilot_program in
    dash | busybox | mksh | lksh) ;;
    *) __opspilot_nonce='' ;;
  esac
  # There, Linux has other numbers for a terminal's settings than the bastion reads them by.
  case $(command uname -m) in
    alpha* | mips* | parisc* | ppc* | sparc*) __opspilot_nonce='' ;;
  esac
  if ! (PS1=x PS2=x __opspilot_seq=x) 2>/dev/null || [ -z "$__opspilot_nonce" ]; then
    command printf '\033]7717;?;X\007' >/dev/tty
    return 0
  fi
  __opspilot_newline='
'
  __opspilot_odd=$(command printf '\r\t\033\007.')
  __opspilot_odd=$__opspilot_newline${__opspilot_odd%.}
  __opspilot_return=$(command printf '\r.')
  __opspilot_return=${__opspilot_return%.}
  __opspilot_tab=$(command printf '\t.')
  __opspilot_tab=${__opspilot_tab%.}
  __opspilot_bell=$(command printf '\007.')
  __opspilot_bell=${__opspilot_bell%.}
  __opspilot_drawn=$(__opspilot_mark B)
  __opspilot_stty=$(command -v stty)
  # Shells with an editor of their own count the columns of their prompt, each in its way.
  __opspilot_columns='' __opspilot_invisible=''
  case $__opspilot_program in
    busybox) __opspilot_drawn="\\[$__opspilot_drawn\\]" ;;
    mksh | lksh)
      # Its second character being a carriage return, the first encloses what takes no column.
      __opspilot_invisible=$(command printf '\001')
      __opspilot_columns=$__opspilot_invisible$__opspilot_return
      __opspilot_drawn=$__opspilot_invisible$__opspilot_drawn$__opspilot_invisible
      ;;
  esac
  __opspilot_arm
}
