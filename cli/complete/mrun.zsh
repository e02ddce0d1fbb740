#compdef mrun
# zsh completion for mrun: `source <(mrun completion zsh)`, or as _mrun in a folder of $fpath.
_mrun() {
  local line text says program=${(Q)words[1]} # as it was typed
  [[ $program != '~/'* ]] || program=$HOME/${program[3,-1]}
  local -a parts ended ended_says open open_says
  for line in ${(f)"$($program __complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)"}; do
    parts=("${(@ps:\t:)line}")
    text=$parts[1]
    says=$text
    [[ -n $parts[2] ]] && says="$text  -- $parts[2]"
    if [[ $parts[3] == 1 ]]; then
      ended+=("$text")
      ended_says+=("$says")
    else
      open+=("$text")
      open_says+=("$says")
    fi
  done
  compadd -l -d ended_says -- $ended
  compadd -l -S '' -d open_says -- $open
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _mrun "$@"
else
  compdef _mrun mrun
fi
