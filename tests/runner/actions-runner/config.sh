#!/bin/bash
# Registers nothing: it checks that it was called as a new runner is, and leaves the files that registration leaves.
if [ "$1" = remove ]; then
	rm -f .runner .credentials
	exit 0
fi
while [ $# -gt 0 ]; do
	case $1 in
	--url | --token | --name | --labels | --runnergroup)
		[ -n "${2-}" ] || { echo "missing value of $1" >&2; exit 1; }
		[ "$1" != --name ] || name=$2
		[ "$1" != --url ] || url=$2
		shift
		;;
	--unattended | --ephemeral | --no-default-labels) ;;
	*) echo "unknown option $1" >&2; exit 1 ;;
	esac
	shift
done
printf '{"agentId": 1, "agentName": "%s", "gitHubUrl": "%s"}\n' "${name:?}" "${url:?}" >.runner
./env.sh
