# Sends the outgoing connections of this machine to an HTTP proxy, through the snap aproxy.
# Safe to repeat. Never fails: a machine without the redirect may still have another way out.
listen=54969

log() { echo "[garm-runner] aproxy: $*"; }

# source_address prints the address of this machine that outgoing connections have, and fails when there is none. Nothing is sent.
source_address() {
	ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | grep .
}

# wait_for SECONDS COMMAND...: whether COMMAND succeeds within SECONDS.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

await_route() {
	if ! wait_for 15 source_address; then
		log "cannot redirect: this machine has no default route: $(ip -4 route get 192.0.2.1 2>&1)"
		return 1
	fi
}

install_aproxy() {
	if ! command -v snap >/dev/null; then
		log "cannot use the proxy: there is no snap"
		return 1
	fi
	timeout 120 snap wait system seed.loaded || log "snapd is not ready yet"
	# snapd reaches the store through the proxy too.
	timeout 60 snap set system proxy.http="$proxy_url" proxy.https="$proxy_url" || log "cannot set the proxy of snapd"
	if ! snap list aproxy >/dev/null 2>&1; then
		timeout 120 snap install aproxy --edge || log "cannot install aproxy"
	fi
	if ! timeout 60 snap set aproxy proxy="$proxy_address" listen=":$listen"; then
		log "cannot configure aproxy"
		return 1
	fi
}

# elements prints what is never redirected: this machine, the proxy itself, and what the operator excluded.
elements() {
	local address
	printf '127.0.0.0/8, %s' "$1"
	while read -r address _; do
		case $address in *:*) ;; *) printf ', %s' "$address" ;; esac
	done < <(getent ahosts "$proxy_host" | sort -u -k 1,1)
	[ -z "$exclude" ] || printf ', %s' "$exclude"
}

rules() {
	cat <<RULES
table ip aproxy
delete table ip aproxy
table ip aproxy {
	set exclude {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { $(elements "$1") }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr != @exclude tcp dport { $ports } counter dnat to $1:$listen
	}
	chain output {
		type nat hook output priority -100; policy accept;
		ip daddr != @exclude tcp dport { $ports } counter dnat to $1:$listen
	}
}
RULES
}

redirect() {
	local address
	if ! command -v nft >/dev/null; then
		log "cannot redirect: there is no nft"
		return 1
	fi
	address=$(source_address)
	if ! wait_for 15 getent ahosts "$proxy_host"; then
		log "cannot redirect: the proxy's name does not resolve"
		return 1
	fi
	if ! wait_for 15 bash -c "true </dev/tcp/$address/$listen" 2>/dev/null; then
		log "cannot redirect: aproxy does not listen on port $listen"
		return 1
	fi
	if ! rules "$address" | nft -f -; then
		log "cannot redirect: nft does not take the rules"
		return 1
	fi
	log "ports $ports go through the proxy"
}

# A redirect to something that does not listen would cut the machine off.
if ! { await_route && install_aproxy && redirect; }; then
	nft delete table ip aproxy 2>/dev/null
	log "connections go past the proxy"
fi
exit 0
