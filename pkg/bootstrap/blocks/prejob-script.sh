
# A process of its own: whatever the operator's script does, the job goes on.
/opt/garm-runner/pre-job-script </dev/null || log "the pre-job script failed with exit code $?"
