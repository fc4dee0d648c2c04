# The gate for fish 3.4 and newer: needs its nonce in __opspilot_nonce, and __opspilot_install to be called once.
#
# fish tells fish_preexec of each line that it is about to run, whatever started it: keys of the user's own, an editor, an
# expanded abbreviation. The terminal is silent and not canonical then, for the line editor had it. The handler asks the
# bastion over the terminal and waits; without an answer nothing runs. What programs and `read` take from the terminal is
# never looked at.
#
# A handler cannot cancel a line. But after `exit` fish runs nothing until it has left its prompt, and it stays where a
# job is in the background: it warns. So a refused line gets a job and an `exit`; the warning is hidden by the bastion,
# and a line of one blank follows, after which fish would warn again. Where any of that fails, the shell ends.
#
# An interrupt cancels a handler, and the line would run. So while the user edits and the handler asks, there is a
# handler for SIGINT, which keeps fish from cancelling; it is taken away before the line runs.
set -g __opspilot_seq 0         # number of the prompt
set -g __opspilot_line ''       # the line that fish_preexec was told of
set -g __opspilot_refused ''    # 1: its line is being stopped; 2: the blank line that comes after it runs
set -g __opspilot_job ''        # what keeps a shell alive that was told to exit
set -g __opspilot_reply ''      # what a function below answers

# Answers $argv[1] as a field of a mark.
function __opspilot_escape
    set -g __opspilot_reply $argv[1]
    string match -qr '[\\\\;\x01-\x1f]' -- $argv[1]; or return
    set -l IFS \n
    set -l lines (string split \n -- $argv[1] | string replace -a '\\' '\\\\' | string replace -a \r '\\r' \
        | string replace -a \t '\\t' | string replace -a \e '\\e' | string replace -a \a '\\a' | string replace -a ';' '\\s')
    set -g __opspilot_reply (string join '\\n' -- $lines)
end

# Answers how many bytes $argv[1] has: a character has 1 to 4, a byte that is none is one in the range f600 to f6ff.
function __opspilot_bytes
    set -l IFS \n
    set -g __opspilot_reply (string length -- $argv[1])
    string match -qr '[\x{80}-\x{10ffff}]' -- $argv[1]; or return
    set -g __opspilot_reply (string replace -a \n . -- $argv[1] | string replace -ar '[\x{10000}-\x{10ffff}]' .... \
        | string replace -ar '[\x{f600}-\x{f6ff}]' . | string replace -ar '[\x{800}-\x{ffff}]' ... \
        | string replace -ar '[\x{80}-\x{7ff}]' .. | string length)
end

# Answers name=value, a line each, of the first words in $argv[1] that `alias` has made functions.
function __opspilot_aliases
    set -l IFS \n
    set -l found ''
    for word in (string replace -ar '[;|&()]+' \n -- $argv[1] | string match -r '\A *[A-Za-z0-9_.:+-]+' | string trim)
        functions -q -- $word; or continue
        set -l about (functions -Dv -- $word)
        set -l value (string replace -fr '\Aalias (?:-s )?'(string escape --style=regex -- $word)'[= ]' '' -- "$about[5]")
        and set found $found$word=$value\n
    end
    set -g __opspilot_reply $found
end

# Succeeds if $argv[1] is nothing but blanks and comments.
function __opspilot_is_nothing
    not string split \n -- $argv[1] | string match -qvr '\A[ \t]*(?:#.*)?\z'
end

