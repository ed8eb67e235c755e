# SPDX-License-Identifier: ISC
# fish completion for coffer(1).  Commands and options are taken from what
# `coffer help' prints, so they are always those of the installed program.

function __coffer_words
    commandline -opc | string match -v -- '-*'
end

# The command that is being typed: one word, or two.
function __coffer_command
    set -l words (__coffer_words)
    if test (count $words) -ge 3; and contains -- $words[2] key device
        echo $words[2] $words[3]
    else if test (count $words) -ge 2; and not contains -- $words[2] key device
        echo $words[2]
    end
end

function __coffer_first_commands
    coffer help 2>/dev/null |
        string replace -rf '^  ([a-z]+)(?: [a-z]+)?  +(.*)$' '$1\t$2' |
        sort -u -t \t -k 1,1
end

# The second words of `key' or `device'.
function __coffer_second_commands
    set -l words (__coffer_words)
    coffer help $words[2] 2>/dev/null |
        string replace -rf "^  $words[2] ([a-z]+)  +(.*)\$" '$1\t$2'
end

function __coffer_options
    set -l command (__coffer_command | string split ' ')
    test -n "$command"; or return
    coffer help $command 2>/dev/null |
        string replace -rf '^  +(?:-[a-zA-Z], )?(--[a-z-]+)(?: [A-Z]+)?(?:  +(.*))?$' '$1\t$2'
end

complete -c coffer -n 'test (count (__coffer_words)) -eq 1' -f \
    -a '(__coffer_first_commands)'
complete -c coffer -n 'test (count (__coffer_words)) -eq 2; and __fish_seen_subcommand_from key device' \
    -f -a '(__coffer_second_commands)'
complete -c coffer -n 'test (count (__coffer_words)) -eq 2; and __fish_seen_subcommand_from help' \
    -f -a '(__coffer_first_commands)'
complete -c coffer -n 'test -n (__coffer_command | string collect; or echo); and string match -q -- "-*" (commandline -ct)' \
    -f -a '(__coffer_options)'
