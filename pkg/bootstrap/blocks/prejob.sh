# What the runner runs before each job. The runner starts it with "bash -e" and fails the job when it fails.
set +e
log() { echo "[garm-runner] $*"; }

job="job of repository ${GITHUB_REPOSITORY-}, workflow ${GITHUB_WORKFLOW-}, run ${GITHUB_RUN_ID-}"
log "${job//[[:cntrl:]]/ }"
