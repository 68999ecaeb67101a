#!/bin/bash
# Installs and starts the runner as a service.
cd "$(dirname "$0")" || exit 1
case $1 in
install)
	cp bin/runsvc.sh runsvc.sh && chown "$2" runsvc.sh || exit 1
	printf '[Service]\nExecStart=%s/runsvc.sh\nUser=%s\nWorkingDirectory=%s\n' "$PWD" "$2" "$PWD" \
		>/etc/systemd/system/actions.runner.service || exit 1
	systemctl daemon-reload && systemctl enable actions.runner.service
	;;
start) systemctl start actions.runner.service ;;
*) exit 1 ;;
esac
