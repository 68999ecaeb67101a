log() { echo "[garm-runner] $*"; }
