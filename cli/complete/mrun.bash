# bash completion for mrun: `source <(mrun completion bash)`.
_mrun() {
  mapfile -t COMPREPLY < <("$1" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  compopt -o nospace
}
complete -F _mrun mrun
