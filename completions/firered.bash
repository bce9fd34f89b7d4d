# Completion of firered for bash.  The program itself is asked for its commands and flags.
_firered() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]} flag value words='' takes=''
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" flags 2>/dev/null) --help --version" -- "$current")
        return
    fi
    if [[ ${COMP_WORDS[1]} == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" flags 2>/dev/null) settings" -- "$current")
        return
    fi
    while read -r flag value; do
        if [[ $flag == --* ]]; then words+=" $flag"; fi
        if [[ $flag == "$previous" || ($flag != --* && $current != -*) ]]; then takes=${value:-$flag}; fi
        if [[ $flag == "$previous" && -z $value ]]; then takes=''; fi
    done < <("$program" flags "${COMP_WORDS[1]}" 2>/dev/null)
    case $takes in
    '') mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    *FILE* | *FOLDER*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    *'|'*) mapfile -t COMPREPLY < <(compgen -W "${takes//|/ }" -- "$current") ;;
    esac
}
complete -F _firered firered