# Asks about the line $argv[1]; fails unless the answer is yes. Input that comes before the answer goes back to the bastion.
function __opspilot_ask
    set -l IFS \n
    set -l challenge ''
    while test (string length -- "$challenge") -lt 12
        read -l -z -n 12 -d \x01 part </dev/urandom; or return 1
        set challenge "$challenge$part"
    end
    set -l id $__opspilot_seq.(string escape --style=var -- $challenge)
    set -l kind h
    set -l text ''
    set -l size 0
    set -l aliases ''
    __opspilot_escape $PWD
    set -l directory $__opspilot_reply
    if test (string length -- $argv[1]) -le 10000
        __opspilot_bytes $argv[1]
        set size $__opspilot_reply
        __opspilot_aliases $argv[1]
        __opspilot_escape "$__opspilot_reply"
        test (string length -- "$__opspilot_reply") -le 4000; and set aliases $__opspilot_reply
        __opspilot_escape $argv[1]
        set text $__opspilot_reply
    else
        set kind u
    end
    builtin printf '\e]7717;%s;G;%s;%s;%s;%s;%s;%s\a' $__opspilot_nonce $id $kind $size "$text" $directory "$aliases" \
        >/dev/tty; or return 1
    # As many characters as are missing of the answer, never one more: `read` would wait for it.
    set -l whole (string length -- $id:y.)
    set -l missing $whole
    set -l tail ''
    set -l strays ''
    set -l answer
    while read -l -z -n $missing -d \x01 chunk
        set strays "$strays$chunk"
        set answer (string match -r -- (string escape --style=regex -- $id)':([yn])\x15\z' $strays); and break
        if test -z "$tail"
            # What the answer begins with, at the end of what has come.
            set -l letters (string split '' -- $id: | string replace . '[.]') '[yn]'
            set tail (string join '(?:' -- $letters)(string repeat -n (math (count $letters) - 1) ')?')'\z'
        end
        set -l begun (string match -r -- $tail $strays)
        set missing (math $whole - (string length -- "$begun"))
        if test -z "$begun" -a (string length -- "$strays") -gt 8000
            __opspilot_escape "$strays"
            builtin printf '\e]7717;%s;T;%s;%s\a' $__opspilot_nonce $id "$__opspilot_reply" >/dev/tty
            set strays ''
        end
    end
    test -n "$answer[2]"; or return 1
    __opspilot_escape "$strays"
    builtin printf '\e]7717;%s;V;%s;%s;%s\a' $__opspilot_nonce $id $answer[2] \
        (string replace -- $answer[1] '' "$__opspilot_reply") >/dev/tty
    test $answer[2] = y
end

function __opspilot_preexec --on-event fish_preexec
    set -g __opspilot_line $argv[1]
    if not __opspilot_is_nothing $argv[1]; and not __opspilot_ask $argv[1]
        builtin printf '\e]7717;%s;H;1\a' $__opspilot_nonce >/dev/tty
        command $__opspilot_sleep 20 </dev/null >/dev/null 2>/dev/null &
        set -g __opspilot_job $last_pid
        set -g __opspilot_refused 1
        builtin exit
    end
    functions -e __opspilot_interrupt
end

function __opspilot_postexec --on-event fish_postexec
    __opspilot_guard
    # Before the first prompt it is the line that has placed this.
    if test $__opspilot_seq -gt 0 -a "$argv[1]" != "$__opspilot_line"; and not __opspilot_is_nothing $argv[1]
        __opspilot_escape (string sub -l 10000 -- $argv[1] | string collect)
        builtin printf '\e]7717;%s;U;%s\a' $__opspilot_nonce "$__opspilot_reply" >/dev/tty
    end
    set -g __opspilot_line ''
    switch "$__opspilot_refused"
        case 1
            # For the next prompt: not every version lets that prompt's own event do it.
            builtin commandline -r ' '
        case 2
            __opspilot_forgive
    end
end

# Reports how the line ended, and that a prompt is about to show.
function __opspilot_prompt --on-event fish_prompt
    set -l result $status $pipestatus
    switch "$__opspilot_refused"
        case 1
            set -g __opspilot_refused 2
            builtin commandline -r ' '
            builtin commandline -f execute
            return
        case 2
            __opspilot_forgive
    end
    __opspilot_guard
    set -g __opspilot_seq (math $__opspilot_seq + 1)
    __opspilot_escape $PWD
    builtin printf '\e]7717;%s;D;%s;%s;%s;%s\a' $__opspilot_nonce $__opspilot_seq $result[1] $__opspilot_reply \
        "$result[2..-1]" >/dev/tty
end

# The refused line is over.
function __opspilot_forgive
    set -g __opspilot_refused ''
    builtin disown $__opspilot_job 2>/dev/null
    builtin printf '\e]7717;%s;H;0\a' $__opspilot_nonce >/dev/tty
end

function __opspilot_guard
    functions -q __opspilot_interrupt; and return
    function __opspilot_interrupt --on-signal INT
    end
end

function __opspilot_install
    set -g __opspilot_sleep (command -s sleep)
    __opspilot_guard
end
