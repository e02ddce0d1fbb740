# bash completion for mrun: `source <(mrun completion bash)`.
_mrun() {
  local program=$1 # as it was typed
  [[ $program != "~/"* ]] || program=$HOME/${program:2}
  mapfile -t COMPREPLY < <("$program" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  compopt -o nospace
}
complete -F _mrun mrun
