notes=$HOME/.garm-runner.log
log() { echo "[garm-runner] $*" | tee -a "$notes"; }
