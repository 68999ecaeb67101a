# Relays debug sessions to their SSH server through the HTTP proxy: they connect to port 3129 of this machine.
# The service is there for whoever wants it (canonical/action-tmate starts it), and started when jobs are sent to it.
# Safe to repeat. Never fails: a runner without debug sessions is still one.
own=/opt/garm-runner/tmate-proxy
authorization=/opt/garm-runner/tmate-proxy.authorization

log() { echo "[garm-runner] tmate: $*"; }

relay() {
	local to=PROXY:$proxy_host:$tmate_host:$tmate_port,proxyport=$proxy_port
	[ -z "$proxy_user" ] || to+=,proxy-authorization-file=$authorization
	exec socat TCP-LISTEN:3129,bind=127.0.0.1,fork,reuseaddr "$to"
}

install_service() {
	install -D -m 0700 "$0" "$own" || return
	(umask 077 && printf '%s' "$proxy_user" >"$authorization") || return
	cat >/etc/systemd/system/tmate-proxy.service <<UNIT || return
[Unit]
Description=Relay of debug sessions through the HTTP proxy
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=$own run
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
UNIT
	systemctl daemon-reload
}

if [ "${1-}" = run ]; then
	relay
fi
if ! command -v socat >/dev/null; then
	log "cannot relay debug sessions: there is no socat"
elif ! install_service; then
	log "cannot install the service tmate-proxy"
elif [ "$started" = true ] && ! { systemctl enable tmate-proxy && systemctl restart tmate-proxy; }; then
	log "cannot start the service tmate-proxy"
else
	log "debug sessions can be relayed through the proxy"
fi
exit 0
