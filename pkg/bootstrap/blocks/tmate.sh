if [ "$tmate_relayed" = true ]; then
	if systemctl is-active --quiet tmate-proxy; then
		tmate_host=127.0.0.1 tmate_port=3129
	else
		log "cannot relay debug sessions through the proxy: jobs get the address of their server"
	fi
fi
env+=(
	"TMATE_SERVER_HOST=$tmate_host" "TMATE_SERVER_PORT=$tmate_port"
	"TMATE_SERVER_RSA_FINGERPRINT=$tmate_rsa" "TMATE_SERVER_ED25519_FINGERPRINT=$tmate_ed25519"
)
