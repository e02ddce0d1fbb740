# fish completion for mrun: `mrun completion fish | source`.
function __mrun_complete
    set -l words (commandline -opc)
    set -l typed (string unescape -- (commandline -ct)); or set typed (commandline -ct)
    string match -q '~/*' -- $words[1]; and set words[1] "$HOME"(string sub -s 2 -- $words[1]) # as it was typed
    $words[1] __complete fish $words[2..-1] "$typed" 2>/dev/null
end
complete -c mrun -f -k -a '(__mrun_complete)'
